// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What comes between the product of queries, keys and values and attention:
// norms, rotation, caches.

#include "KernelFunction.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace flow::cuda;

namespace {

/// Warps of a CTA, each with a head of a row.
constexpr int64_t kWarps = 4;

/// Builds the body of one kernel.
class HeadRowsBody {
public:
  HeadRowsBody(KernelBuilder &k, const HeadRows &rows, const Vals &parameters);

  void build();

private:
  int64_t pairs() const { return rows.headDim / 2; }
  /// A lane has the numbers `lane + 32 i` of the first half, and as many of the
  /// second one.
  int64_t pairsOfLane() const { return (pairs() + 31) / 32; }
  Val pairOf(int64_t i) { return lane + 32 * i; }
  /// Does `body` where the lane's `i`-th pair exists.
  void ifExists(int64_t i, llvm::function_ref<void()> body);
  Vals loadPair(Val source, int64_t i);

  /// The head's pairs, one after the other.
  Vals load(Val head);
  void norm(Vals &values, Val weight);
  void rotate(Vals &values);
  /// Stores the head as bf16.
  void store(const Vals &values, Val target);
  Val cacheHead(Val cache, Val kvHead);

  KernelBuilder &k;
  const HeadRows &rows;
  Val product, queryWeight, keyWeight, angles, keys, values, query, step,
      capacity;
  Val lane, row, head;
};

} // namespace

HeadRowsBody::HeadRowsBody(KernelBuilder &k, const HeadRows &rows,
                           const Vals &parameters)
    : k(k), rows(rows) {
  const Val *next = parameters.begin();
  product = *next++;
  if (rows.hasNorms) {
    queryWeight = *next++;
    keyWeight = *next++;
  }
  SmallVector<Val *> members{&angles, &query};
  if (rows.kvHeads != 0)
    members = {&angles, &keys, &values, &query, &step, &capacity};
  for (Val *member : members)
    *member = *next++;
  Val thread = k.threadId();
  lane = thread & 31;
  head = k.blockIdX() * kWarps + (thread >> 5);
  row = k.blockIdY();
}

void HeadRowsBody::ifExists(int64_t i, llvm::function_ref<void()> body) {
  if (32 * (i + 1) <= pairs())
    body();
  else
    k.when(pairOf(i) < pairs(), body);
}

Vals HeadRowsBody::loadPair(Val source, int64_t i) {
  auto read = [&] {
    Val first = k.at(source, k.wide(pairOf(i) << 2));
    return Vals{k.loadF32(first), k.loadF32(k.at(first, 4 * pairs()))};
  };
  if (32 * (i + 1) <= pairs())
    return read();
  return k.when(pairOf(i) < pairs(), k.zeros(2), read);
}

Vals HeadRowsBody::load(Val column) {
  int64_t columns =
      (rows.heads + (rows.keysAreValues ? 1 : 2) * rows.kvHeads) * rows.headDim;
  Val source = k.at(product, k.wide(row) * (4 * columns) +
                                 k.wide(column) * (4 * rows.headDim));
  Vals loaded;
  for (int64_t i = 0; i != pairsOfLane(); ++i)
    loaded.append(loadPair(source, i));
  return loaded;
}

void HeadRowsBody::norm(Vals &head, Val weight) {
  Val sum = k.f32(0);
  for (Val value : head)
    sum = k.fma(value, value, sum);
  double width = static_cast<double>(rows.headDim);
  Val inverse = k.reciprocalSqrt(
      k.fma(k.warpSum(sum), k.f32(1 / width), k.f32(rows.eps)));
  for (Val &value : head)
    value = value * inverse;
  if (!Value(weight))
    return;
  for (int64_t i = 0; i != pairsOfLane(); ++i)
    for (auto [j, factor] : llvm::enumerate(loadPair(weight, i)))
      head[2 * i + j] = head[2 * i + j] * factor;
}

