// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiles a text in process, packs its arguments and calls both ways.

#include "CompiledFunction.h"

#include "InstructionEmulator.h"

#include "flow/Compiler/Compiler.h"
#include "flow/Ggml/Types.h"
#include "flow/Pipelines/Pipelines.h"
#include "flow/Runtime/Abi.h"

#include <cstring>
#include <limits>

using namespace flow;
using runtime::ElementType;

namespace {

constexpr int64_t kPanel = 32;
/// Bytes before and after each buffer.
constexpr size_t kGuard = 256;

CodeBuffer makeBuffer(std::vector<int64_t> shape, size_t elementSize) {
  size_t size = elementSize;
  for (int64_t extent : shape)
    size *= extent;
  return {std::move(shape), std::vector<std::byte>(size)};
}

template <typename T> T *dataOf(CodeBuffer &buffer) {
  return reinterpret_cast<T *>(buffer.bytes.data());
}

template <typename T> void store(CodeBuffer &buffer, int64_t index, T value) {
  std::memcpy(buffer.bytes.data() + index * sizeof(T), &value, sizeof(T));
}

/// Visits a cache of `shape` `[C, KV, D]`, or of slots of them, with the index
/// of each element and its place in the buffer.
void forEachCacheElement(llvm::ArrayRef<int64_t> shape, bool areKeys,
                         llvm::function_ref<void(int64_t, int64_t)> visit) {
  int64_t slots = shape.size() == 4 ? shape[0] : 1;
  shape = shape.take_back(3);
  int64_t capacity = shape[0], dim = shape[2], index = 0;
  for (int64_t s = 0; s != slots; ++s) {
    int64_t slot = s * capacity * shape[1] * dim;
    for (int64_t c = 0; c != capacity; ++c)
      for (int64_t h = 0; h != shape[1]; ++h)
        for (int64_t i = 0; i != dim; ++i) {
          int64_t keyPanel = h * (capacity / kPanel) + c / kPanel;
          int64_t valuePanel = h * (dim / kPanel) + i / kPanel;
          int64_t place =
              areKeys ? (keyPanel * dim + i) * kPanel + c % kPanel
                      : (valuePanel * capacity + c) * kPanel + i % kPanel;
          visit(index++, slot + place);
        }
  }
}

CodeArgument cacheArgument(const Tensor &tensor, bool areKeys,
                           ElementType element) {
  llvm::ArrayRef<int64_t> shape = llvm::ArrayRef(tensor.shape).take_back(3);
  std::vector<int64_t> dims(tensor.shape.begin(), tensor.shape.end() - 3);
  if (areKeys)
    dims.insert(dims.end(), {shape[1], shape[0] / kPanel, shape[2], kPanel});
  else
    dims.insert(dims.end(), {shape[1], shape[2] / kPanel, shape[0], kPanel});
  CodeBuffer buffer = makeBuffer(std::move(dims), runtime::bytesOf(element));
  buffer.element = element;
  buffer.areKeys = areKeys;
  forEachCacheElement(tensor.shape, areKeys, [&](int64_t index, int64_t place) {
    float value = tensor.values[index];
    if (element == ElementType::F32)
      store(buffer, place, value);
    else
      store(buffer, place,
            element == ElementType::F16 ? ggml::f32ToF16(value)
                                        : ggml::f32ToBf16(value));
  });
  return {share(tensor), {std::move(buffer)}};
}

/// Element `place` of a cache.
float loadElement(const std::byte *data, ElementType element, int64_t place) {
  if (element == ElementType::F32) {
    float value;
    std::memcpy(&value, data + place * sizeof(value), sizeof(value));
    return value;
  }
  uint16_t half;
  std::memcpy(&half, data + place * sizeof(half), sizeof(half));
  return element == ElementType::F16 ? ggml::f16ToF32(half)
                                     : ggml::bf16ToF32(half);
}

/// Fills `tensor` with what `data` holds, the later state of `cache`.
void readCache(const CodeBuffer &cache, const std::byte *data, Tensor &tensor) {
  forEachCacheElement(
      tensor.shape, cache.areKeys, [&](int64_t index, int64_t place) {
        tensor.values[index] = loadElement(data, cache.element, place);
      });
}

/// What guards are filled with: NaN around arguments, so that what is read
/// there is seen in a result, and another number around results, so that what
/// comes of it is seen when it is written there.
constexpr std::byte kArgumentGuard{0xff}, kResultGuard{0x5a};

/// A buffer between two guards, and its memref descriptor.
class GuardedBuffer {
public:
  GuardedBuffer(const CodeBuffer &buffer, std::byte guard)
      : guard(guard), before(buffer.bytes),
        memory(buffer.bytes.size() + 2 * kGuard + 64, guard) {
    // Buffers of the runtime start where vectors may.
    auto address = reinterpret_cast<uintptr_t>(memory.data()) + kGuard;
    begin = memory.data() + kGuard + (64 - address % 64) % 64;
    llvm::copy(before, begin);
    auto pointer = reinterpret_cast<int64_t>(begin);
    descriptor = {pointer, pointer, 0};
    descriptor.insert(descriptor.end(), buffer.shape.begin(),
                      buffer.shape.end());
    int64_t stride = 1;
    for (int64_t extent : buffer.shape)
      stride *= extent;
    for (int64_t extent : buffer.shape) {
      stride = extent == 0 ? 0 : stride / extent;
      descriptor.push_back(stride);
    }
  }

