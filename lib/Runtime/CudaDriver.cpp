// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loads the CUDA driver.

#include "CudaDriver.h"

#include <dlfcn.h>

using namespace flow;
using namespace flow::runtime::cuda;

Result<Driver> Driver::load(const std::string &path) {
  // Never closed: a driver starts threads and registers what ends with the
  // process.
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = dlerror();
    return Error{"there is no CUDA driver: " +
                 std::string(reason ? reason : path.c_str())};
  }
  Driver driver;
#define FLOW_CUDA_FIND(name, symbol, ...)                                      \
  driver.name =                                                                \
      reinterpret_cast<Code (*)(__VA_ARGS__)>(dlsym(library, #symbol));        \
  if (!driver.name)                                                            \
    return Error{"the CUDA driver " + path + " is too old: it has no " #symbol};
  FLOW_CUDA_FUNCTIONS(FLOW_CUDA_FIND)
#undef FLOW_CUDA_FIND
  return driver;
}

Error Driver::failure(const std::string &what, Code code) const {
  const char *text = nullptr;
  if (errorString(code, &text) != kSuccess || !text)
    text = "an error that the driver has no words for";
  return Error{what + ": " + text + " (CUDA error " + std::to_string(code) +
               ")"};
}

Status Driver::check(const std::string &what, Code code) const {
  if (code == kSuccess)
    return {};
  return failure(what, code);
}
