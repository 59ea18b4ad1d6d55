// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Gives the runtime's requests to the CUDA driver.

#include "flow/Runtime/CudaDevice.h"

#include "CudaDriver.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

using namespace flow;
using namespace flow::runtime;

namespace {

/// Pinned memory for uploads on their way. Those of a token are a few bytes.
constexpr size_t kStagingBytes = 64 * 1024;

/// What the driver's compiler has to say, at most.
constexpr size_t kLogBytes = 2048;

struct Kernel {
  cuda::Function function = nullptr;
  /// Bytes of dynamic shared memory that it may ask for.
  uint32_t sharedBytes = cuda::kPlainShared;
};

/// A driver's text as part of a line.
std::string inOneLine(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
    text.pop_back();
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos;)
    text.replace(at, 1, "; ");
  return text;
}

} // namespace

struct CudaDevice::State {
  explicit State(const cuda::Driver &driver) : driver(driver) {}
  ~State();

  Status open();
  Status describe();
  /// Waits for what was asked for, after which nothing is staged.
  Status synchronize();
  /// Copies to the device and waits.
  Status copy(DeviceAddress to, const void *from, size_t bytes);
  /// The kernel of `launch`, with the shared memory that it asks for.
  Result<cuda::Function> find(const DeviceLaunch &launch);
  Result<Kernel> load(const std::string &kernel) const;
  Status launch(const DeviceLaunch &launch, cuda::Function function);
  Result<cuda::Graph> capture(const std::vector<DeviceLaunch> &launches,
                              const std::vector<cuda::Function> &functions);
  /// The error of memory that the driver does not give.
  Error noMemory(size_t bytes, const std::string &name) const;

  cuda::Driver driver;
  cuda::Ordinal ordinal = 0;
  cuda::Context context = nullptr;
  cuda::Stream stream = nullptr;
  std::string name;
  int architecture = 0, sharedLimit = 0;
  void *staging = nullptr;
  size_t staged = 0;
  std::vector<cuda::Module> modules;
  std::map<std::string, Kernel> kernels;
};

namespace {

/// Makes the device's context that of the thread, for a while.
class CurrentContext {
public:
  CurrentContext(const cuda::Driver &driver, cuda::Context context)
      : driver(driver),
        entered(driver.check("the GPU's context cannot be entered",
                             driver.contextPush(context))) {}
  CurrentContext(const CurrentContext &) = delete;
  ~CurrentContext() {
    cuda::Context left;
    if (entered)
      driver.contextPop(&left);
  }

  const Status &status() const { return entered; }

private:
  const cuda::Driver &driver;
  Status entered;
};

/// Launches that the driver has captured.
class CapturedGraph : public DeviceGraph {
public:
  CapturedGraph(const cuda::Driver &driver, cuda::Context context,
                cuda::Stream stream, cuda::ExecutableGraph graph)
      : driver(driver), context(context), stream(stream), graph(graph) {}
  ~CapturedGraph() override {
    CurrentContext current(driver, context);
    driver.executableDestroy(graph);
  }

  Status replay() override {
    CurrentContext current(driver, context);
    if (!current.status())
      return current.status();
    return driver.check("a graph of kernels cannot be launched",
                        driver.graphLaunch(graph, stream));
  }

private:
  const cuda::Driver &driver;
  cuda::Context context;
  cuda::Stream stream;
  cuda::ExecutableGraph graph;
};

} // namespace

//===----------------------------------------------------------------------===//
// The device
//===----------------------------------------------------------------------===//

Status CudaDevice::State::describe() {
  int count = 0;
  cuda::Code code = driver.init(0);
  if (code == cuda::kSuccess)
    code = driver.deviceCount(&count);
  if (code == cuda::kNoDevice || (code == cuda::kSuccess && count == 0))
    return Error{"the CUDA driver finds no GPU"};
  if (code != cuda::kSuccess)
    return driver.failure("the CUDA driver cannot start", code);
  if (Status status =
          driver.check("GPU 0 cannot be had", driver.deviceGet(&ordinal, 0));
      !status)
    return status;
  std::array<char, 256> text{};
  if (driver.deviceName(text.data(), text.size() - 1, ordinal) ==
      cuda::kSuccess)
    name = text.data();
  int major = 0, minor = 0;
  for (auto [value, attribute] : {std::pair{&major, cuda::kMajor},
                                  {&minor, cuda::kMinor},
                                  {&sharedLimit, cuda::kSharedOptIn}})
    if (Status status =
            driver.check("GPU 0 cannot be asked what it is",
                         driver.deviceAttribute(value, attribute, ordinal));
        !status)
      return status;
  architecture = 10 * major + minor;
  return {};
}

