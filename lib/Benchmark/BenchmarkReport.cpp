// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Writes benchmark results.

#include "flow/Benchmark/BenchmarkReport.h"

#include "flow/Benchmark/Statistics.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace flow;
namespace json = llvm::json;

namespace {

/// A name and its value, in the order of the report.
using Fields = std::vector<std::pair<const char *, json::Value>>;

std::vector<double> nanoseconds(const Measurement &test) {
  std::vector<double> list;
  for (double each : test.seconds)
    list.push_back(1e9 * each);
  return list;
}

/// A time of day as ISO 8601 has it, in UTC.
std::string describeTime(std::time_t time) {
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

/// What the machine does not have is no number.
json::Value rateOrNull(double rate) {
  return rate == 0 ? json::Value(nullptr) : json::Value(rate);
}

/// The single values of a test. Those that llama-bench has too have its names.
Fields fieldsOf(const BenchmarkFacts &facts, const Measurement &test) {
  std::vector<double> rates = test.rates(), times = nanoseconds(test);
  auto whole = [](double value) { return static_cast<int64_t>(value + 0.5); };
  std::optional<double> share = test.shareOfPeak();
  const Operations &operations = test.work.operations;
  return {
      {"build_version", FLOW_VERSION},
      {"cpu_info", facts.processor},
      {"backends", "CPU"},
      {"model_filename", facts.path},
      {"model_type", facts.type},
      {"model_size", facts.bytes},
      {"model_n_params", facts.parameters},
      {"n_batch", facts.chunk},
      {"n_ubatch", facts.chunk},
      {"n_threads", test.threads},
      {"type_k", facts.cacheType},
      {"type_v", facts.cacheType},
      {"numerics", facts.numerics.empty() ? json::Value(nullptr)
                                          : json::Value(facts.numerics)},
      {"top_k", facts.topK ? json::Value(*facts.topK) : json::Value(nullptr)},
      {"mcpu", facts.cpu},
      {"n_prompt", test.prompt},
      {"n_gen", test.generate},
      {"n_depth", test.depth},
      {"n_parallel", test.parallel},
      {"test", test.name()},
      {"test_time", describeTime(test.began)},
      {"avg_ns", whole(mean(times))},
      {"stddev_ns", whole(standardDeviation(times))},
      {"avg_ts", mean(rates)},
      {"stddev_ts", standardDeviation(rates)},
      {"ops_f32", operations.f32},
      {"ops_bf16", operations.bf16},
      {"ops_int8", operations.int8},
      {"read_bytes", test.work.readBytes},
      {"peak_f32", test.speed.f32},
      {"peak_bf16", rateOrNull(test.speed.bf16)},
      {"peak_int8", rateOrNull(test.speed.int8)},
      {"peak_read", test.speed.readBytes},
      {"share_of_peak", share ? json::Value(*share) : json::Value(nullptr)},
      {"share_of_read", test.shareOfReading()}};
}

/// Two more members of the object of a test.
void writeStages(json::OStream &out, const StageTimes &stages) {
  out.attributeArray("functions", [&] {
    for (const FunctionTime &function : stages.functions)
      out.object([&] {
        const Operations &operations = function.work.operations;
        out.attribute("name", function.name);
        out.attribute("runs", function.runs);
        out.attribute("seconds", function.seconds);
        out.attribute("ops_f32", operations.f32);
        out.attribute("ops_bf16", operations.bf16);
        out.attribute("ops_int8", operations.int8);
        out.attribute("read_bytes", function.work.readBytes);
      });
  });
  out.attributeArray("kernels", [&] {
    for (const KernelTime &kernel : stages.kernels)
      out.object([&] {
        out.attribute("name", kernel.name);
        out.attribute("runs", kernel.runs);
        out.attribute("seconds", kernel.seconds);
      });
  });
}

void writeObject(json::OStream &out, const BenchmarkFacts &facts,
                 const Measurement &test) {
  out.object([&] {
    for (auto &[name, value] : fieldsOf(facts, test))
      out.attribute(name, value);
    out.attributeArray("samples_ns", [&] {
      for (double each : nanoseconds(test))
        out.value(static_cast<int64_t>(each + 0.5));
    });
    out.attributeArray("samples_ts", [&] {
      for (double each : test.rates())
        out.value(each);
    });
    if (test.stages)
      writeStages(out, *test.stages);
  });
}

/// A value between quotes, which are doubled inside; nothing for null.
std::string quote(const json::Value &value) {
  if (value.kind() == json::Value::Null)
    return "\"\"";
  std::string text;
  if (std::optional<llvm::StringRef> string = value.getAsString())
    text = string->str();
  else
    llvm::raw_string_ostream(text) << value;
  std::string quoted = "\"";
  for (char c : text)
    quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

void writeCsv(llvm::raw_ostream &out, const BenchmarkResult &result) {
  for (auto [index, test] : llvm::enumerate(result.measurements)) {
    Fields fields = fieldsOf(result.facts, test);
    if (index == 0) {
      llvm::interleave(
          fields, out, [&](const auto &field) { out << field.first; }, ",");
      out << '\n';
    }
    llvm::interleave(
        fields, out, [&](const auto &field) { out << quote(field.second); },
        ",");
    out << '\n';
  }
}

std::string percent(std::optional<double> share) {
  return share ? llvm::formatv("{0:f1} %", 100 * *share).str() : "–";
}

/// What the machine did in the test that was measured last.
void writeMachine(llvm::raw_ostream &out, const BenchmarkFacts &facts,
                  const Measurement &test) {
  auto giga = [](double rate) {
    return llvm::formatv("{0:f1}", rate / 1e9).str();
  };
  out << "machine: " << facts.processor << ", threads " << test.threads << ": "
      << giga(test.speed.f32) << " Gop/s f32";
  if (test.speed.bf16 > 0)
    out << ", " << giga(test.speed.bf16) << " bf16";
  if (test.speed.int8 > 0)
    out << ", " << giga(test.speed.int8) << " int8";
  out << "; " << giga(test.speed.readBytes) << " GB/s read\n";
}

/// Where the time of `test` goes: tables of functions and of kernels.
void writeStageTables(llvm::raw_ostream &out, const Measurement &test) {
  double all = 0;
  for (const FunctionTime &function : test.stages->functions)
    all += function.seconds;
  auto partOf = [&](double part, double whole) {
    return llvm::formatv("{0:f1} %", whole > 0 ? 100 * part / whole : 0).str();
  };
  out << llvm::formatv("\n{0}, threads {1}: {2:f3} ms\n\n", test.name(),
                       test.threads, 1e3 * all)
      << "| function | runs | ms | of run | Gop | GB | of peak | of read |\n"
         "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
  for (const FunctionTime &function : test.stages->functions) {
    std::optional<double> atPeak =
        secondsAtPeak(function.work.operations, test.speed);
    out << llvm::formatv(
        "| {0} | {1} | {2:f3} | {3} | {4:f3} | {5:f3} | {6} | {7} |\n",
        function.name, function.runs, 1e3 * function.seconds,
        partOf(function.seconds, all), function.work.operations.total() / 1e9,
        function.work.readBytes / 1e9,
        atPeak ? partOf(*atPeak, function.seconds) : "–",
        partOf(function.work.readBytes / test.speed.readBytes,
               function.seconds));
  }
  out << "\n| kernel | runs | ms | of run |\n| --- | ---: | ---: | ---: |\n";
  for (const KernelTime &kernel : test.stages->kernels)
    out << llvm::formatv("| {0} | {1} | {2:f3} | {3} |\n", kernel.name,
                         kernel.runs, 1e3 * kernel.seconds,
                         partOf(kernel.seconds, all));
}

void writeMarkdown(llvm::raw_ostream &out, const BenchmarkResult &result) {
  const BenchmarkFacts &facts = result.facts;
  out << "| model | size | params | backend | threads | test | t/s | of peak | "
         "of read |\n"
         "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |\n";
  for (const Measurement &test : result.measurements) {
    std::vector<double> rates = test.rates();
    out << llvm::formatv(
        "| {0} | {1:f2} MiB | {2:f2} M | CPU | {3} | {4} | {5:f2} ± {6:f2} | "
        "{7} | {8} |\n",
        facts.type, static_cast<double>(facts.bytes) / (1 << 20),
        static_cast<double>(facts.parameters) / 1e6, test.threads, test.name(),
        mean(rates), standardDeviation(rates), percent(test.shareOfPeak()),
        percent(test.shareOfReading()));
  }
  out << '\n';
  // Threads have speeds of their own.
  for (auto [index, test] : llvm::enumerate(result.measurements))
    if (index + 1 == result.measurements.size() ||
        result.measurements[index + 1].threads != test.threads)
      writeMachine(out, facts, test);
  out << "build: gemma-flow " FLOW_VERSION ", code for " << facts.cpu;
  if (!facts.numerics.empty())
    out << ", numerics " << facts.numerics;
  if (facts.topK.value_or(0) != 0)
    out << ", best " << *facts.topK << " logits";
  out << '\n';
  for (const Measurement &test : result.measurements)
    if (test.stages)
      writeStageTables(out, test);
}

} // namespace

void flow::writeReport(llvm::raw_ostream &out, const BenchmarkResult &result,
                       ReportFormat format) {
  switch (format) {
  case ReportFormat::Markdown:
    return writeMarkdown(out, result);
  case ReportFormat::Csv:
    return writeCsv(out, result);
  case ReportFormat::JsonLines:
    for (const Measurement &test : result.measurements) {
      json::OStream line(out);
      writeObject(line, result.facts, test);
      line.flush();
      out << '\n';
    }
    return;
  case ReportFormat::Json: {
    json::OStream text(out, /*IndentSize=*/2);
    text.array([&] {
      for (const Measurement &test : result.measurements)
        writeObject(text, result.facts, test);
    });
    text.flush();
    out << '\n';
    return;
  }
  }
}