  void *argument() { return descriptor.data(); }
  const std::byte *data() const { return begin; }
  const float *floats() const { return reinterpret_cast<float *>(begin); }
  bool isUnchanged() const {
    return std::equal(before.begin(), before.end(), begin);
  }
  bool areGuardsWhole() const {
    auto whole = [this](const std::byte *from, const std::byte *to) {
      return std::all_of(from, to, [this](std::byte b) { return b == guard; });
    };
    return whole(memory.data(), begin) &&
           whole(begin + before.size(), memory.data() + memory.size());
  }

private:
  std::byte guard;
  std::vector<std::byte> before, memory;
  std::byte *begin;
  std::vector<int64_t> descriptor;
};

/// Runs a loop in up to three ranges, the last first.
void runRanges(flow_runtime_context *, int64_t count, flow_loop_body body,
               void *closure) {
  int64_t ranges = std::min<int64_t>(count, 3);
  for (int64_t i = ranges - 1; i >= 0; --i)
    body(closure, i * count / ranges, (i + 1) * count / ranges);
}

/// A multiple of 2^-8 in (0, 1].
float smallScale(std::mt19937 &generator) {
  return std::ldexp(double(generator() % 256 + 1), -8);
}

} // namespace

bool flow::canRun(const CodeTarget &target) {
  llvm::Expected<CpuTarget> host = resolveCpuTarget("native");
  if (!host) {
    llvm::consumeError(host.takeError());
    return false;
  }
  llvm::StringRef isa = target.isa;
  // The third level of x86-64 is AVX2 and what came with it.
  bool needsAvx2 = isa == "avx2" || llvm::StringRef(target.cpu) != "native";
  bool needsEmulator =
      (isa == "vnni256" && !host->vnni256) || (isa == "amx" && !host->amx);
  return (isa != "vnni" || host->vnni) && (isa != "bf16" || host->bf16) &&
         (!needsAvx2 || host->avx2) &&
         (!needsEmulator || emulateMissingInstructions());
}

std::string flow::targetName(const testing::TestParamInfo<CodeTarget> &info) {
  std::string name = std::string(info.param.cpu) + "_" + info.param.isa;
  llvm::replace(name, '-', '_');
  return name;
}

CodeArgument flow::indexArgument(int64_t value) { return {value, {}}; }

CodeArgument flow::plainArgument(const Tensor &tensor) {
  CodeBuffer buffer =
      makeBuffer({tensor.shape.begin(), tensor.shape.end()}, sizeof(float));
  llvm::copy(tensor.values, dataOf<float>(buffer));
  return {share(tensor), {std::move(buffer)}};
}

CodeArgument flow::spansArgument(llvm::ArrayRef<PositionSpan> spans) {
  TokenTensor rows({int64_t(spans.size()), 2});
  for (auto [i, span] : llvm::enumerate(spans)) {
    rows.values[2 * i] = span.begin;
    rows.values[2 * i + 1] = span.end;
  }
  CodeBuffer buffer = makeBuffer({rows.shape[0], 2}, sizeof(int32_t));
  llvm::copy(rows.values, dataOf<int32_t>(buffer));
  return {std::make_shared<const TokenTensor>(std::move(rows)),
          {std::move(buffer)}};
}

