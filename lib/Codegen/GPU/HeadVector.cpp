// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Norms, turns and stores heads.

#include "HeadVector.h"

using namespace mlir;
using namespace flow::cuda;

Vals HeadVector::ifExists(int64_t i, llvm::function_ref<Vals()> body) {
  if (32 * (i + 1) <= pairs())
    return body();
  return k.when(pairOf(i) < pairs(), k.zeros(2), body);
}

Vals HeadVector::load(Val source) {
  Vals head;
  for (int64_t i = 0; i != pairsOfLane(); ++i)
    head.append(ifExists(i, [&] {
      Val first = k.at(source, k.wide(pairOf(i) << 2));
      return Vals{k.loadF32(first), k.loadF32(k.at(first, 4 * pairs()))};
    }));
  return head;
}

void HeadVector::norm(Vals &head, Val weight, double eps) {
  Val sum = k.f32(0);
  for (Val value : head)
    sum = k.fma(value, value, sum);
  Val inverse = k.reciprocalSqrt(k.fma(
      k.warpSum(sum), k.f32(1 / static_cast<double>(headDim)), k.f32(eps)));
  Vals factors = Value(weight) ? load(weight) : Vals();
  for (auto [i, value] : llvm::enumerate(head)) {
    value = value * inverse;
    if (Value(weight))
      value = value * factors[i];
  }
}

void HeadVector::rotate(Vals &head, Val angles) {
  for (int64_t i = 0; i != pairsOfLane(); ++i) {
    Vals turn = ifExists(i, [&] {
      Val at = k.at(angles, k.wide(pairOf(i) << 3));
      return Vals{k.loadF32(at), k.loadF32(k.at(at, 4))};
    });
    Val x = head[2 * i], y = head[2 * i + 1];
    head[2 * i] = x * turn[0] - y * turn[1];
    head[2 * i + 1] = y * turn[0] + x * turn[1];
  }
}

void HeadVector::store(const Vals &head, llvm::function_ref<Val(Val)> place) {
  for (int64_t i = 0; i != pairsOfLane(); ++i)
    ifExists(i, [&] {
      Val both = k.packBf16(head[2 * i], head[2 * i + 1]);
      k.store(k.lowHalf(both), place(pairOf(i)), 2);
      k.store(k.lowHalf(both >> 16), place(pairOf(i) + pairs()), 2);
      return k.zeros(2);
    });
}

HeadOperands flow::cuda::headOperands(const HeadRows &rows, const Val *&next) {
  HeadOperands operands;
  operands.product = *next++;
  if (rows.hasNorms) {
    operands.queryWeight = *next++;
    if (rows.kvHeads != 0)
      operands.keyWeight = *next++;
  }
  operands.angles = *next++;
  return operands;
}

Vals HeadMaker::load(Val column) {
  return vector.load(
      k.at(operands.product, k.wide(column) * (4 * rows.headDim)));
}

Vals HeadMaker::query(Val head) {
  Vals loaded = load(head);
  if (rows.hasNorms)
    vector.norm(loaded, operands.queryWeight, rows.eps);
  vector.rotate(loaded, operands.angles);
  return loaded;
}

Vals HeadMaker::key(Val kvHead) {
  Vals loaded = load(kvHead + rows.heads);
  if (rows.hasNorms)
    vector.norm(loaded, operands.keyWeight, rows.eps);
  vector.rotate(loaded, operands.angles);
  return loaded;
}

Vals HeadMaker::value(Val kvHead) {
  Vals loaded =
      load(kvHead + rows.heads + (rows.keysAreValues ? 0 : rows.kvHeads));
  if (rows.hasValueNorm)
    vector.norm(loaded, Val(), rows.eps);
  return loaded;
}

void HeadMaker::store(const Vals &head, Val target) {
  vector.store(head, [&](Val i) { return k.at(target, k.wide(i << 1)); });
}