Status CudaDevice::State::open() {
  if (Status status = describe(); !status)
    return status;
  if (Status status = driver.check("the context of " + name + " cannot be had",
                                   driver.contextRetain(&context, ordinal));
      !status)
    return status;
  CurrentContext current(driver, context);
  if (!current.status())
    return current.status();
  if (Status status =
          driver.check("a stream of " + name + " cannot be had",
                       driver.streamCreate(&stream, cuda::kNonBlocking));
      !status)
    return status;
  return driver.check("there is no pinned memory",
                      driver.allocateHost(&staging, kStagingBytes, 0));
}

CudaDevice::State::~State() {
  if (!context)
    return;
  {
    CurrentContext current(driver, context);
    if (staging)
      driver.freeHost(staging);
    for (cuda::Module module : modules)
      driver.moduleUnload(module);
    if (stream)
      driver.streamDestroy(stream);
  }
  driver.contextRelease(ordinal);
}

CudaDevice::CudaDevice(std::unique_ptr<State> state)
    : state(std::move(state)) {}
CudaDevice::~CudaDevice() = default;

Result<std::unique_ptr<CudaDevice>>
CudaDevice::open(const std::string &driver) {
  Result<cuda::Driver> loaded = cuda::Driver::load(driver);
  if (!loaded)
    return Error{loaded.error()};
  auto state = std::make_unique<State>(*loaded);
  if (Status status = state->open(); !status)
    return Error{status.error()};
  return std::unique_ptr<CudaDevice>(new CudaDevice(std::move(state)));
}

const std::string &CudaDevice::name() const { return state->name; }
int CudaDevice::architecture() const { return state->architecture; }

