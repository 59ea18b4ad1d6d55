// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A report says what was measured, in each of its forms.

#include "flow/Benchmark/BenchmarkReport.h"

#include "llvm/Support/JSON.h"

#include <gmock/gmock.h>

using namespace flow;
using testing::ElementsAre;
using testing::StartsWith;

namespace {

/// A prompt of 4 tokens in 1, 2 and 3 s; 100 f32 and 300 int8 operations.
Measurement promptTest() {
  Measurement test;
  test.prompt = 4;
  test.depth = 7;
  test.threads = 2;
  test.seconds = {1, 2, 3};
  test.work.operations = {100, 0, 300};
  test.work.readBytes = 50;
  test.speed.f32 = 200;
  test.speed.int8 = 600;
  test.speed.readBytes = 100;
  return test;
}

BenchmarkResult someResult() {
  Measurement generation = promptTest();
  generation.prompt = generation.depth = 0;
  generation.generate = 4;
  generation.threads = 3;
  BenchmarkFacts facts;
  facts.path = "a \"b\".gguf";
  facts.type = "gemma3 1M Q8_0";
  facts.bytes = 3 << 20;
  facts.parameters = 1500000;
  facts.processor = "some CPU";
  facts.cpu = "znver4";
  facts.numerics = "auto";
  facts.chunk = 512;
  return {facts, {promptTest(), generation}};
}

std::string report(const BenchmarkResult &result, ReportFormat format) {
  std::string text;
  llvm::raw_string_ostream out(text);
  writeReport(out, result, format);
  return text;
}

} // namespace

TEST(BenchmarkReportTest, NamesTests) {
  std::vector<Measurement> tests = someResult().measurements;
  EXPECT_EQ(tests[0].name(), "pp4 @ d7");
  EXPECT_EQ(tests[1].name(), "tg4");
  tests[1].parallel = 8;
  EXPECT_EQ(tests[1].name(), "tg4 x8");
  EXPECT_THAT(tests[1].rates(), ElementsAre(32, 16, 32 / 3.0));
  tests[1].depth = 7;
  EXPECT_EQ(tests[1].name(), "tg4 x8 @ d7");
}

TEST(BenchmarkReportTest, Shares) {
  Measurement test = promptTest();
  EXPECT_THAT(test.rates(), ElementsAre(4, 2, testing::DoubleEq(4.0 / 3)));
  // 1 s at the peaks and 1/2 s of reading, in 2 s.
  EXPECT_DOUBLE_EQ(*test.shareOfPeak(), 0.5);
  EXPECT_DOUBLE_EQ(test.shareOfReading(), 0.25);
  test.speed.int8 = 0;
  EXPECT_EQ(test.shareOfPeak(), std::nullopt);
}

TEST(BenchmarkReportTest, Markdown) {
  BenchmarkResult result = someResult();
  result.measurements[1].speed.int8 = 0;
  EXPECT_EQ(
      report(result, ReportFormat::Markdown),
      "| model | size | params | backend | threads | test | t/s | of peak | of "
      "read |\n"
      "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |\n"
      "| gemma3 1M Q8_0 | 3.00 MiB | 1.50 M | CPU | 2 | pp4 @ d7 | 2.44 ± 1.39 "
      "| 50.0 % | 25.0 % |\n"
      "| gemma3 1M Q8_0 | 3.00 MiB | 1.50 M | CPU | 3 | tg4 | 2.44 ± 1.39 | – "
      "| 25.0 % |\n"
      "\n"
      "machine: some CPU, threads 2: 0.0 Gop/s f32, 0.0 int8; 0.0 GB/s read\n"
      "machine: some CPU, threads 3: 0.0 Gop/s f32; 0.0 GB/s read\n"
      "build: gemma-flow " FLOW_VERSION ", code for znver4, numerics auto\n");
}

TEST(BenchmarkReportTest, Json) {
  std::string text = report(someResult(), ReportFormat::Json);
  llvm::json::Value value = llvm::cantFail(llvm::json::parse(text));
  ASSERT_EQ(value.getAsArray()->size(), 2u);
  const llvm::json::Object &test = *value.getAsArray()->front().getAsObject();
  EXPECT_EQ(test.getString("model_filename"), "a \"b\".gguf");
  EXPECT_EQ(test.getString("model_type"), "gemma3 1M Q8_0");
  EXPECT_EQ(test.getInteger("model_size"), 3 << 20);
  EXPECT_EQ(test.getInteger("model_n_params"), 1500000);
  EXPECT_EQ(test.getInteger("n_prompt"), 4);
  EXPECT_EQ(test.getInteger("n_gen"), 0);
  EXPECT_EQ(test.getInteger("n_depth"), 7);
  EXPECT_EQ(test.getInteger("n_parallel"), 1);
  EXPECT_EQ(test.getInteger("n_threads"), 2);
  EXPECT_EQ(test.getString("test_time"), "1970-01-01T00:00:00Z");
  EXPECT_EQ(test.getInteger("avg_ns"), 2000000000);
  EXPECT_EQ(test.getInteger("stddev_ns"), 1000000000);
  EXPECT_DOUBLE_EQ(*test.getNumber("avg_ts"), 22.0 / 9);
  EXPECT_EQ(test.getArray("samples_ts")->size(), 3u);
  EXPECT_EQ((*test.getArray("samples_ns"))[2], llvm::json::Value(3000000000));
  EXPECT_EQ(*test.get("peak_bf16"), llvm::json::Value(nullptr));
  EXPECT_EQ(test.getNumber("ops_int8"), 300);
  EXPECT_EQ(test.getNumber("share_of_peak"), 0.5);
}

