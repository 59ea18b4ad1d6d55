// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Programs: PTX in, launches out.

#include "Cta.h"
#include "KernelCode.h"
#include "NativeCode.h"
#include "Translator.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Support/raw_ostream.h"

#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

using namespace flow::emulator;
using llvm::StringRef;

namespace flow::emulator {

/// What a program keeps.
class Module {
public:
  PtxModule ptx;
  ProgramOptions options;
  /// The module's own variables.
  GlobalMemory variables;
  std::vector<std::unique_ptr<KernelCode>> kernels;
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

} // namespace flow::emulator

/// Gives the module's variables memory; returns their addresses.
static llvm::Expected<llvm::StringMap<uint64_t>>
placeVariables(const PtxModule &ptx, GlobalMemory &memory) {
  llvm::StringMap<uint64_t> addresses;
  for (const GlobalVariable &variable : ptx.globals) {
    auto address = memory.allocate(variable.bytes.size(), variable.name,
                                   variable.readOnly);
    if (!address)
      return address.takeError();
    std::memcpy(*address, variable.bytes.data(), variable.bytes.size());
    addresses[variable.name] = reinterpret_cast<uint64_t>(*address);
  }
  return addresses;
}

/// A name that no PTX can clash with.
static std::string symbolOf(size_t kernel) {
  return "kernel." + std::to_string(kernel);
}

static llvm::Error verify(const llvm::Module &module) {
  std::string problem;
  llvm::raw_string_ostream stream(problem);
  if (llvm::verifyModule(module, &stream))
    return llvm::createStringError("the translation is broken: " + problem);
  return llvm::Error::success();
}

Program::Program(std::unique_ptr<Module> module) : module(std::move(module)) {}

Program::~Program() = default;

llvm::Expected<std::unique_ptr<Program>>
Program::create(StringRef ptx, const ProgramOptions &options) {
  auto parsed = parsePtx(ptx);
  if (!parsed)
    return parsed.takeError();
  auto made = std::make_unique<Module>();
  made->ptx = std::move(*parsed);
  made->options = options;
  auto variables = placeVariables(made->ptx, made->variables);
  if (!variables)
    return variables.takeError();
  auto context = std::make_unique<llvm::LLVMContext>();
  auto code = std::make_unique<llvm::Module>("ptx", *context);
  for (auto [i, kernel] : llvm::enumerate(made->ptx.kernels)) {
    auto flow = analyzeControlFlow(kernel);
    if (!flow)
      return flow.takeError();
    auto translated = std::make_unique<KernelCode>();
    translated->kernel = &kernel;
    Translator translator(kernel, *flow, *translated, options, *variables,
                          *code);
    if (llvm::Error error = translator.translate(symbolOf(i)))
      return error;
    made->kernels.push_back(std::move(translated));
  }
  if (llvm::Error error = verify(*code))
    return error;
  auto jit = createJit();
  if (!jit)
    return jit.takeError();
  made->jit = std::move(*jit);
  if (llvm::Error error =
          addModule(*made->jit, std::move(context), std::move(code)))
    return error;
  for (auto [i, kernel] : llvm::enumerate(made->kernels)) {
    auto address = made->jit->lookup(symbolOf(i));
    if (!address)
      return address.takeError();
    kernel->function = address->toPtr<WarpFunction>();
  }
  return std::unique_ptr<Program>(new Program(std::move(made)));
}

std::vector<std::string> Program::kernels() const {
  std::vector<std::string> names;
  for (const Kernel &kernel : module->ptx.kernels)
    names.push_back(kernel.name);
  return names;
}

static uint64_t sizeOf(const Dim3 &size) {
  return uint64_t(size.x) * size.y * size.z;
}

static std::string textOf(const Dim3 &size) {
  return "(" + std::to_string(size.x) + ", " + std::to_string(size.y) + ", " +
         std::to_string(size.z) + ")";
}

/// Fails if no GPU would take this launch.
static llvm::Error checkLaunch(const KernelCode &code, const Launch &launch,
                               const ProgramOptions &options) {
  const Kernel &kernel = *code.kernel;
  auto fail = [&](const llvm::Twine &what) {
    return llvm::createStringError("kernel '" + kernel.name + "': " + what);
  };
  const Dim3 &block = launch.block, &grid = launch.grid;
  uint64_t threads = sizeOf(block);
  if (!threads || block.x > 1024 || block.y > 1024 || block.z > 64 ||
      threads > 1024)
    return fail("a block of " + textOf(block) + " threads, expected 1 to 1024");
  if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffff || grid.y > 65535 ||
      grid.z > 65535)
    return fail("a grid of " + textOf(grid) +
                ", expected 1 to 2147483647 by 65535 by 65535");
  for (uint64_t cta : launch.ctas)
    if (cta >= sizeOf(grid))
      return fail("the CTA " + llvm::Twine(cta) + " of a grid of " +
                  llvm::Twine(sizeOf(grid)));
  const uint32_t *most = kernel.maxThreads;
  bool isExact = block.x == most[0] && block.y == most[1] && block.z == most[2];
  if (kernel.exactThreads && !isExact)
    return fail("a block of " + textOf(block) +
                " threads, the kernel requires " +
                textOf({most[0], most[1], most[2]}));
  if (most[0] && threads > uint64_t(most[0]) * most[1] * most[2])
    return fail("a block of " + textOf(block) + " threads, the kernel allows " +
                std::to_string(uint64_t(most[0]) * most[1] * most[2]));
  if (launch.parameters.size() != kernel.parameters.size())
    return fail(llvm::Twine(launch.parameters.size()) +
                " parameters, expected " +
                llvm::Twine(kernel.parameters.size()));
  if (llvm::is_contained(launch.parameters, nullptr))
    return fail("the address of a parameter is null");
  uint64_t shared = uint64_t(code.dynamicShared) + launch.sharedBytes;
  if (shared > options.sharedLimit)
    return fail(llvm::Twine(shared) + " bytes of shared memory, the limit is " +
                llvm::Twine(options.sharedLimit));
  return llvm::Error::success();
}

