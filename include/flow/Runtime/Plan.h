// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The plan of an artefact: what to load, what to keep, what to call.

#ifndef FLOW_RUNTIME_PLAN_H
#define FLOW_RUNTIME_PLAN_H

#include "flow/Support/Result.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace flow::runtime {

/// Version of the plan's form; another one is refused.
constexpr int64_t kPlanVersion = 8;

/// How the sources of a weight become one matrix.
enum class Combine { Concat, Interleave };

/// How a weight lies in memory; docs/Artifact.md has the element formulas.
enum class Packing {
  Raw,
  Dense,
  DenseBf16,
  WeightBlocks,
  PanelsF32,
  PanelsBf16,
  PanelsI8
};

enum class ScaleType { F16, F32 };

/// A tensor of the model file, or a part of it.
struct WeightSource {
  WeightSource() = default;
  /// The whole tensor `name`.
  WeightSource(std::string name) : name(std::move(name)) {}
  WeightSource(const char *name) : name(name) {}

  std::string name;
  /// `rows` rows of the weight's length from column `col` on. They come in
  /// groups of `group`, the first of which begins at row `row` of the tensor
  /// and the others `stride` rows after each other.
  struct Part {
    int64_t row = 0, col = 0, rows = 0, group = 0, stride = 0;
  };
  /// Nothing: all of it.
  std::optional<Part> part;
};

/// A weight that the code or the runtime reads.
struct PackedWeight {
  std::string name;
  /// Where its rows come from, in order.
  std::vector<WeightSource> sources;
  Combine combine = Combine::Concat;
  /// Rows taken from each source in turn when interleaving.
  int64_t group = 16;
  /// Added to each element after decoding.
  double add = 0;
  Packing packing = Packing::Dense;
  int64_t rows = 0, cols = 0;
  /// Of `PanelsI8` and `WeightBlocks` only: values of a row that share a scale,
  /// the scales' type, whether there are minima, the bits of a quant (4, 5, 6
  /// or 8) and what was added to it (128 for 8 bits, else 0 or `2^(bits - 1)`).
  /// `WeightBlocks` have quants of 4 or 8 bits; those of 8 bits are signed, and
  /// to those of 4 bits 8 was added unless there are minima.
  int64_t block = 32;
  ScaleType scale = ScaleType::F16;
  bool hasMin = false;
  int64_t bits = 8, offset = 128;
  /// Of quants of 8 bits, how many lie apart from the lower ones: 5 or 6, or 0
  /// if none do.
  int64_t leading = 0;

  /// The bits of the quants that come first.
  int64_t firstBits() const { return leading != 0 ? leading : bits; }
  /// The bits of quants that come behind the first.
  int64_t lowBits() const { return bits - firstBits(); }
  /// Whether a buffer of their own holds the bits of the first quants above the
  /// fourth.
  bool hasUpperBits() const { return firstBits() == 5 || firstBits() == 6; }
  /// Whether buffer `part` holds the bits of quants that come behind the first.
  bool isLowBits(int64_t part) const { return leading != 0 && part == 2; }
  /// Number of buffers that the code gets for this weight.
  int64_t parts() const {
    return packing == Packing::PanelsI8
               ? 2 + hasUpperBits() + (leading != 0) + hasMin
               : 1;
  }
};

/// What a buffer or a cache holds.
enum class ElementType { F32, BF16, F16, I8, I32 };

/// Bytes of an element.
constexpr int64_t bytesOf(ElementType element) {
  switch (element) {
  case ElementType::I8:
    return 1;
  case ElementType::BF16:
  case ElementType::F16:
    return 2;
  case ElementType::F32:
  case ElementType::I32:
    return 4;
  }
  return 4;
}

/// `f32`, `bf16`, `f16`, `i8` or `i32`.
const char *elementName(ElementType element);

/// Keys and values of a layer.
struct CachePlan {
  std::string name;
  int64_t kvHeads = 0, headDim = 0;
  /// Positions that a query can see; 0 = all.
  int64_t window = 0;
  /// F32, BF16 or F16.
  ElementType element = ElementType::F32;

  /// Bytes of the keys and values of a position.
  int64_t positionBytes() const {
    return 2 * bytesOf(element) * kvHeads * headDim;
  }
};

/// A buffer between calls; -1 stands for the rows of the step.
struct BufferPlan {
  std::string name;
  std::vector<int64_t> dims;
  ElementType element = ElementType::F32;
};

/// Numbers of the step at hand: absolute position of row 0, rows that hold
/// tokens, `start + count`, and rows with padding.
enum class Scalar { Start, Count, Total, Rows };