// A line holds the object that the array holds.
TEST(BenchmarkReportTest, JsonLines) {
  std::string lines = report(someResult(), ReportFormat::JsonLines);
  llvm::json::Array objects;
  llvm::StringRef rest(lines);
  while (!rest.empty()) {
    auto [line, after] = rest.split('\n');
    objects.push_back(llvm::cantFail(llvm::json::parse(line)));
    rest = after;
  }
  EXPECT_EQ(llvm::json::Value(std::move(objects)),
            llvm::cantFail(
                llvm::json::parse(report(someResult(), ReportFormat::Json))));
}

TEST(BenchmarkReportTest, Csv) {
  std::string text = report(someResult(), ReportFormat::Csv);
  llvm::SmallVector<llvm::StringRef> lines;
  llvm::StringRef(text).split(lines, '\n');
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_THAT(lines[0].str(), StartsWith("build_version,cpu_info,backends,"
                                         "model_filename,model_type,"));
  EXPECT_THAT(
      lines[1].str(),
      StartsWith("\"" FLOW_VERSION "\",\"some CPU\",\"CPU\","
                 "\"a \"\"b\"\".gguf\",\"gemma3 1M Q8_0\",\"3145728\","));
  EXPECT_EQ(lines[0].count(',') + 1, lines[2].count("\",\"") + 1);
  EXPECT_EQ(lines[3], "");
  // No bf16, no peak.
  EXPECT_TRUE(lines[1].contains(",\"\",\"600\",")) << lines[1].str();
}

TEST(BenchmarkReportTest, Stages) {
  BenchmarkResult result = someResult();
  result.measurements.pop_back();
  Measurement &test = result.measurements.front();
  test.stages.emplace();
  // Half a second of it at the peak, a tenth of reading.
  test.stages->functions = {{"embed", 1, 0.5, {}},
                            {"layer", 3, 1.5, {{100, 0, 0}, 15}}};
  test.stages->kernels = {{"layer_q", 6, 1.25}, {"serial", 4, 0.75}};
  std::string text = report(result, ReportFormat::Markdown);
  EXPECT_EQ(text.substr(text.find("\n\npp4")),
            "\n\npp4 @ d7, threads 2: 2000.000 ms\n\n"
            "| function | runs | ms | of run | Gop | GB | of peak | of read |\n"
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            "| embed | 1 | 500.000 | 25.0 % | 0.000 | 0.000 | 0.0 % | 0.0 % |\n"
            "| layer | 3 | 1500.000 | 75.0 % | 0.000 | 0.000 | 33.3 % | 10.0 % "
            "|\n"
            "\n"
            "| kernel | runs | ms | of run |\n"
            "| --- | ---: | ---: | ---: |\n"
            "| layer_q | 6 | 1250.000 | 62.5 % |\n"
            "| serial | 4 | 750.000 | 37.5 % |\n");
  llvm::json::Value value =
      llvm::cantFail(llvm::json::parse(report(result, ReportFormat::Json)));
  const llvm::json::Object &object = *value.getAsArray()->front().getAsObject();
  const llvm::json::Object &layer =
      *(*object.getArray("functions"))[1].getAsObject();
  EXPECT_EQ(layer.getString("name"), "layer");
  EXPECT_EQ(layer.getInteger("runs"), 3);
  EXPECT_EQ(layer.getNumber("seconds"), 1.5);
  EXPECT_EQ(layer.getNumber("ops_f32"), 100);
  EXPECT_EQ(layer.getNumber("read_bytes"), 15);
  const llvm::json::Object &serial =
      *(*object.getArray("kernels"))[1].getAsObject();
  EXPECT_EQ(serial.getString("name"), "serial");
  EXPECT_EQ(serial.getInteger("runs"), 4);
}

// An artefact was compiled before, and who asks now does not know how.
TEST(BenchmarkReportTest, ArtefactsHaveNumericsOfTheirOwn) {
  BenchmarkResult result = someResult();
  result.facts.numerics = "";
  llvm::json::Value value =
      llvm::cantFail(llvm::json::parse(report(result, ReportFormat::Json)));
  EXPECT_EQ(*value.getAsArray()->front().getAsObject()->get("numerics"),
            llvm::json::Value(nullptr));
  EXPECT_EQ(report(result, ReportFormat::Markdown).find("numerics"),
            std::string::npos);
}