Tensor flow::roundedTo(ElementType element, Tensor tensor) {
  if (element != ElementType::F32)
    for (float &value : tensor.values)
      value = element == ElementType::F16
                  ? ggml::f16ToF32(ggml::f32ToF16(value))
                  : ggml::bf16ToF32(ggml::f32ToBf16(value));
  return tensor;
}

CodeArgument flow::keyCacheArgument(const Tensor &keys, ElementType element) {
  return cacheArgument(keys, /*areKeys=*/true, element);
}

CodeArgument flow::valueCacheArgument(const Tensor &values,
                                      ElementType element) {
  return cacheArgument(values, /*areKeys=*/false, element);
}

CodeArgument flow::sequencesArgument(const SequenceTable &table) {
  int64_t count = table.size();
  CodeBuffer buffer = makeBuffer({count, 4}, sizeof(int32_t));
  std::vector<int32_t> values;
  for (const std::array<int32_t, 4> &row : table)
    values.insert(values.end(), row.begin(), row.end());
  llvm::copy(values, dataOf<int32_t>(buffer));
  return {std::make_shared<const TokenTensor>(llvm::ArrayRef<int64_t>{count, 4},
                                              std::move(values)),
          {std::move(buffer)}};
}

CodeArgument flow::f32PanelsArgument(const Tensor &weight) {
  int64_t rows = weight.shape[0], cols = weight.shape[1];
  CodeBuffer buffer = makeBuffer({rows / kPanel, cols, kPanel}, sizeof(float));
  float *data = dataOf<float>(buffer);
  for (int64_t n = 0; n != rows; ++n)
    for (int64_t k = 0; k != cols; ++k)
      data[(n / kPanel * cols + k) * kPanel + n % kPanel] =
          weight.values[n * cols + k];
  return {share(weight), {std::move(buffer)}};
}

CodeArgument flow::bf16PanelsArgument(const Tensor &weight) {
  int64_t rows = weight.shape[0], cols = weight.shape[1];
  CodeBuffer buffer =
      makeBuffer({rows / kPanel, cols / 2, 2 * kPanel}, sizeof(uint16_t));
  uint16_t *data = dataOf<uint16_t>(buffer);
  for (int64_t n = 0; n != rows; ++n)
    for (int64_t k = 0; k != cols; ++k)
      data[((n / kPanel * cols / 2 + k / 2) * kPanel + n % kPanel) * 2 +
           k % 2] = ggml::f32ToBf16(weight.values[n * cols + k]);
  return {share(weight), {std::move(buffer)}};
}

ByteWeight::ByteWeight(int64_t rows, int64_t cols, int64_t block,
                       bool hasMinima, uint32_t seed, int64_t bits,
                       int64_t offset)
    : rows(rows), cols(cols), block(block), bits(bits), offset(offset),
      hasMinima(hasMinima) {
  std::mt19937 generator(seed);
  const int64_t count = int64_t(1) << bits;
  for (int64_t i = 0; i != rows * cols; ++i)
    quants.push_back(int8_t(int64_t(generator() % count) - offset));
  std::fill_n(quants.begin(), cols, int8_t(count - 1 - offset));
  std::fill_n(quants.begin() + cols, cols, int8_t(-offset));
  for (int64_t i = 0; i != rows * cols / block; ++i) {
    scales.push_back(smallScale(generator));
    minima.push_back(hasMinima ? -64 * smallScale(generator) : 0);
  }
}

Tensor ByteWeight::values() const {
  Tensor tensor({rows, cols});
  for (size_t i = 0; i != quants.size(); ++i)
    tensor.values[i] = scales[i / block] * quants[i] + minima[i / block];
  return tensor;
}

Tensor ByteWeight::magnitudes() const {
  Tensor tensor({rows, cols});
  for (size_t i = 0; i != quants.size(); ++i)
    tensor.values[i] =
        std::abs(scales[i / block] * quants[i]) + std::abs(minima[i / block]);
  return tensor;
}

