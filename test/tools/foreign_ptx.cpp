// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs the kernels of test/Emulator/Inputs/*.cu, as another compiler made PTX
// of them, in the emulator, and compares with plain loops.
//
//   flow-test-foreign-ptx PTX...
//
// Every kernel of every file is one that is known here, is launched with all
// checks, and is said to have passed on a line of its own.

#include "flow/Emulator/Emulator.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#include <random>

using namespace flow::emulator;

namespace {

/// Arguments, a launch, and what is wrong with what came of it.
class Run {
public:
  Run(Program &program, std::string kernel, Dim3 grid, Dim3 block)
      : program(program) {
    launch.kernel = std::move(kernel);
    launch.grid = grid;
    launch.block = block;
  }

  /// Memory of the kernel's that begins as `values`, which live as long as the
  /// run.
  template <typename T> std::vector<T> &memoryOf(std::vector<T> &values) {
    if (llvm::Error error =
            memory.add(values.data(), values.size() * sizeof(T),
                       "argument " + std::to_string(launch.parameters.size()),
                       /*readOnly=*/false))
      fail(llvm::toString(std::move(error)));
    launch.parameters.push_back(&pointers.emplace_back(values.data()));
    return values;
  }
  template <typename T> void scalar(T value) {
    uint64_t &bits = scalars.emplace_back(0);
    std::memcpy(&bits, &value, sizeof(value));
    launch.parameters.push_back(&bits);
  }

  void start() {
    llvm::Expected<Counters> counters = program.launch(launch, memory, 2);
    if (!counters)
      fail(llvm::toString(counters.takeError()));
  }

  void fail(const std::string &what) {
    if (problem.empty())
      problem = what;
  }
  /// Compares element `index` of what `name` is.
  template <typename T>
  void equal(const char *name, size_t index, T found, T expected) {
    if (found != expected)
      fail(std::string(name) + "[" + std::to_string(index) + "] is " +
           std::to_string(found) + ", expected " + std::to_string(expected));
  }
  void near(const char *name, size_t index, double found, double expected,
            double bound) {
    if (!(std::abs(found - expected) <= bound))
      fail(std::string(name) + "[" + std::to_string(index) + "] is " +
           std::to_string(found) + ", expected " + std::to_string(expected) +
           " within " + std::to_string(bound));
  }

