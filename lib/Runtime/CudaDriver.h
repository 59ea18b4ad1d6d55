// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The functions of the CUDA driver, found at run time.

#ifndef FLOW_LIB_RUNTIME_CUDADRIVER_H
#define FLOW_LIB_RUNTIME_CUDADRIVER_H

#include "flow/Support/Result.h"

#include <cstddef>
#include <cstdint>

namespace flow::runtime::cuda {

// Types and numbers of NVIDIA's cuda.h, which are part of the driver's binary
// interface and never change.

using Code = int;
using Ordinal = int;
using Pointer = unsigned long long;
using Context = struct ContextHandle *;
using Module = struct ModuleHandle *;
using Function = struct FunctionHandle *;
using Stream = struct StreamHandle *;
using Graph = struct GraphHandle *;
using ExecutableGraph = struct ExecutableGraphHandle *;

constexpr Code kSuccess = 0, kOutOfMemory = 2, kNoDevice = 100, kNotFound = 500;

// CU_DEVICE_ATTRIBUTE_*
constexpr int kMajor = 75, kMinor = 76, kSharedOptIn = 97;
// CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
constexpr int kMaxDynamicShared = 8;
// CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES
constexpr int kErrorLog = 5, kErrorLogSize = 6;
// CU_STREAM_NON_BLOCKING
constexpr unsigned kNonBlocking = 1;
// CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
constexpr int kThreadLocal = 1;

// CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, _INTERLEAVE_NONE, _SWIZZLE_128B,
// _L2_PROMOTION_L2_256B, _FLOAT_OOB_FILL_NONE
constexpr int kBfloat16 = 9, kNoInterleave = 0, kSwizzle128 = 3;
constexpr int kPromote256 = 3, kFillZeros = 0;

/// Dynamic shared memory that a kernel gets without being asked about it.
constexpr uint32_t kPlainShared = 48 * 1024;

// Name here, name that the library exports, parameters. The header's macros
// hide the suffixes of versions.
#define FLOW_CUDA_FUNCTIONS(X)                                                 \
  X(init, cuInit, unsigned)                                                    \
  X(driverVersion, cuDriverGetVersion, int *)                                  \
  X(errorString, cuGetErrorString, Code, const char **)                        \
  X(deviceCount, cuDeviceGetCount, int *)                                      \
  X(deviceGet, cuDeviceGet, Ordinal *, int)                                    \
  X(deviceName, cuDeviceGetName, char *, int, Ordinal)                         \
  X(deviceAttribute, cuDeviceGetAttribute, int *, int, Ordinal)                \
  X(contextRetain, cuDevicePrimaryCtxRetain, Context *, Ordinal)               \
  X(contextRelease, cuDevicePrimaryCtxRelease_v2, Ordinal)                     \
  X(contextPush, cuCtxPushCurrent_v2, Context)                                 \
  X(contextPop, cuCtxPopCurrent_v2, Context *)                                 \
  X(moduleLoad, cuModuleLoadDataEx, Module *, const void *, unsigned, int *,   \
    void **)                                                                   \
  X(moduleUnload, cuModuleUnload, Module)                                      \
  X(moduleFunction, cuModuleGetFunction, Function *, Module, const char *)     \
  X(functionSet, cuFuncSetAttribute, Function, int, int)                       \
  X(memoryInfo, cuMemGetInfo_v2, size_t *, size_t *)                           \
  X(allocate, cuMemAlloc_v2, Pointer *, size_t)                                \
  X(free, cuMemFree_v2, Pointer)                                               \
  X(allocateHost, cuMemHostAlloc, void **, size_t, unsigned)                   \
  X(freeHost, cuMemFreeHost, void *)                                           \
  X(set, cuMemsetD8Async, Pointer, unsigned char, size_t, Stream)              \
  X(toDevice, cuMemcpyHtoDAsync_v2, Pointer, const void *, size_t, Stream)     \
  X(toHost, cuMemcpyDtoHAsync_v2, void *, Pointer, size_t, Stream)             \
  X(streamCreate, cuStreamCreate, Stream *, unsigned)                          \
  X(streamDestroy, cuStreamDestroy_v2, Stream)                                 \
  X(streamSynchronize, cuStreamSynchronize, Stream)                            \
  X(launch, cuLaunchKernel, Function, unsigned, unsigned, unsigned, unsigned,  \
    unsigned, unsigned, unsigned, Stream, void **, void **)                    \
  X(encodeTiled, cuTensorMapEncodeTiled, void *, int, unsigned, void *,        \
    const uint64_t *, const uint64_t *, const uint32_t *, const uint32_t *,    \
    int, int, int, int)                                                        \
  X(captureBegin, cuStreamBeginCapture_v2, Stream, int)                        \
  X(captureEnd, cuStreamEndCapture, Stream, Graph *)                           \
  X(graphInstantiate, cuGraphInstantiateWithFlags, ExecutableGraph *, Graph,   \
    unsigned long long)                                                        \
  X(graphLaunch, cuGraphLaunch, ExecutableGraph, Stream)                       \
  X(graphDestroy, cuGraphDestroy, Graph)                                       \
  X(executableDestroy, cuGraphExecDestroy, ExecutableGraph)

/// The driver's functions. The library stays loaded as long as the process.
struct Driver {
#define FLOW_CUDA_FIELD(name, symbol, ...) Code (*name)(__VA_ARGS__) = nullptr;
  FLOW_CUDA_FUNCTIONS(FLOW_CUDA_FIELD)
#undef FLOW_CUDA_FIELD

  /// Loads the shared library `path`. The error of one that lacks a function
  /// names it.
  static Result<Driver> load(const std::string &path);

  /// What the driver says of `code`, after `what` it was asked to do.
  Error failure(const std::string &what, Code code) const;
  /// A success, or that.
  Status check(const std::string &what, Code code) const;
};

} // namespace flow::runtime::cuda

#endif // FLOW_LIB_RUNTIME_CUDADRIVER_H