/// Hands out CTAs to threads, and collects what came of them.
class LaunchRun {
public:
  explicit LaunchRun(const LaunchContext &context)
      : context(context),
        count(context.launch->ctas.empty() ? sizeOf(context.launch->grid)
                                           : context.launch->ctas.size()) {}

  llvm::Expected<Counters> run(int threads) {
    uint64_t useful = std::min<uint64_t>(std::max(threads, 1), count);
    std::vector<std::thread> others;
    for (uint64_t i = 1; i < useful; ++i)
      others.emplace_back([this] { work(); });
    work();
    for (std::thread &thread : others)
      thread.join();
    if (failed != kNone)
      return llvm::createStringError(error);
    return counters;
  }

private:
  static constexpr uint64_t kNone = UINT64_MAX;

  void work() {
    Cta cta(context);
    while (failed.load() == kNone) {
      uint64_t index = next++;
      if (index >= count)
        break;
      const std::vector<uint64_t> &chosen = context.launch->ctas;
      if (cta.run(chosen.empty() ? index : chosen[index]))
        continue;
      std::lock_guard<std::mutex> lock(mutex);
      if (index < failed) {
        failed = index;
        error = cta.error();
      }
      break;
    }
    std::lock_guard<std::mutex> lock(mutex);
    counters += cta.counters;
  }

  const LaunchContext &context;
  uint64_t count;
  std::atomic<uint64_t> next{0}, failed{kNone};
  std::mutex mutex;
  Counters counters;
  std::string error;
};

llvm::Expected<Counters> Program::launch(const Launch &launch,
                                         GlobalMemory &memory, int threads,
                                         std::vector<Traffic> *traffic) {
  auto found = llvm::find_if(module->kernels, [&](const auto &code) {
    return code->kernel->name == launch.kernel;
  });
  if (found == module->kernels.end())
    return llvm::createStringError("no kernel '" + launch.kernel + "'");
  const KernelCode &code = **found;
  if (llvm::Error error = checkLaunch(code, launch, module->options))
    return error;
  GlobalRaces races;
  LaunchContext context;
  context.kernel = &code;
  context.launch = &launch;
  context.memory = &memory;
  context.variables = &module->variables;
  context.options = module->options;
  context.races = module->options.checks ? &races : nullptr;
  context.parameters.resize(code.kernel->parameterBytes);
  for (auto [variable, value] :
       llvm::zip(code.kernel->parameters, launch.parameters))
    std::memcpy(context.parameters.data() + variable.offset, value,
                variable.size);
  TouchedSectors touched;
  context.touched = &touched;
  llvm::Expected<Counters> counters = LaunchRun(context).run(threads);
  if (!counters || !context.options.count)
    return counters;
  std::vector<Traffic> pieces = touched.traffic();
  for (const Traffic &piece : pieces) {
    counters->distinctSectorsRead += piece.sectorsRead;
    counters->distinctSectorsWritten += piece.sectorsWritten;
  }
  if (traffic)
    *traffic = std::move(pieces);
  return counters;
}