Status CudaDevice::checkArchitecture(int architecture) const {
  if (architecture <= state->architecture)
    return {};
  return Error{"the kernels need sm_" + std::to_string(architecture) + ", " +
               state->name + " is sm_" + std::to_string(state->architecture)};
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

Status CudaDevice::load(const std::string &image) {
  CurrentContext current(state->driver, state->context);
  if (!current.status())
    return current.status();
  std::array<char, kLogBytes> log{};
  int options[] = {cuda::kErrorLog, cuda::kErrorLogSize};
  void *values[] = {log.data(), reinterpret_cast<void *>(log.size())};
  cuda::Module module = nullptr;
  // PTX ends at a null character, which c_str() has.
  cuda::Code code =
      state->driver.moduleLoad(&module, image.c_str(), 2, options, values);
  if (code == cuda::kSuccess) {
    state->modules.push_back(module);
    return {};
  }
  int version = 0;
  state->driver.driverVersion(&version);
  Error error = state->driver.failure(
      state->name + ", sm_" + std::to_string(state->architecture) +
          ", with a driver of CUDA " + std::to_string(version / 1000) + "." +
          std::to_string(version % 1000 / 10) + " cannot load the kernels",
      code);
  log.back() = '\0';
  if (std::string said = inOneLine(log.data()); !said.empty())
    error.message += ": " + said;
  return error;
}

Result<Kernel> CudaDevice::State::load(const std::string &kernel) const {
  Kernel loaded;
  for (cuda::Module module : modules) {
    cuda::Code code =
        driver.moduleFunction(&loaded.function, module, kernel.c_str());
    if (code == cuda::kSuccess)
      return loaded;
    if (code != cuda::kNotFound)
      return driver.failure("kernel '" + kernel + "' cannot be loaded", code);
  }
  return Error{"no image has a kernel '" + kernel + "'"};
}

Result<cuda::Function> CudaDevice::State::find(const DeviceLaunch &launch) {
  auto found = kernels.find(launch.kernel);
  if (found == kernels.end()) {
    Result<Kernel> loaded = load(launch.kernel);
    if (!loaded)
      return Error{loaded.error()};
    found = kernels.emplace(launch.kernel, *loaded).first;
  }
  Kernel &kernel = found->second;
  if (launch.sharedBytes <= kernel.sharedBytes)
    return kernel.function;
  if (launch.sharedBytes > static_cast<uint32_t>(sharedLimit))
    return Error{"kernel '" + launch.kernel + "' needs " +
                 std::to_string(launch.sharedBytes) +
                 " bytes of shared memory, " + name + " has " +
                 std::to_string(sharedLimit) + " for a block"};
  if (Status status = driver.check(
          "kernel '" + launch.kernel + "' gets no shared memory",
          driver.functionSet(kernel.function, cuda::kMaxDynamicShared,
                             static_cast<int>(launch.sharedBytes)));
      !status)
    return Error{status.error()};
  kernel.sharedBytes = launch.sharedBytes;
  return kernel.function;
}

Status CudaDevice::State::launch(const DeviceLaunch &launch,
                                 cuda::Function function) {
  // The driver reads the values and writes nothing.
  auto **parameters = const_cast<void **>(launch.parameters.data());
  return driver.check("kernel '" + launch.kernel + "' cannot be launched",
                      driver.launch(function, launch.grid[0], launch.grid[1],
                                    launch.grid[2], launch.threads, 1, 1,
                                    launch.sharedBytes, stream, parameters,
                                    nullptr));
}

Status CudaDevice::launch(const DeviceLaunch &launch) {
  CurrentContext current(state->driver, state->context);
  if (!current.status())
    return current.status();
  Result<cuda::Function> function = state->find(launch);
  if (!function)
    return Error{function.error()};
  return state->launch(launch, *function);
}

Result<cuda::Graph>
CudaDevice::State::capture(const std::vector<DeviceLaunch> &launches,
                           const std::vector<cuda::Function> &functions) {
  constexpr const char *kWhat = "kernels cannot be captured";
  if (Status status =
          driver.check(kWhat, driver.captureBegin(stream, cuda::kThreadLocal));
      !status)
    return Error{status.error()};
  Status launched;
  for (size_t i = 0; i != launches.size() && launched; ++i)
    launched = launch(launches[i], functions[i]);
  // A capture that has begun is ended, whatever came of it.
  cuda::Graph graph = nullptr;
  Status ended = driver.check(kWhat, driver.captureEnd(stream, &graph));
  if (launched && ended)
    return graph;
  if (graph)
    driver.graphDestroy(graph);
  return Error{launched ? ended.error() : launched.error()};
}

Result<std::unique_ptr<DeviceGraph>>
CudaDevice::record(std::vector<DeviceLaunch> launches) {
  const cuda::Driver &driver = state->driver;
  CurrentContext current(driver, state->context);
  if (!current.status())
    return Error{current.status().error()};
  // All that is not a launch comes before the capture.
  std::vector<cuda::Function> functions;
  for (const DeviceLaunch &launch : launches) {
    Result<cuda::Function> function = state->find(launch);
    if (!function)
      return Error{function.error()};
    functions.push_back(*function);
  }
  Result<cuda::Graph> graph = state->capture(launches, functions);
  if (!graph)
    return Error{graph.error()};
  cuda::ExecutableGraph executable = nullptr;
  Status status = driver.check("a graph of kernels cannot be made",
                               driver.graphInstantiate(&executable, *graph, 0));
  driver.graphDestroy(*graph);
  if (!status)
    return Error{status.error()};
  return std::unique_ptr<DeviceGraph>(std::make_unique<CapturedGraph>(
      driver, state->context, state->stream, executable));
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Error CudaDevice::State::noMemory(size_t bytes, const std::string &what) const {
  std::string message = name + " has no memory for the " +
                        std::to_string(bytes) + " bytes of " + what;
  size_t free = 0, total = 0;
  if (driver.memoryInfo(&free, &total) == cuda::kSuccess)
    message += ": of " + std::to_string(total) + " bytes " +
               std::to_string(free) + " are free";
  return Error{message};
}

Status CudaDevice::State::synchronize() {
  staged = 0;
  return driver.check("the GPU has failed", driver.streamSynchronize(stream));
}

Status CudaDevice::State::copy(DeviceAddress to, const void *from,
                               size_t bytes) {
  if (Status status = driver.check("the GPU takes no data",
                                   driver.toDevice(to, from, bytes, stream));
      !status)
    return status;
  return synchronize();
}

Result<DeviceAddress> CudaDevice::allocate(size_t bytes,
                                           const std::string &name) {
  const cuda::Driver &driver = state->driver;
  CurrentContext current(driver, state->context);
  if (!current.status())
    return Error{current.status().error()};
  // Something of no bytes has an address too.
  size_t size = std::max<size_t>(bytes, 1);
  cuda::Pointer address = 0;
  cuda::Code code = driver.allocate(&address, size);
  if (code == cuda::kOutOfMemory)
    return state->noMemory(bytes, name);
  if (code != cuda::kSuccess)
    return driver.failure("no memory can be had for " + name, code);
  if (Status status =
          driver.check("the memory of " + name + " cannot be cleared",
                       driver.set(address, 0, size, state->stream));
      !status) {
    driver.free(address);
    return Error{status.error()};
  }
  return DeviceAddress(address);
}

Result<DeviceAddress> CudaDevice::place(const void *host, size_t bytes,
                                        const std::string &name) {
  Result<DeviceAddress> address = allocate(bytes, name);
  if (!address)
    return address;
  CurrentContext current(state->driver, state->context);
  if (Status status = state->copy(*address, host, bytes); !status) {
    state->driver.free(*address);
    return Error{status.error()};
  }
  return address;
}

Result<TensorMap> CudaDevice::tensorMap(const MatrixBoxes &boxes) {
  // The innermost dimension first, whose stride is that of its elements.
  const std::array<uint64_t, 2> sizes{static_cast<uint64_t>(boxes.columns),
                                      static_cast<uint64_t>(boxes.rows)};
  const uint64_t rowBytes = sizeof(uint16_t) * sizes[0];
  const std::array<uint32_t, 2> box{static_cast<uint32_t>(boxes.boxColumns),
                                    static_cast<uint32_t>(boxes.boxRows)};
  const std::array<uint32_t, 2> steps{1, 1};
  TensorMap map;
  if (Status status = state->driver.check(
          "a matrix of " + std::to_string(boxes.rows) + " x " +
              std::to_string(boxes.columns) + " gets no tensor map",
          state->driver.encodeTiled(
              map.bytes.data(), cuda::kBfloat16, sizes.size(),
              reinterpret_cast<void *>(boxes.address), sizes.data(), &rowBytes,
              box.data(), steps.data(), cuda::kNoInterleave, cuda::kSwizzle128,
              cuda::kPromote256, cuda::kFillZeros));
      !status)
    return Error{status.error()};
  return map;
}

void CudaDevice::free(DeviceAddress address) {
  CurrentContext current(state->driver, state->context);
  // An address that the driver does not know, or a device that has failed:
  // there is nothing to be done about either.
  state->driver.free(address);
}

Status CudaDevice::upload(DeviceAddress to, const void *from, size_t bytes) {
  CurrentContext current(state->driver, state->context);
  if (!current.status())
    return current.status();
  // A copy from memory that is not pinned may read it late, and its owner goes
  // on at once. Pinned memory is read when the copy's turn comes.
  if (bytes > kStagingBytes)
    return state->copy(to, from, bytes);
  if (state->staged + bytes > kStagingBytes)
    if (Status status = state->synchronize(); !status)
      return status;
  std::byte *at = static_cast<std::byte *>(state->staging) + state->staged;
  std::memcpy(at, from, bytes);
  state->staged += bytes;
  return state->driver.check(
      "the GPU takes no data",
      state->driver.toDevice(to, at, bytes, state->stream));
}

Status CudaDevice::download(void *to, DeviceAddress from, size_t bytes) {
  CurrentContext current(state->driver, state->context);
  if (!current.status())
    return current.status();
  if (Status status = state->driver.check(
          "the GPU gives no data",
          state->driver.toHost(to, from, bytes, state->stream));
      !status)
    return status;
  return state->synchronize();
}