CodeArgument ByteWeight::argument(bool halfScales, int64_t leading) const {
  int64_t panels = rows / kPanel, blocks = cols / block;
  CodeArgument argument{share(values()), {}};
  // Columns to a byte of the quants, and of the bits above the fourth.
  int64_t first = leading ? leading : bits, low = bits - first;
  int64_t perByte = first == 8 ? 1 : 2,
          perUpper = first > 4 ? 8 / (first - 4) : 0;
  auto addBytes = [&](int64_t columns) {
    argument.buffers.push_back(
        makeBuffer({panels, cols / 4 / columns, 4 * kPanel}, 1));
  };
  addBytes(perByte);
  if (first == 5 || first == 6)
    addBytes(perUpper);
  if (leading)
    argument.buffers.push_back(
        makeBuffer({panels, low * cols / 32, 4 * kPanel}, 1));
  size_t ofScales = argument.buffers.size();
  argument.buffers.push_back(
      makeBuffer({panels, blocks, kPanel}, halfScales ? 2 : 4));
  if (hasMinima)
    argument.buffers.push_back(makeBuffer({panels, blocks, kPanel}, 4));
  // Puts bits of column k into the byte that it shares with others.
  auto add = [&](CodeBuffer &buffer, int64_t n, int64_t k, int64_t columns,
                 unsigned value) {
    int64_t row = n / kPanel * (cols / 4 / columns) + k / (4 * columns);
    int64_t turn = k / 4 % columns;
    dataOf<uint8_t>(buffer)[(row * kPanel + n % kPanel) * 4 + k % 4] |=
        value << (turn * 8 / columns);
  };
  for (int64_t n = 0; n != rows; ++n) {
    for (int64_t k = 0; k != cols; ++k) {
      unsigned u = quants[n * cols + k] + offset;
      unsigned top = u >> low;
      add(argument.buffers[0], n, k, perByte, first == 8 ? top : top & 15);
      if (first == 5 || first == 6)
        add(argument.buffers[1], n, k, perUpper, top >> 4);
      for (int64_t bit = 0; bit != low; ++bit) {
        int64_t row = (n / kPanel * (cols / 32) + k / 32) * low + bit;
        dataOf<uint8_t>(
            argument.buffers[2])[(row * kPanel + n % kPanel) * 4 + k % 4] |=
            (u >> bit & 1) << (k % 32 / 4);
      }
    }
    for (int64_t b = 0; b != blocks; ++b) {
      int64_t to = (n / kPanel * blocks + b) * kPanel + n % kPanel;
      float scale = scales[n * blocks + b];
      if (halfScales)
        store(argument.buffers[ofScales], to, ggml::f32ToF16(scale));
      else
        store(argument.buffers[ofScales], to, scale);
      // The kernel has -128 times the sum of a block at hand.
      if (hasMinima)
        store(argument.buffers.back(), to, minima[n * blocks + b] / -128);
    }
  }
  return argument;
}

ByteRows::ByteRows(int64_t rows, int64_t cols, int64_t block, uint32_t seed)
    : rows(rows), cols(cols), block(block) {
  std::mt19937 generator(seed);
  for (int64_t i = 0; i != rows * cols; ++i)
    quants.push_back(int8_t(int64_t(generator() % 255) - 127));
  std::fill_n(quants.begin(), cols, 127);
  if (rows > 1)
    std::fill_n(quants.begin() + cols, cols, -127);
  for (int64_t i = 0; i != rows * cols / block; ++i)
    scales.push_back(smallScale(generator));
}

Tensor ByteRows::values() const {
  Tensor tensor({rows, cols});
  for (size_t i = 0; i != quants.size(); ++i)
    tensor.values[i] = scales[i / block] * quants[i];
  return tensor;
}

CodeArgument ByteRows::argument() const {
  CodeArgument argument{share(values()), {}};
  argument.buffers.push_back(makeBuffer({rows, cols}, 1));
  argument.buffers.push_back(makeBuffer({rows, cols / block}, 4));
  argument.buffers.push_back(makeBuffer({rows, cols / block}, 4));
  std::vector<int32_t> sums(scales.size());
  for (size_t i = 0; i != quants.size(); ++i) {
    store(argument.buffers[0], i, quants[i]);
    sums[i / block] += -128 * quants[i];
  }
  for (size_t i = 0; i != scales.size(); ++i) {
    store(argument.buffers[1], i, scales[i]);
    store(argument.buffers[2], i, sums[i]);
  }
  return argument;
}

CodeArgument flow::firstRows(CodeArgument matrix, int64_t count) {
  for (CodeBuffer &buffer : matrix.buffers) {
    size_t rowBytes = buffer.bytes.size() / buffer.shape[0];
    buffer.shape[0] = count;
    buffer.bytes.resize(count * rowBytes);
  }
  return matrix;
}

