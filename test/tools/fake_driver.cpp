// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The part of the CUDA driver that the runtime uses, over the emulator, for
// tests on machines without a GPU. It is as strict as a driver may be: a stream
// does nothing until somebody waits for it, so that memory which is given up
// too early is read too late; a capture allows nothing but launches of kernels
// that have been launched before; and no call does without a context.
//
// FLOW_TEST_CUDA says what the device is, in a list of NAME=VALUE:
//   devices=N   0 or 1 devices
//   arch=N      80 for sm_80, which is also the default
//   shared=N    bytes of shared memory of a block, 166912
//   memory=N    bytes of device memory, 1 GiB
//   jit=TEXT    every image is refused with this log
//   report=FILE writes what was done and what is left over when the context is
//               released

#include "flow/Emulator/Emulator.h"
#include "flow/Emulator/TensorMap.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>

using namespace flow;

namespace {

enum Code {
  Success = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  NotInitialized = 3,
  NoDevice = 100,
  InvalidContext = 201,
  NoBinary = 209,
  InvalidPtx = 218,
  NotFound = 500,
  LaunchFailed = 719,
  CaptureUnsupported = 900,
};

/// Of FLOW_TEST_CUDA.
struct Settings {
  int devices = 1, arch = 80, shared = 163 * 1024;
  size_t memory = size_t(1) << 30;
  std::string jit, report;

  static Settings read() {
    Settings settings;
    const char *text = std::getenv("FLOW_TEST_CUDA");
    for (llvm::StringRef part : llvm::split(text ? text : "", ',')) {
      auto [name, value] = part.split('=');
      if (name == "devices")
        value.getAsInteger(10, settings.devices);
      else if (name == "arch")
        value.getAsInteger(10, settings.arch);
      else if (name == "shared")
        value.getAsInteger(10, settings.shared);
      else if (name == "memory")
        value.getAsInteger(10, settings.memory);
      else if (name == "jit")
        settings.jit = value.str();
      else if (name == "report")
        settings.report = value.str();
    }
    return settings;
  }
};

struct Module {
  std::unique_ptr<emulator::Program> program;
  /// Bytes of each parameter of a kernel.
  llvm::StringMap<std::vector<size_t>> parameters;
};

struct Function {
  Module *module;
  std::string name;
  uint32_t sharedBytes = 48 * 1024;
  bool wasLaunched = false;
};

using Work = std::function<Code()>;

struct Graph {
  std::vector<Work> work;
};

struct Stream {
  std::deque<Work> queue;
  /// What it captures, if it does.
  std::unique_ptr<Graph> capture;
  bool captureIsBroken = false;
};

/// Everything of the one context.
struct Context {
  Settings settings;
  emulator::GlobalMemory memory;
  std::map<unsigned long long, size_t> allocated;
  size_t used = 0;
  std::map<std::unique_ptr<std::byte[]>, size_t> pinned;
  std::map<Module *, std::unique_ptr<Module>> modules;
  std::map<std::pair<Module *, std::string>, std::unique_ptr<Function>>
      functions;
  std::map<Stream *, std::unique_ptr<Stream>> streams;
  std::map<Graph *, std::unique_ptr<Graph>> graphs;
  /// An error of a kernel, after which there is no other.
  std::string failure;
  int launches = 0, captured = 0, captures = 0, replays = 0;