/// An argument of a call or a launch. Keys and values are those of one
/// sequence, or have a leading dimension of slots in the schedules `batch` and
/// `batch_decode`, which alone have a table of sequences and never have spans,
/// `[N, 2]`, begin and end of those of the step. Launches alone have the tokens
/// of the rows, the step's table, of its start, its rows and the number of its
/// spans as i32, and the positions that a cache has room for; they have neither
/// scalars nor a table of sequences.
struct Argument {
  enum class Kind {
    Buffer,
    Weight,
    Keys,
    Values,
    Scalar,
    Sequences,
    Tokens,
    StepTable,
    Capacity,
    Spans
  };
  Kind kind = Kind::Buffer;
  /// Of the buffer, weight or cache; see `hasIndex`.
  int64_t index = 0;
  /// Of a weight.
  int64_t part = 0;
  Scalar scalar = Scalar::Start;
  /// Of a buffer, a weight, keys or values of bf16 that a launch gets as a
  /// tensor map rather than a pointer: rows and columns of the map's boxes.
  /// Else 0.
  int64_t boxRows = 0, boxColumns = 0;

  static Argument buffer(int64_t index) { return {Kind::Buffer, index}; }
  static Argument weight(int64_t index, int64_t part) {
    return {Kind::Weight, index, part};
  }
  static Argument keys(int64_t index) { return {Kind::Keys, index}; }
  static Argument values(int64_t index) { return {Kind::Values, index}; }
  static Argument ofScalar(Scalar scalar) {
    return {Kind::Scalar, 0, 0, scalar};
  }
  static Argument sequences() { return {Kind::Sequences}; }
  static Argument tokens() { return {Kind::Tokens}; }
  static Argument stepTable() { return {Kind::StepTable}; }
  static Argument capacity(int64_t index) { return {Kind::Capacity, index}; }
  static Argument spans() { return {Kind::Spans}; }

  /// Whether only launches, or only calls, have such arguments.
  bool isOfLaunches() const {
    return kind == Kind::Tokens || kind == Kind::StepTable ||
           kind == Kind::Capacity;
  }
  bool isOfCalls() const {
    return kind == Kind::Scalar || kind == Kind::Sequences;
  }
  bool isTensorMap() const { return boxRows != 0; }
  /// Whether `index` says which one.
  bool hasIndex() const {
    return kind != Kind::Scalar && kind != Kind::Sequences &&
           kind != Kind::Tokens && kind != Kind::StepTable &&
           kind != Kind::Spans;
  }
};

/// One dimension of a grid: `ceil(rows * times / per)` for the rows of the
/// step, or `times` where `per` is 0.
struct GridSize {
  int64_t times = 1, per = 0;

  int64_t blocks(int64_t rows) const {
    return per == 0 ? times : (rows * times + per - 1) / per;
  }
};

enum class StepKind { Embed, RopeAngles, Call, Launch };

/// One thing to do.
struct Step {
  StepKind kind = StepKind::Call;
  /// Embed: out[t] = row(token[t]) * scale, rounded to f32.
  int64_t weight = 0;
  double scale = 1;
  /// RopeAngles: (cos, sin) of (start + t) * theta^(-2 i / headDim) / factor
  /// for i < pairs, (1, 0) beyond.
  double theta = 0, factor = 1;
  int64_t headDim = 0, pairs = 0;
  /// Embed, RopeAngles: the result.
  int64_t buffer = 0;
  /// Call, Launch: the function or the kernel.
  std::string function;
  std::vector<Argument> args;
  /// Launch: threads of a block, its bytes of dynamic shared memory, and the
  /// grid of blocks.
  int64_t threads = 0, sharedBytes = 0;
  std::array<GridSize, 3> grid;
};

/// The steps of one phase.
struct Schedule {
  std::string name;
  /// Fixed number of rows; 0 = any multiple of the plan's row tile, or any
  /// number in `verify` and in `batch_decode`, where each is the row of one
  /// sequence.
  int64_t rows = 0;
  std::vector<Step> steps;
  /// The first step that only serves logits or candidates.
  int64_t headBegin = 0;
  /// The buffer of logits, if there are no candidates.
  int64_t logits = 0;
  /// The buffers of the largest logits of the last row and of their tokens,
  /// `[1, k]` of f32 and i32 each.
  struct Candidates {
    int64_t logits = 0, tokens = 0;
  };
  /// In the place of logits.
  std::optional<Candidates> candidates;
  /// Logits of every row rather than of the last.
  bool logitsAll = false;
};

struct Plan {
  int64_t hidden = 0, vocab = 0, context = 0;
  /// Rows of a step without fixed rows are padded to a multiple of this, but in
  /// `batch_decode` and `verify`.
  int64_t rowTile = 12;
  std::vector<PackedWeight> weights;
  std::vector<CachePlan> caches;
  std::vector<BufferPlan> buffers;
  std::vector<Schedule> schedules;

  /// The schedule called `name`, or null.
  const Schedule *findSchedule(std::string_view name) const;
  /// How many candidates a step gives; 0 if it gives logits. Schedules agree.
  int64_t candidateCount() const;
  /// Whether a step is given spans.
  bool hasSpans() const;
};

/// The plan as JSON text.
std::string toJson(const Plan &plan);

/// Reads and checks a plan: every index, enumerator and size. What is wrong is
/// in the error.
Result<Plan> planFromJson(std::string_view text);

} // namespace flow::runtime

#endif // FLOW_RUNTIME_PLAN_H