CompiledFunction::CompiledFunction(const std::string &text,
                                   const CodeTarget &target,
                                   const std::string &phase) {
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  context = std::make_unique<mlir::MLIRContext>(
      registry, mlir::MLIRContext::Threading::DISABLED);
  module = mlir::parseSourceString<mlir::ModuleOp>(text, context.get(), "test");
  if (!module) {
    ADD_FAILURE() << "the text of the test does not parse";
    return;
  }
  findResults();
  interpreter = std::make_unique<Interpreter>(*module, weights);
  if (!compile(target, phase))
    ADD_FAILURE() << "the text of the test does not compile";
}

CompiledFunction::~CompiledFunction() = default;

void CompiledFunction::findResults() {
  auto function = module->lookupSymbol<mlir::func::FuncOp>("f");
  for (mlir::Type type : function.getResultTypes())
    isIntegers.push_back(mlir::getElementTypeOrSelf(type).isInteger(32));
  for (mlir::Value result : function.front().getTerminator()->getOperands()) {
    mlir::Value cache;
    if (auto append = result.getDefiningOp<KvAppendOp>())
      cache = result == append.getNewKeyCache() ? append.getKeyCache()
                                                : append.getValueCache();
    else if (auto append = result.getDefiningOp<QkvRopeAppendOp>())
      cache = result == append.getNewKeyCache()     ? append.getKeyCache()
              : result == append.getNewValueCache() ? append.getValueCache()
                                                    : mlir::Value();
    auto argument = mlir::dyn_cast_or_null<mlir::BlockArgument>(cache);
    cacheOfResult.push_back(argument ? argument.getArgNumber() : -1);
  }
}

bool CompiledFunction::compile(const CodeTarget &target,
                               const std::string &phase) {
  auto fail = [](llvm::Error error) {
    ADD_FAILURE() << llvm::toString(std::move(error));
    return false;
  };
  llvm::Expected<CpuTarget> cpu = resolveCpuTarget(target.cpu);
  if (!cpu)
    return fail(cpu.takeError());
  PipelineOptions options;
  llvm::StringRef isa = target.isa;
  options.bf16 = isa == "bf16";
  options.amx = isa == "amx";
  options.isa = options.bf16 || options.amx ? "generic" : isa.str();
  if (options.amx)
    cpu->features = "+amx-tile,+amx-bf16,+amx-int8";
  else if (isa == "vnni256")
    cpu->features = "+avxvnni";
  options.avx512 = cpu->avx512;
  options.step = phase;
  // The interpreter keeps the stages.
  mlir::OwningOpRef<mlir::ModuleOp> lowered = module->clone();
  mlir::PassManager passes(context.get());
  buildLinalgPipeline(passes, options);
  buildCpuPipeline(passes, options);
  if (mlir::failed(passes.run(*lowered)))
    return false;
  llvm::Expected<std::string> object =
      generateCode(*lowered, *cpu, CodeKind::Object);
  if (!object)
    return fail(object.takeError());
  llvm::Expected<std::unique_ptr<LoadedCode>> loaded =
      LoadedCode::load({*object});
  if (!loaded)
    return fail(loaded.takeError());
  code = std::move(*loaded);
  entry = reinterpret_cast<void (*)(void **)>(code->lookupEntry("f"));
  return entry != nullptr;
}

CallResults CompiledFunction::call(const std::vector<CodeArgument> &arguments) {
  CallResults both;
  both.expected = interpret(arguments);
  std::vector<llvm::SmallVector<int64_t, 4>> shapes;
  for (const Tensor &tensor : both.expected)
    shapes.push_back(tensor.shape);
  both.computed = run(arguments, shapes);
  return both;
}

std::vector<Tensor>
CompiledFunction::interpret(const std::vector<CodeArgument> &arguments) {
  if (!interpreter)
    return {};
  std::vector<InterpretedValue> values;
  values.reserve(arguments.size());
  for (const CodeArgument &argument : arguments)
    values.push_back(argument.value);
  CacheState caches(1);
  llvm::Expected<std::vector<InterpretedValue>> results =
      interpreter->call("f", values, caches);
  if (!results) {
    ADD_FAILURE() << llvm::toString(results.takeError());
    return {};
  }
  std::vector<Tensor> tensors;
  tensors.reserve(results->size());
  for (const InterpretedValue &result : *results) {
    if (const auto *integers = std::get_if<TokenTensorRef>(&result))
      tensors.emplace_back((*integers)->shape,
                           std::vector<float>((*integers)->values.begin(),
                                              (*integers)->values.end()));
    else
      tensors.push_back(*std::get<TensorRef>(result));
  }
  return tensors;
}