  bool isCapturing() {
    for (auto &[stream, owner] : streams)
      if (stream->capture)
        return stream->captureIsBroken = true;
    return false;
  }
  bool holds(unsigned long long address, size_t bytes) const {
    auto after = allocated.upper_bound(address);
    if (after == allocated.begin())
      return false;
    auto [begin, size] = *std::prev(after);
    return address + bytes <= begin + size;
  }
};

std::unique_ptr<Context> context;
bool isInitialized = false;
thread_local int entered = 0;

/// The size of a parameter of `ptx`: of 32 or 64 bits, or an array of bytes.
size_t sizeOf(llvm::StringRef parameter) {
  llvm::SmallVector<llvm::StringRef, 2> groups;
  size_t bytes = 4;
  if (llvm::Regex("\\.b8 .*\\[([0-9]+)\\]").match(parameter, &groups))
    groups[1].getAsInteger(10, bytes);
  else if (llvm::Regex("\\.[usb]64").match(parameter))
    bytes = 8;
  return bytes;
}

/// The sizes of the parameters of the kernels in `ptx`.
llvm::StringMap<std::vector<size_t>> readParameters(llvm::StringRef ptx) {
  llvm::StringMap<std::vector<size_t>> sizes;
  llvm::SmallVector<llvm::StringRef, 2> groups;
  while (llvm::Regex("\\.entry ([A-Za-z0-9_$]+) *\\(([^)]*)\\)")
             .match(ptx, &groups)) {
    std::vector<size_t> &list = sizes[groups[1]];
    for (llvm::StringRef parameter : llvm::split(groups[2], ','))
      if (parameter.contains(".param"))
        list.push_back(sizeOf(parameter));
    ptx = ptx.drop_front(groups[0].end() - ptx.begin());
  }
  return sizes;
}

/// Puts `work` into the stream or into what it captures.
Code enqueue(Stream *stream, Work work) {
  if (stream->capture) {
    stream->captureIsBroken = true; // but for launches
    return CaptureUnsupported;
  }
  stream->queue.push_back(std::move(work));
  return Success;
}

Code drain(Stream *stream) {
  while (!stream->queue.empty() && context->failure.empty()) {
    Work work = std::move(stream->queue.front());
    stream->queue.pop_front();
    if (Code code = work())
      return code;
  }
  return context->failure.empty() ? Success : LaunchFailed;
}

/// A launch with the values that parameters have now.
Work makeLaunch(const Function &function, emulator::Launch launch,
                void **parameters) {
  const std::vector<size_t> &sizes = function.module->parameters[function.name];
  std::vector<std::vector<std::byte>> values(sizes.size());
  for (size_t i = 0; i != sizes.size(); ++i) {
    const auto *bytes = static_cast<const std::byte *>(parameters[i]);
    values[i].assign(bytes, bytes + sizes[i]);
  }
  emulator::Program *program = function.module->program.get();
  return [program, launch, values]() mutable -> Code {
    launch.parameters.clear();
    for (const std::vector<std::byte> &value : values)
      launch.parameters.push_back(value.data());
    llvm::Expected<emulator::Counters> done =
        program->launch(launch, context->memory, /*threads=*/2);
    if (done)
      return Success;
    context->failure = llvm::toString(done.takeError());
    return LaunchFailed;
  };
}

void report() {
  if (context->settings.report.empty())
    return;
  std::error_code code;
  llvm::raw_fd_ostream out(context->settings.report, code);
  out << "launched " << context->launches << ", captured " << context->captured
      << " in " << context->captures << ", replayed " << context->replays
      << "\nleft " << context->allocated.size() << " allocations, "
      << context->pinned.size() << " pinned, " << context->modules.size()
      << " modules, " << context->streams.size() << " streams, "
      << context->graphs.size() << " graphs\n";
}

} // namespace

// What a call needs that is about the context: to be in it, and, but for
// launches and their capture, no capture.
#define FLOW_NEEDS_CONTEXT                                                     \
  if (!context || !entered)                                                    \
  return InvalidContext
#define FLOW_NEEDS_NO_CAPTURE                                                  \
  FLOW_NEEDS_CONTEXT;                                                          \
  if (context->isCapturing())                                                  \
  return CaptureUnsupported