  std::string problem;

private:
  Program &program;
  Launch launch;
  GlobalMemory memory;
  std::deque<void *> pointers;
  std::deque<uint64_t> scalars;
};

/// Numbers that look random, the same in each run.
template <typename T>
std::vector<T> numbers(size_t count, int least, int most, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<T> values(count);
  for (T &value : values)
    value = static_cast<T>(
        least + static_cast<int>(random() % unsigned(most - least + 1)));
  return values;
}

/// The same, of multiples of 1/64 from -1 to 1, which are bf16 too.
std::vector<float> fractions(size_t count, unsigned seed) {
  std::vector<float> values = numbers<float>(count, -64, 64, seed);
  for (float &value : values)
    value /= 64;
  return values;
}

uint16_t bf16Of(float value) {
  return static_cast<uint16_t>(llvm::bit_cast<uint32_t>(value) >> 16);
}

float floatOf(uint16_t bf16) {
  return llvm::bit_cast<float>(uint32_t(bf16) << 16);
}

std::vector<uint16_t> bf16Of(const std::vector<float> &values) {
  std::vector<uint16_t> rounded;
  for (float value : values)
    rounded.push_back(bf16Of(value));
  return rounded;
}

constexpr double kUnitF32 = 0x1p-24, kUnitBf16 = 0x1p-8;

//===----------------------------------------------------------------------===//
// warps.cu
//===----------------------------------------------------------------------===//

std::string checkShuffles(Program &program) {
  Run run(program, "shuffles", {3}, {32});
  std::vector<int> in = numbers<int>(96, -1000, 1000, 1), out(96 * 16);
  run.memoryOf(in);
  run.memoryOf(out);
  run.start();
  for (int at = 0; at != 96; ++at) {
    const int *value = &in[at / 32 * 32];
    int lane = at % 32;
    auto wide = [&](int from) { return value[from] * 1000003LL; };
    int expected[16] = {value[5],
                        value[lane / 8 * 8 + (lane + 7) % 8],
                        value[lane < 3 ? lane : lane - 3],
                        value[lane % 16 < 2 ? lane : lane - 2],
                        value[lane > 22 ? lane : lane + 9],
                        value[lane % 4 == 3 ? lane : lane + 1],
                        value[lane ^ 16],
                        value[lane ^ 3],
                        static_cast<int>(wide(lane ^ 1)),
                        static_cast<int>(wide(lane ^ 1) >> 32),
                        llvm::bit_cast<int>(static_cast<float>(
                            value[lane > 27 ? lane : lane + 4])),
                        lane < 16 ? value[lane ^ 8] : 0};
    for (int i = 0; i != 16; ++i)
      run.equal("out", at * 16 + i, out[at * 16 + i], expected[i]);
  }
  return run.problem;
}

std::string checkVotes(Program &program) {
  Run run(program, "votes", {3}, {32});
  std::vector<int> in = numbers<int>(96, -20, 20, 2), out(96 * 16);
  // One that all agree about.
  std::fill_n(in.begin() + 64, 32, 7);
  run.memoryOf(in);
  run.memoryOf(out);
  run.start();
  for (int at = 0; at != 96; ++at) {
    llvm::ArrayRef<int> value(&in[at / 32 * 32], 32);
    int lane = at % 32;
    uint32_t odd = 0, same = 0, xors = 0, most = 0;
    int sum = 0, least = value[0];
    for (int i = 0; i != 32; ++i) {
      odd |= uint32_t(value[i] & 1) << i;
      same |= uint32_t((value[i] & 3) == (value[lane] & 3)) << i;
      xors ^= uint32_t(value[i]);
      most = std::max(most, uint32_t(value[i]));
      least = std::min(least, value[i]);
      sum += value[i];
    }
    auto own = uint32_t(value[lane]);
    uint32_t reversed = 0;
    for (int i = 0; i != 32; ++i)
      reversed |= (own >> i & 1) << (31 - i);
    bool isOdd = value[lane] & 1;
    int expected[16] = {static_cast<int>(odd),
                        llvm::is_contained(value, 7),
                        1,
                        isOdd ? llvm::popcount(odd & ((1U << lane) - 1)) : 0,
                        llvm::popcount(own),
                        llvm::countl_zero(own),
                        own ? llvm::countr_zero(own) + 1 : 0,
                        static_cast<int>(reversed),
                        sum,
                        least,
                        static_cast<int>(most),
                        static_cast<int>(xors),
                        static_cast<int>(same),
                        -1,
                        1,
                        0};
    for (int i = 0; i != 16; ++i)
      run.equal("out", at * 16 + i, out[at * 16 + i], expected[i]);
  }
  return run.problem;
}

std::string checkReduceRows(Program &program) {
  Run run(program, "reduceRows", {5}, {128});
  std::vector<float> in = fractions(5 * 256, 3), out(15);
  run.memoryOf(in);
  run.memoryOf(out);
  run.start();
  for (int row = 0; row != 5; ++row) {
    llvm::ArrayRef<float> x(&in[row * 256], 256);
    // Sums of multiples of 1/64 are exact.
    float sum = 0;
    for (float value : x)
      sum += value;
    run.equal("sum", row, out[row * 3], sum);
    run.equal("largest", row, out[row * 3 + 1], *llvm::max_element(x));
    run.equal("smallest", row, out[row * 3 + 2], *llvm::min_element(x));
  }
  return run.problem;
}

//===----------------------------------------------------------------------===//
// control.cu
//===----------------------------------------------------------------------===//

std::string checkCollatz(Program &program) {
  constexpr int n = 150;
  Run run(program, "collatz", {3}, {64});
  std::vector<unsigned> in = numbers<unsigned>(n, 1, 5000, 4), out(n);
  run.memoryOf(in);
  run.memoryOf(out);
  run.scalar(n);
  run.start();
  for (int i = 0; i != n; ++i) {
    unsigned steps = 0;
    for (unsigned x = in[i]; x != 1; ++steps)
      x = x % 2 == 0 ? x / 2 : 3 * x + 1;
    run.equal("steps", i, out[i], steps);
  }
  return run.problem;
}

int decide(int x) {
  int result = 0;
  switch (x & 7) {
  case 0:
    return x * 3;
  case 1:
    return x - 11;
  case 2:
    return (x ^ 0x55) + 100;
  case 3:
    return 100;
  case 4:
    return -x;
  case 5:
    for (int k = 0; k != 50; ++k) {
      if ((x + k) % 7 == 0)
        continue;
      if (k * k > x)
        break;
      result += k;
    }
    return result;
  case 6:
    return x / 10 + x % 10;
  default:
    return static_cast<int>(static_cast<unsigned>(x) << (x & 15));
  }
}

std::string checkDecisions(Program &program) {
  constexpr int n = 300;
  Run run(program, "decisions", {5}, {64});
  std::vector<int> in = numbers<int>(n, -100, 3000, 5), out(n);
  run.memoryOf(in);
  run.memoryOf(out);
  run.scalar(n);
  run.start();
  for (int i = 0; i != n; ++i)
    run.equal("out", i, out[i], decide(in[i]));
  return run.problem;
}

std::string checkDivisions(Program &program) {
  constexpr int n = 200;
  Run run(program, "divisions", {4}, {64});
  std::vector<int> in = numbers<int>(n, -1000000, 1000000, 6);
  std::vector<long long> out(n * 6);
  run.memoryOf(in);
  run.memoryOf(out);
  run.scalar(n);
  run.start();
  for (int i = 0; i != n; ++i) {
    int a = in[i], b = (a & 15) + 1;
    long long wide = a * 123456789LL;
    long long expected[6] = {
        a / b,
        a % b,
        static_cast<unsigned>(a) / static_cast<unsigned>(b),
        wide / (b + 1000),
        wide % (b + 1000),
        static_cast<long long>((static_cast<unsigned long long>(wide) * 3) >>
                               (a & 31))};
    for (int k = 0; k != 6; ++k)
      run.equal("out", i * 6 + k, out[i * 6 + k], expected[k]);
  }
  return run.problem;
}

//===----------------------------------------------------------------------===//
// memory.cu
//===----------------------------------------------------------------------===//

std::string checkTranspose(Program &program) {
  constexpr int rows = 70, columns = 45;
  Run run(program, "transpose", {2, 3}, {32, 8});
  std::vector<float> in = fractions(rows * columns, 7), out(rows * columns);
  run.memoryOf(in);
  run.memoryOf(out);
  run.scalar(rows);
  run.scalar(columns);
  run.start();
  for (int r = 0; r != rows; ++r)
    for (int c = 0; c != columns; ++c)
      run.equal("out", c * rows + r, out[c * rows + r], in[r * columns + c]);
  return run.problem;
}

std::string checkPipeline(Program &program) {
  std::string problem;
  for (int rows : {1, 2, 3, 4, 9}) {
    Run run(program, "pipeline", {1}, {64});
    std::vector<float> in = fractions(rows * 256, 8), out(256);
    run.memoryOf(in);
    run.memoryOf(out);
    run.scalar(rows);
    run.start();
    for (int column = 0; column != 256; ++column) {
      float sum = 0;
      for (int row = 0; row != rows; ++row)
        sum += in[row * 256 + column];
      run.equal("sum", column, out[column], sum);
    }
    if (problem.empty())
      problem = run.problem;
  }
  return problem;
}

std::string checkAtomics(Program &program) {
  constexpr int n = 500;
  Run run(program, "atomics", {4}, {128});
  std::vector<int> in = numbers<int>(n, -3000, 3000, 9), out(70);
  run.memoryOf(in);
  run.memoryOf(out);
  run.scalar(n);
  run.start();
  std::vector<int> expected(70);
  float sum = 0;
  for (int x : in) {
    ++expected[x & 63];
    expected[64] = std::max(expected[64], x);
    expected[65] = std::min(expected[65], x);
    sum += static_cast<float>(x & 7);
    ++expected[67];
    expected[68] += x & 3;
    expected[69] |= x;
  }
  expected[66] = llvm::bit_cast<int>(sum);
  for (int i = 0; i != 70; ++i)
    run.equal("out", i, out[i], expected[i]);
  return run.problem;
}

std::string checkSortOwn(Program &program) {
  constexpr int threads = 96;
  Run run(program, "sortOwn", {3}, {32});
  std::vector<int16_t> in = numbers<int16_t>(threads * 16, -500, 500, 10),
                       out(in.size());
  run.memoryOf(in);
  run.memoryOf(out);
  run.start();
  for (int thread = 0; thread != threads; ++thread)
    std::sort(&in[thread * 16], &in[thread * 16] + 16);
  for (size_t i = 0; i != in.size(); ++i)
    run.equal("out", i, out[i], in[i]);
  return run.problem;
}

std::string checkLastBlock(Program &program) {
  constexpr int blocks = 7;
  Run run(program, "lastBlock", {blocks}, {32});
  std::vector<float> in = fractions(blocks * 32, 11), parts(blocks), out(1);
  std::vector<unsigned> finished(1);
  run.memoryOf(in);
  run.memoryOf(parts);
  run.memoryOf(finished);
  run.memoryOf(out);
  run.start();
  float sum = 0;
  for (float x : in)
    sum += x;
  run.equal("out", 0, out[0], sum);
  return run.problem;
}

//===----------------------------------------------------------------------===//
// fragments.cu
//===----------------------------------------------------------------------===//

/// One tile: a [16, depth], b by row and column, sums that begin at `begin`.
/// Products of multiples of 1/64 are exact, and so are their sums.
std::string checkFragments(Program &program, const char *kernel,
                           bool isTransposed, float begin) {
  Run run(program, kernel, {1}, {32});
  std::vector<float> a = fractions(256, 12), b = fractions(128, 13);
  std::vector<uint16_t> a16 = bf16Of(a), b16 = bf16Of(b);
  std::vector<float> out(128);
  run.memoryOf(a16);
  run.memoryOf(b16);
  run.memoryOf(out);
  run.start();
  for (int row = 0; row != 16; ++row)
    for (int column = 0; column != 8; ++column) {
      float sum = begin;
      for (int k = 0; k != 16; ++k)
        sum += a[row * 16 + k] *
               b[isTransposed ? k * 8 + column : column * 16 + k];
      run.equal("out", row * 8 + column, out[row * 8 + column], sum);
    }
  return run.problem;
}

std::string checkFragmentsOfBytes(Program &program) {
  Run run(program, "fragmentsOfBytes", {1}, {32});
  std::vector<int8_t> a = numbers<int8_t>(512, -128, 127, 14),
                      b = numbers<int8_t>(256, -128, 127, 15);
  std::vector<int> out(128);
  run.memoryOf(a);
  run.memoryOf(b);
  run.memoryOf(out);
  run.start();
  for (int row = 0; row != 16; ++row)
    for (int column = 0; column != 8; ++column) {
      int sum = 0;
      for (int k = 0; k != 32; ++k)
        sum += a[row * 32 + k] * b[column * 32 + k];
      run.equal("out", row * 8 + column, out[row * 8 + column], sum);
    }
  return run.problem;
}

//===----------------------------------------------------------------------===//
// products.cu, attention.cu, rows.cu
//===----------------------------------------------------------------------===//

/// Compares with sums of doubles: `depth` roundings of sums of that size.
void checkProduct(Run &run, const std::vector<float> &x,
                  const std::vector<float> &weights,
                  const std::vector<float> &out, int columns, int depth) {
  for (size_t i = 0; i != out.size(); ++i) {
    size_t row = i / columns, column = i % columns;
    double sum = 0, size = 0;
    for (int k = 0; k != depth; ++k) {
      double term =
          static_cast<double>(x[row * depth + k]) * weights[column * depth + k];
      sum += term;
      size += std::abs(term);
    }
    run.near("out", i, out[i], sum, depth * kUnitF32 * size);
  }
}

std::string checkProduct(Program &program) {
  constexpr int rows = 128, columns = 256, depth = 160;
  Run run(program, "product", {columns / 128, rows / 128}, {128});
  std::vector<float> x = fractions(rows * depth, 16),
                     weights = fractions(columns * depth, 17),
                     out(rows * columns);
  std::vector<uint16_t> x16 = bf16Of(x), weights16 = bf16Of(weights);
  run.memoryOf(x16);
  run.memoryOf(weights16);
  run.memoryOf(out);
  run.scalar(columns);
  run.scalar(depth);
  run.start();
  checkProduct(run, x, weights, out, columns, depth);
  return run.problem;
}

std::string checkVectorProduct(Program &program) {
  constexpr int columns = 37, depth = 1160;
  Run run(program, "vectorProduct", {10}, {128});
  std::vector<float> x = fractions(depth, 18),
                     weights = fractions(columns * depth, 19), out(columns);
  std::vector<uint16_t> x16 = bf16Of(x), weights16 = bf16Of(weights);
  run.memoryOf(x16);
  run.memoryOf(weights16);
  run.memoryOf(out);
  run.scalar(columns);
  run.scalar(depth);
  run.start();
  checkProduct(run, x, weights, out, columns, depth);
  return run.problem;
}

std::string checkAttention(Program &program) {
  constexpr int tokens = 192, heads = 2, dim = 128;
  constexpr double scale = 0.5;
  Run run(program, "attention", {tokens / 64, heads}, {128});
  std::vector<float> query = fractions(tokens * heads * dim, 23),
                     keys = fractions(tokens * dim, 24),
                     values = fractions(tokens * dim, 25);
  std::vector<uint16_t> query16 = bf16Of(query), keys16 = bf16Of(keys),
                        values16 = bf16Of(values), out(query.size());
  run.memoryOf(query16);
  run.memoryOf(keys16);
  run.memoryOf(values16);
  run.memoryOf(out);
  run.scalar(1);
  run.scalar(static_cast<float>(scale));
  run.start();
  for (int row = 0; row != tokens * heads; ++row) {
    int seen = row / heads + 1;
    std::vector<double> weights(seen);
    // What a weight's exponent is off by: the sum of the score, and the
    // products and difference behind it.
    double slack = 0, sum = 0;
    for (int key = 0; key != seen; ++key) {
      double score = 0, size = 0;
      for (int i = 0; i != dim; ++i) {
        double term =
            static_cast<double>(query[row * dim + i]) * keys[key * dim + i];
        score += term;
        size += std::abs(term);
      }
      weights[key] = std::exp2(score * scale);
      slack = std::max(slack, (dim + 6) * kUnitF32 * size * scale);
      sum += weights[key];
    }
    for (int i = 0; i != dim; ++i) {
      double exact = 0, size = 0;
      for (int key = 0; key != seen; ++key) {
        exact += weights[key] / sum * values[key * dim + i];
        size += weights[key] / sum * std::abs(values[key * dim + i]);
      }
      // Weights are rounded to bf16 for the values and not for their sum, and
      // the result is.
      double bound = size * (kUnitBf16 + 2 * slack + 2 * tokens * kUnitF32);
      bound += kUnitBf16 * (std::abs(exact) + bound);
      run.near("out", row * dim + i, floatOf(out[row * dim + i]), exact, bound);
    }
  }
  return run.problem;
}

std::string checkSoftmax(Program &program) {
  constexpr int rows = 4, columns = 300;
  Run run(program, "softmax", {rows}, {128});
  std::vector<float> in = numbers<float>(rows * columns, -1000, 1000, 20);
  for (float &x : in)
    x /= 100;
  std::vector<float> out(in.size());
  run.memoryOf(in);
  run.memoryOf(out);
  run.scalar(columns);
  run.start();
  for (int row = 0; row != rows; ++row) {
    llvm::ArrayRef<float> x(&in[row * columns], columns);
    double most = *llvm::max_element(x), sum = 0;
    for (float value : x)
      sum += std::exp(value - most);
    for (int i = 0; i != columns; ++i) {
      double exact = std::exp(x[i] - most) / sum;
      // __expf multiplies by log2(e), which moves x by a unit, and by as much
      // again for the product: 2 |x| units; then sums and a quotient.
      run.near("out", row * columns + i, out[row * columns + i], exact,
               exact * (4 * 20 + columns + 8) * kUnitF32);
    }
  }
  return run.problem;
}

std::string checkRmsNorm(Program &program) {
  constexpr int rows = 3, columns = 200;
  Run run(program, "rmsNorm", {rows}, {128});
  std::vector<float> in = fractions(rows * columns, 21),
                     weight = fractions(columns, 22);
  std::vector<uint16_t> out(in.size());
  run.memoryOf(in);
  run.memoryOf(weight);
  run.memoryOf(out);
  run.scalar(columns);
  run.scalar(1e-6F);
  run.start();
  for (int row = 0; row != rows; ++row) {
    double sum = 0;
    for (int i = 0; i != columns; ++i)
      sum += std::pow(in[row * columns + i], 2);
    double factor = 1 / std::sqrt(sum / columns + 1e-6);
    for (int i = 0; i != columns; ++i) {
      double exact = in[row * columns + i] * factor * weight[i];
      // The rounding to bf16, and what f32 adds to it.
      run.near("out", row * columns + i, floatOf(out[row * columns + i]), exact,
               std::abs(exact) * (kUnitBf16 + (columns + 8) * kUnitF32));
    }
  }
  return run.problem;
}

std::string checkFunctions(Program &program) {
  constexpr int n = 400;
  Run run(program, "functions", {4}, {128});
  std::vector<float> in = numbers<float>(n, -600, 600, 23), out(n * 8);
  for (float &x : in)
    x /= 64;
  // Where sin needs all bits of pi.
  in[0] = 123456.5F;
  run.memoryOf(in);
  run.memoryOf(out);
  run.scalar(n);
  run.start();
  for (int i = 0; i != n; ++i) {
    double x = in[i];
    double expected[8] = {
        x / 2 * (1 + std::tanh(0.7978845608 * (x + 0.044715 * x * x * x))),
        std::exp(x), std::log(x * x + 1), std::sqrt(x * x + 0.5), std::sin(x),
        1 / (x * x + 1), std::pow(x * x + 1, 0.3),
        // Multiples of 1/64 below 16 are f16.
        x};
    for (int k = i == 0 ? 4 : 0; k != (i == 0 ? 5 : 8); ++k)
      // CUDA's manual: 2 units for most of these, 4 for powf; near 0 gelu
      // multiplies a difference that is small.
      run.near("out", i * 8 + k, out[i * 8 + k], expected[k],
               8 * kUnitF32 *
                   (std::abs(expected[k]) + (k == 0   ? std::abs(x)
                                             : k == 4 ? 0.25
                                                      : 0)));
  }
  return run.problem;
}

using Check = std::function<std::string(Program &)>;

const llvm::StringMap<Check> &checks() {
  static const llvm::StringMap<Check> all = {
      {"shuffles", checkShuffles},
      {"votes", checkVotes},
      {"reduceRows", checkReduceRows},
      {"collatz", checkCollatz},
      {"decisions", checkDecisions},
      {"divisions", checkDivisions},
      {"transpose", checkTranspose},
      {"pipeline", checkPipeline},
      {"atomics", checkAtomics},
      {"sortOwn", checkSortOwn},
      {"lastBlock", checkLastBlock},
      {"fragments",
       [](Program &program) {
         return checkFragments(program, "fragments", false, 0);
       }},
      {"fragmentsTransposed",
       [](Program &program) {
         return checkFragments(program, "fragmentsTransposed", true, 1);
       }},
      {"fragmentsByHand",
       [](Program &program) {
         return checkFragments(program, "fragmentsByHand", false, 0);
       }},
      {"fragmentsOfBytes", checkFragmentsOfBytes},
      {"product", [](Program &program) { return checkProduct(program); }},
      {"vectorProduct", checkVectorProduct},
      {"attention", checkAttention},
      {"softmax", checkSoftmax},
      {"rmsNorm", checkRmsNorm},
      {"functions", checkFunctions}};
  return all;
}

/// Runs all kernels of the file at `path`; false if one is wrong.
bool runFile(const char *path) {
  auto fail = [&](const llvm::Twine &what) {
    llvm::errs() << "error: " << path << ": " << what << '\n';
    return false;
  };
  auto text = llvm::MemoryBuffer::getFile(path);
  if (!text)
    return fail(text.getError().message());
  auto program = Program::create((*text)->getBuffer());
  if (!program)
    return fail(llvm::toString(program.takeError()));
  bool isRight = true;
  for (const std::string &kernel : (*program)->kernels()) {
    auto check = checks().find(kernel);
    if (check == checks().end()) {
      isRight = fail("no check knows the kernel '" + kernel + "'");
      continue;
    }
    if (std::string problem = check->second(**program); !problem.empty())
      isRight = fail(kernel + ": " + problem);
    else
      llvm::outs() << kernel << " passed\n";
  }
  return isRight;
}

} // namespace

int main(int argc, char **argv) {
  bool isRight = argc > 1;
  for (int i = 1; i < argc; ++i)
    isRight &= runFile(argv[i]);
  return isRight ? 0 : 1;
}