std::vector<Tensor>
CompiledFunction::run(const std::vector<CodeArgument> &arguments,
                      llvm::ArrayRef<llvm::SmallVector<int64_t, 4>> shapes) {
  if (!entry)
    return {};
  flow_runtime_context runtime{runRanges};
  std::vector<void *> pointers{&runtime};
  std::vector<int64_t> indices(arguments.size());
  std::vector<std::vector<GuardedBuffer>> buffers(arguments.size());
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    if (auto *index = std::get_if<int64_t>(&argument.value)) {
      indices[i] = *index;
      pointers.push_back(&indices[i]);
    }
    for (const CodeBuffer &buffer : argument.buffers)
      buffers[i].emplace_back(buffer, kArgumentGuard);
    for (GuardedBuffer &buffer : buffers[i])
      pointers.push_back(buffer.argument());
  }
  std::vector<int> caches = cacheOfResult;
  caches.resize(shapes.size(), -1);
  std::vector<bool> integers = isIntegers;
  integers.resize(shapes.size());
  std::vector<GuardedBuffer> outputs;
  outputs.reserve(shapes.size());
  for (auto [shape, cache] : llvm::zip_equal(shapes, caches)) {
    if (cache >= 0)
      continue;
    CodeBuffer buffer = makeBuffer({shape.begin(), shape.end()}, sizeof(float));
    llvm::fill(buffer.bytes, std::byte(0xff));
    outputs.emplace_back(buffer, kResultGuard);
    pointers.push_back(outputs.back().argument());
  }
  entry(pointers.data());

  std::vector<Tensor> results;
  size_t next = 0;
  for (auto [shape, cache, isInteger] :
       llvm::zip_equal(shapes, caches, integers)) {
    Tensor &result = results.emplace_back(shape);
    const float *values =
        cache < 0 ? outputs[next++].floats() : buffers[cache][0].floats();
    if (isInteger)
      std::copy_n(reinterpret_cast<const int32_t *>(values),
                  result.values.size(), result.values.begin());
    else if (cache < 0)
      std::copy_n(values, result.values.size(), result.values.begin());
    else
      readCache(arguments[cache].buffers[0], buffers[cache][0].data(), result);
  }
  for (auto [i, list] : llvm::enumerate(buffers))
    for (const GuardedBuffer &buffer : list) {
      EXPECT_TRUE(buffer.areGuardsWhole()) << "around argument " << i;
      EXPECT_TRUE(llvm::is_contained(caches, int(i)) || buffer.isUnchanged())
          << "argument " << i;
    }
  for (auto [i, buffer] : llvm::enumerate(outputs))
    EXPECT_TRUE(buffer.areGuardsWhole()) << "around result " << i;
  return results;
}

Tensor flow::withPadding(Tensor tensor, int64_t count) {
  int64_t first = tensor.values.size() / tensor.shape[0] * count;
  std::fill(tensor.values.begin() + first, tensor.values.end(), 1e30f);
  return tensor;
}

double flow::worstRatio(const Tensor &computed, const Tensor &expected,
                        int64_t count, llvm::ArrayRef<double> bounds) {
  return worstRatio(computed, expected, count,
                    [&](size_t at) { return bounds[at]; });
}

double flow::worstRatio(const Tensor &computed, const Tensor &expected,
                        int64_t count,
                        llvm::function_ref<double(size_t)> bound) {
  size_t end = expected.values.size() / expected.shape[0] * count;
  double worst = 0;
  for (size_t i = 0; i != end; ++i) {
    double miss = std::abs(double(computed.values[i]) - expected.values[i]);
    if (std::isnan(miss))
      return std::numeric_limits<double>::infinity();
    worst = std::max(worst, miss / bound(i));
  }
  return worst;
}

bool flow::sameValues(const Tensor &computed, const Tensor &expected,
                      int64_t count) {
  size_t end = expected.values.size() / expected.shape[0] * count;
  return std::equal(computed.values.begin(), computed.values.begin() + end,
                    expected.values.begin());
}