extern "C" {

int cuInit(unsigned) {
  isInitialized = true;
  return Settings::read().devices == 0 ? NoDevice : Success;
}

int cuDriverGetVersion(int *version) {
  *version = 12040;
  return Success;
}

int cuGetErrorString(int code, const char **text) {
  switch (code) {
  case InvalidValue:
    *text = "invalid argument";
    return Success;
  case InvalidPtx:
    *text = "a PTX JIT compilation failed";
    return Success;
  case NoBinary:
    *text = "no kernel image is available for execution on the device";
    return Success;
  case LaunchFailed:
    *text = context->failure.c_str();
    return Success;
  case CaptureUnsupported:
    *text = "operation not permitted when stream is capturing";
    return Success;
  default:
    return InvalidValue;
  }
}

int cuDeviceGetCount(int *count) {
  *count = Settings::read().devices;
  return isInitialized ? Success : NotInitialized;
}

int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return isInitialized ? Success : NotInitialized;
}

int cuDeviceGetName(char *name, int length, int) {
  std::strncpy(name, "Emulated GPU", length);
  return Success;
}

int cuDeviceGetAttribute(int *value, int attribute, int) {
  Settings settings = Settings::read();
  switch (attribute) {
  case 75:
    *value = settings.arch / 10;
    return Success;
  case 76:
    *value = settings.arch % 10;
    return Success;
  case 97:
    *value = settings.shared;
    return Success;
  default:
    return InvalidValue;
  }
}

int cuDevicePrimaryCtxRetain(Context **result, int) {
  if (context)
    return InvalidContext; // one device at a time
  context = std::make_unique<Context>();
  context->settings = Settings::read();
  *result = context.get();
  return Success;
}

int cuDevicePrimaryCtxRelease_v2(int) {
  if (!context || entered)
    return InvalidContext;
  report();
  context.reset();
  return Success;
}

int cuCtxPushCurrent_v2(Context *pushed) {
  if (!context || pushed != context.get())
    return InvalidContext;
  ++entered;
  return Success;
}

int cuCtxPopCurrent_v2(Context **popped) {
  FLOW_NEEDS_CONTEXT;
  --entered;
  *popped = context.get();
  return Success;
}

int cuModuleLoadDataEx(Module **result, const void *image, unsigned count,
                       int *options, void **values) {
  FLOW_NEEDS_NO_CAPTURE;
  const char *text = static_cast<const char *>(image);
  if (!llvm::StringRef(text).contains(".version"))
    return NoBinary;
  llvm::SmallVector<llvm::StringRef, 2> groups;
  int arch = 0;
  bool isOfOne = false;
  if (llvm::Regex("\\.target sm_([0-9]+)(a?)").match(text, &groups)) {
    groups[1].getAsInteger(10, arch);
    isOfOne = !groups[2].empty();
  }
  if (arch > context->settings.arch ||
      (isOfOne && arch != context->settings.arch))
    return NoBinary;
  auto fail = [&](llvm::StringRef log) {
    // The log's buffer, and its size, which is a value in a pointer.
    if (count == 2 && options[0] == 5 && options[1] == 6)
      std::strncpy(static_cast<char *>(values[0]), log.str().c_str(),
                   reinterpret_cast<size_t>(values[1]) - 1);
    return InvalidPtx;
  };
  if (!context->settings.jit.empty())
    return fail(context->settings.jit + "\nptxas fatal: aborted\n");
  auto module = std::make_unique<Module>();
  emulator::ProgramOptions programOptions;
  programOptions.count = false;
  llvm::Expected<std::unique_ptr<emulator::Program>> program =
      emulator::Program::create(text, programOptions);
  if (!program)
    return fail(llvm::toString(program.takeError()));
  module->program = std::move(*program);
  module->parameters = readParameters(text);
  *result = module.get();
  context->modules.emplace(*result, std::move(module));
  return Success;
}

int cuModuleUnload(Module *module) {
  FLOW_NEEDS_NO_CAPTURE;
  return context->modules.erase(module) ? Success : InvalidValue;
}

int cuModuleGetFunction(Function **result, Module *module, const char *name) {
  FLOW_NEEDS_NO_CAPTURE;
  if (!module->parameters.contains(name))
    return NotFound;
  std::unique_ptr<Function> &function = context->functions[{module, name}];
  if (!function)
    function.reset(new Function{module, name});
  *result = function.get();
  return Success;
}

