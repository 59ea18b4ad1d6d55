// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Writes estimates for GPUs.

#include "flow/Benchmark/GpuReport.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace flow;
namespace json = llvm::json;

namespace {

constexpr llvm::StringLiteral kNotKnown = "n/a";

std::string orNotKnown(std::optional<int64_t> number) {
  return number ? std::to_string(*number) : kNotKnown.str();
}

std::optional<int64_t> registersOf(const KernelCode &code) {
  if (!code.resources)
    return std::nullopt;
  return code.resources->registers;
}

std::optional<int64_t> spillsOf(const KernelCode &code) {
  if (!code.resources)
    return std::nullopt;
  return code.resources->spillStores + code.resources->spillLoads;
}

double rateOf(const GpuTestEstimate &test, double seconds) {
  return static_cast<double>(test.test.tokens()) / seconds;
}

void writeTests(llvm::raw_ostream &out, llvm::StringRef path,
                llvm::ArrayRef<GpuDeviceEstimate> estimates) {
  out << "| model | GPU | test | launches | t/s bound | t/s expected |\n"
      << "|---|---|---|--:|--:|--:|\n";
  for (const GpuDeviceEstimate &device : estimates)
    for (const GpuTestEstimate &test : device.tests) {
      int64_t launches = 0;
      for (const LaunchEstimate &launch : test.launches)
        launches += launch.work.launches;
      out << llvm::formatv("| {0} | {1} | {2} | {3} | {4:f0} | {5:f0} |\n",
                           path, device.device->name, test.test.name(),
                           launches, rateOf(test, test.boundSeconds()),
                           rateOf(test, test.expectedSeconds()));
    }
}

void writeKernels(llvm::raw_ostream &out, const GpuDevice &device,
                  const GpuTestEstimate &test) {
  out << '\n'
      << device.name << ", " << test.test.name() << ":\n\n"
      << "| kernel | launches | CTAs | threads | shared B | registers | "
         "spilled B | CTAs an SM | loop | tensor | ldmatrix | copies | MB | "
         "GFLOP | us | limit |\n"
      << "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n";
  for (const LaunchEstimate &launch : test.launches) {
    const LaunchWork &work = launch.work;
    const InstructionMix &loop = launch.code.loop;
    auto times = static_cast<double>(work.launches);
    double operations = work.tensorOperations + work.byteTensorOperations +
                        work.floatOperations;
    out << llvm::formatv(
        "| {0} | {1} | {2} | {3} | {4} | {5} | {6} | {7} | "
        "{8} | {9} | {10} | {11} | {12:f3} | {13:f3} | "
        "{14:f2} | {15} |\n",
        work.kernel, work.launches, work.blocks, work.threads, work.sharedBytes,
        orNotKnown(registersOf(launch.code)), orNotKnown(spillsOf(launch.code)),
        launch.blocksOfSm, loop.total(), loop[GpuInstruction::Tensor],
        loop[GpuInstruction::MatrixLoad], loop[GpuInstruction::AsyncCopy],
        (work.readBytes + work.writtenBytes) / times / 1e6,
        operations / times / 1e9, launch.boundSeconds / times * 1e6,
        nameOf(launch.limit));
  }
}

json::Value orNull(std::optional<int64_t> number) {
  return number ? json::Value(*number) : json::Value(nullptr);
}

void writeLaunch(json::OStream &out, const LaunchEstimate &launch) {
  const LaunchWork &work = launch.work;
  out.object([&] {
    out.attribute("kernel", work.kernel);
    out.attribute("launches", work.launches);
    out.attribute("ctas", work.blocks);
    out.attribute("ctas_executed", work.executed);
    out.attribute("threads", work.threads);
    out.attribute("shared_bytes", work.sharedBytes);
    out.attribute("registers", orNull(registersOf(launch.code)));
    out.attribute("spilled_bytes", orNull(spillsOf(launch.code)));
    out.attribute("ctas_per_sm", launch.blocksOfSm);
    out.attributeObject("loop", [&] {
      for (size_t i = 0; i != kGpuInstructions; ++i)
        out.attribute(nameOf(static_cast<GpuInstruction>(i)),
                      launch.code.loop.counts[i]);
    });
    for (auto [name, sum] : {std::pair{"read_bytes", work.readBytes},
                             {"written_bytes", work.writtenBytes},
                             {"ops_tensor", work.tensorOperations},
                             {"ops_tensor_int8", work.byteTensorOperations},
                             {"ops_f32", work.floatOperations},
                             {"instructions", work.instructions},
                             {"special", work.special},
                             {"shared_wavefronts", work.sharedWavefronts},
                             {"bound_ns", 1e9 * launch.boundSeconds},
                             {"expected_ns", 1e9 * launch.expectedSeconds}})
      out.attribute(name, sum);
    out.attribute("limit", nameOf(launch.limit));
  });
}

void writeJson(llvm::raw_ostream &stream, llvm::StringRef path,
               llvm::ArrayRef<GpuDeviceEstimate> estimates) {
  json::OStream out(stream, 2);
  out.array([&] {
    for (const GpuDeviceEstimate &device : estimates)
      for (const GpuTestEstimate &test : device.tests)
        out.object([&] {
          out.attribute("build_version", FLOW_VERSION);
          out.attribute("backends", "CUDA (estimated)");
          out.attribute("gpu_info", device.device->name);
          out.attribute("gpu_arch", device.device->chip);
          out.attribute("model_filename", path);
          out.attribute("n_prompt", test.test.prompt);
          out.attribute("n_gen", test.test.generate);
          out.attribute("n_depth", test.test.depth);
          out.attribute("test", test.test.name());
          out.attribute("bound_ts", rateOf(test, test.boundSeconds()));
          out.attribute("expected_ts", rateOf(test, test.expectedSeconds()));
          out.attributeArray("kernels", [&] {
            for (const LaunchEstimate &launch : test.launches)
              writeLaunch(out, launch);
          });
        });
  });
  stream << '\n';
}

} // namespace

void flow::writeGpuReport(llvm::raw_ostream &out, llvm::StringRef path,
                          llvm::ArrayRef<GpuDeviceEstimate> estimates,
                          ReportFormat format) {
  if (format == ReportFormat::Json)
    return writeJson(out, path, estimates);
  writeTests(out, path, estimates);
  for (const GpuDeviceEstimate &device : estimates)
    for (const GpuTestEstimate &test : device.tests)
      writeKernels(out, *device.device, test);
}