void HeadRowsBody::rotate(Vals &head) {
  Val source = k.at(angles, k.wide(row) * (8 * pairs()));
  for (int64_t i = 0; i != pairsOfLane(); ++i) {
    auto read = [&] {
      Val at = k.at(source, k.wide(pairOf(i) << 3));
      return Vals{k.loadF32(at), k.loadF32(k.at(at, 4))};
    };
    Vals turn = 32 * (i + 1) <= pairs()
                    ? read()
                    : k.when(pairOf(i) < pairs(), k.zeros(2), read);
    Val x = head[2 * i], y = head[2 * i + 1];
    head[2 * i] = x * turn[0] - y * turn[1];
    head[2 * i + 1] = y * turn[0] + x * turn[1];
  }
}

void HeadRowsBody::store(const Vals &head, Val target) {
  for (int64_t i = 0; i != pairsOfLane(); ++i)
    ifExists(i, [&] {
      Val both = k.packBf16(head[2 * i], head[2 * i + 1]);
      Val first = k.at(target, k.wide(pairOf(i) << 1));
      k.store(k.lowHalf(both), first, 2);
      k.store(k.lowHalf(both >> 16), k.at(first, 2 * pairs()), 2);
    });
}

Val HeadRowsBody::cacheHead(Val cache, Val kvHead) {
  Val position = loadStep(k, step, StepField::Start) + row;
  return k.at(cache, k.wide((position % capacity) * rows.kvHeads + kvHead) *
                         (2 * rows.headDim));
}

void HeadRowsBody::build() {
  int64_t firstKey = rows.heads, firstValue = firstKey + rows.kvHeads;
  Val isQuery = head < firstKey;
  k.when(isQuery, [&] {
    Vals loaded = load(head);
    if (rows.hasNorms)
      norm(loaded, queryWeight);
    rotate(loaded);
    store(loaded,
          k.at(query, k.wide(row * rows.heads + head) * (2 * rows.headDim)));
  });
  if (rows.kvHeads == 0)
    return;
  k.when((head >= firstKey) & (head < firstValue), [&] {
    Vals loaded = load(head);
    if (rows.hasNorms)
      norm(loaded, keyWeight);
    rotate(loaded);
    store(loaded, cacheHead(keys, head - firstKey));
  });
  k.when((head >= firstValue) & (head < firstValue + rows.kvHeads), [&] {
    Vals loaded = load(rows.keysAreValues ? head - rows.kvHeads : head);
    if (rows.hasValueNorm)
      norm(loaded, Val());
    store(loaded, cacheHead(values, head - firstValue));
  });
}

KernelLaunch flow::cuda::buildHeadRows(OpBuilder &builder,
                                       const KernelTarget &target,
                                       const HeadRows &rows) {
  int64_t heads = rows.heads + 2 * rows.kvHeads;
  KernelLaunch launch;
  launch.kernel = llvm::formatv("heads_{0}_{1}_{2}_{3}{4}{5}{6}", rows.heads,
                                rows.kvHeads, rows.headDim, bitsOf(rows.eps),
                                rows.hasNorms ? "_norms" : "",
                                rows.hasValueNorm ? "_value_norm" : "",
                                rows.keysAreValues ? "_k_eq_v" : "");
  launch.threads = 32 * kWarps;
  launch.grid = {GridSize{(heads + kWarps - 1) / kWarps}, GridSize{1, 1},
                 GridSize{1}};
  SmallVector<Access> access{Access::ReadOnly};
  if (rows.hasNorms)
    access.append(2, Access::ReadOnly);
  access.push_back(Access::ReadOnly);
  if (rows.kvHeads != 0)
    access.append(2, Access::ReadWrite);
  access.push_back(Access::ReadWrite);
  if (rows.kvHeads != 0)
    access.append({Access::ReadOnly, Access::Scalar});
  addKernel(builder, target, launch, access,
            [&](KernelBuilder &k, const Vals &parameters) {
              HeadRowsBody(k, rows, parameters).build();
            });
  return launch;
}