int cuFuncSetAttribute(Function *function, int attribute, int value) {
  FLOW_NEEDS_NO_CAPTURE;
  if (attribute != 8 || value > context->settings.shared)
    return InvalidValue;
  function->sharedBytes = value;
  return Success;
}

int cuMemGetInfo_v2(size_t *free, size_t *total) {
  FLOW_NEEDS_CONTEXT;
  *total = context->settings.memory;
  *free = *total - context->used;
  return Success;
}

int cuMemAlloc_v2(unsigned long long *result, size_t bytes) {
  FLOW_NEEDS_NO_CAPTURE;
  if (bytes == 0)
    return InvalidValue;
  if (bytes > context->settings.memory - context->used)
    return OutOfMemory;
  llvm::Expected<void *> memory =
      context->memory.allocate(bytes, "device memory");
  if (!memory) {
    llvm::consumeError(memory.takeError());
    return OutOfMemory;
  }
  // Nobody has promised zeros.
  std::memset(*memory, 0xA5, bytes);
  *result = reinterpret_cast<uintptr_t>(*memory);
  context->allocated[*result] = bytes;
  context->used += bytes;
  return Success;
}

int cuMemFree_v2(unsigned long long address) {
  FLOW_NEEDS_NO_CAPTURE;
  auto found = context->allocated.find(address);
  if (found == context->allocated.end())
    return InvalidValue;
  for (auto &[stream, owner] : context->streams)
    if (Code code = drain(stream))
      return code;
  context->used -= found->second;
  context->allocated.erase(found);
  context->memory.free(reinterpret_cast<void *>(address));
  return Success;
}

int cuMemHostAlloc(void **result, size_t bytes, unsigned) {
  FLOW_NEEDS_NO_CAPTURE;
  std::unique_ptr<std::byte[]> memory(new std::byte[bytes]);
  *result = memory.get();
  context->pinned.emplace(std::move(memory), bytes);
  return Success;
}

int cuMemFreeHost(void *memory) {
  FLOW_NEEDS_NO_CAPTURE;
  for (auto it = context->pinned.begin(); it != context->pinned.end(); ++it)
    if (it->first.get() == memory) {
      context->pinned.erase(it);
      return Success;
    }
  return InvalidValue;
}

int cuMemsetD8Async(unsigned long long address, unsigned char value,
                    size_t bytes, Stream *stream) {
  FLOW_NEEDS_CONTEXT;
  if (!context->holds(address, bytes))
    return InvalidValue;
  return enqueue(stream, [=] {
    std::memset(reinterpret_cast<void *>(address), value, bytes);
    return Success;
  });
}

int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from, size_t bytes,
                         Stream *stream) {
  FLOW_NEEDS_CONTEXT;
  if (!context->holds(to, bytes))
    return InvalidValue;
  return enqueue(stream, [=] {
    std::memcpy(reinterpret_cast<void *>(to), from, bytes);
    return Success;
  });
}

int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t bytes,
                         Stream *stream) {
  FLOW_NEEDS_CONTEXT;
  if (!context->holds(from, bytes))
    return InvalidValue;
  return enqueue(stream, [=] {
    std::memcpy(to, reinterpret_cast<const void *>(from), bytes);
    return Success;
  });
}

