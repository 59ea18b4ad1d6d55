// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs what unpack_artifact.py made of an artefact and its model, with the
// runtime alone: this is also built for machines that have no LLVM at hand.
//
//   flow-test-run-plan PLAN CODE TENSORS LOGITS PROMPT TOKENS
//
// CODE is a shared object of the artefact's objects. The first PROMPT of TOKENS
// (ids, with commas) are prefilled, the others decoded one by one; the logits
// after each call are written to LOGITS, raw f32.

#include "flow/Runtime/Engine.h"

#include <cstdlib>
#include <dlfcn.h>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>

using namespace flow;

namespace {

int fail(const std::string &message) {
  std::cerr << "error: " << message << '\n';
  return 1;
}

std::string readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The tensors of a folder: lines of name, type, rows, columns and offset in
/// the file of their data.
class Tensors {
public:
  explicit Tensors(const std::string &folder)
      : data(readFile(folder + "/tensors.bin")) {
    std::ifstream index(folder + "/tensors.txt");
    std::string name;
    uint32_t type = 0;
    size_t offset = 0;
    runtime::TensorView view;
    while (index >> name >> type >> view.rows >> view.cols >> offset) {
      view.type = ggml::Type(type);
      view.data = reinterpret_cast<const std::byte *>(data.data()) + offset;
      views[name] = view;
    }
  }

  runtime::TensorSource source() const {
    return {
        [this](const std::string &name) -> std::optional<runtime::TensorView> {
          auto found = views.find(name);
          if (found == views.end())
            return std::nullopt;
          return found->second;
        },
        {}};
  }

private:
  std::string data;
  std::map<std::string, runtime::TensorView> views;
};

} // namespace

int main(int argc, char **argv) {
  if (argc != 7)
    return fail("expected PLAN CODE TENSORS LOGITS PROMPT TOKENS");
  Result<runtime::Plan> plan = runtime::planFromJson(readFile(argv[1]));
  if (!plan)
    return fail(plan.error());
  void *code = dlopen(argv[2], RTLD_NOW);
  if (!code)
    return fail(dlerror());
  Tensors tensors(argv[3]);
  const size_t rowBytes = plan->vocab * sizeof(float);
  runtime::EngineOptions options;
  options.threads = 2;
  Result<std::unique_ptr<runtime::Model>> model = runtime::Model::create(
      std::move(*plan),
      [&](const std::string &function) {
        return dlsym(code, ("flow_entry_" + function).c_str());
      },
      tensors.source(), options);
  if (!model)
    return fail(model.error());
  Result<std::unique_ptr<runtime::Sequence>> sequence =
      runtime::Sequence::create(**model);
  if (!sequence)
    return fail(sequence.error());

  std::vector<int32_t> prompt, rest;
  const size_t promptSize = std::strtoul(argv[5], nullptr, 10);
  std::istringstream list(argv[6]);
  for (std::string id; std::getline(list, id, ',');)
    (prompt.size() < promptSize ? prompt : rest)
        .push_back(std::atoi(id.c_str()));
  std::ofstream out(argv[4], std::ios::binary);
  auto write = [&] {
    out.write(reinterpret_cast<const char *>((*sequence)->logits()), rowBytes);
  };
  if (Status status = (*sequence)->prefill(prompt); !status)
    return fail(status.error());
  write();
  for (int32_t token : rest) {
    if (Status status = (*sequence)->decode(token); !status)
      return fail(status.error());
    write();
  }
  return out ? 0 : fail(std::string(argv[4]) + ": cannot be written");
}