int cuTensorMapEncodeTiled(void *result, int type, unsigned rank, void *address,
                           const uint64_t *sizes, const uint64_t *strides,
                           const uint32_t *box, const uint32_t *steps,
                           int interleave, int swizzle, int promotion,
                           int fill) {
  // bf16 in two dimensions, dense rows of swizzled chunks, zeros outside.
  if (context->settings.arch < 90 || type != 9 || rank != 2 || interleave ||
      swizzle != 3 || promotion > 3 || fill || steps[0] != 1 || steps[1] != 1 ||
      reinterpret_cast<uintptr_t>(result) % 64 != 0 ||
      !context->holds(reinterpret_cast<uintptr_t>(address),
                      sizes[1] * strides[0]))
    return InvalidValue;
  emulator::MatrixMap map;
  map.address = reinterpret_cast<uintptr_t>(address);
  map.columns = sizes[0];
  map.rows = sizes[1];
  map.rowBytes = strides[0];
  map.elementBytes = 2;
  map.boxColumns = box[0];
  map.boxRows = box[1];
  map.swizzle = emulator::Swizzle::Bytes128;
  llvm::Expected<emulator::TensorMapBytes> bytes =
      emulator::encodeTensorMap(map);
  if (!bytes) {
    llvm::consumeError(bytes.takeError());
    return InvalidValue;
  }
  std::memcpy(result, bytes->data(), bytes->size());
  return Success;
}

int cuStreamCreate(Stream **result, unsigned) {
  FLOW_NEEDS_NO_CAPTURE;
  auto stream = std::make_unique<Stream>();
  *result = stream.get();
  context->streams.emplace(*result, std::move(stream));
  return Success;
}

int cuStreamDestroy_v2(Stream *stream) {
  FLOW_NEEDS_CONTEXT;
  return context->streams.erase(stream) ? Success : InvalidValue;
}

int cuStreamSynchronize(Stream *stream) {
  FLOW_NEEDS_NO_CAPTURE;
  return drain(stream);
}

int cuLaunchKernel(Function *function, unsigned gridX, unsigned gridY,
                   unsigned gridZ, unsigned blockX, unsigned blockY,
                   unsigned blockZ, unsigned sharedBytes, Stream *stream,
                   void **parameters, void **) {
  FLOW_NEEDS_CONTEXT;
  if (sharedBytes > function->sharedBytes || gridX == 0 || gridY > 65535 ||
      gridZ > 65535 || blockX * blockY * blockZ > 1024)
    return InvalidValue;
  emulator::Launch launch;
  launch.kernel = function->name;
  launch.grid = {gridX, gridY, gridZ};
  launch.block = {blockX, blockY, blockZ};
  launch.sharedBytes = sharedBytes;
  Work work = makeLaunch(*function, launch, parameters);
  if (!stream->capture) {
    ++context->launches;
    function->wasLaunched = true;
    return enqueue(stream, std::move(work));
  }
  // The code of a kernel may have to be loaded first.
  if (!function->wasLaunched) {
    stream->captureIsBroken = true;
    return CaptureUnsupported;
  }
  ++context->captured;
  stream->capture->work.push_back(std::move(work));
  return Success;
}

int cuStreamBeginCapture_v2(Stream *stream, int) {
  FLOW_NEEDS_NO_CAPTURE;
  stream->capture = std::make_unique<Graph>();
  stream->captureIsBroken = false;
  return Success;
}

int cuStreamEndCapture(Stream *stream, Graph **result) {
  FLOW_NEEDS_CONTEXT;
  *result = nullptr;
  std::unique_ptr<Graph> graph = std::move(stream->capture);
  if (!graph || stream->captureIsBroken)
    return CaptureUnsupported;
  ++context->captures;
  *result = graph.get();
  context->graphs.emplace(*result, std::move(graph));
  return Success;
}

int cuGraphInstantiateWithFlags(Graph **result, Graph *graph,
                                unsigned long long) {
  FLOW_NEEDS_NO_CAPTURE;
  auto copy = std::make_unique<Graph>(*graph);
  *result = copy.get();
  context->graphs.emplace(*result, std::move(copy));
  return Success;
}

int cuGraphLaunch(Graph *graph, Stream *stream) {
  FLOW_NEEDS_NO_CAPTURE;
  ++context->replays;
  for (const Work &work : graph->work)
    stream->queue.push_back(work);
  return Success;
}

int cuGraphDestroy(Graph *graph) {
  FLOW_NEEDS_CONTEXT;
  return context->graphs.erase(graph) ? Success : InvalidValue;
}

int cuGraphExecDestroy(Graph *graph) { return cuGraphDestroy(graph); }

} // extern "C"
