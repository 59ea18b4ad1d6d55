// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builds the loop over experts.

#include "GroupedExperts.h"

#include "flow/Codegen/CPU/Kernels.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using namespace flow;

namespace {

RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// Row offsets and sizes of a slice of whole rows.
struct RowRange {
  OpFoldResult first, count;

  SmallVector<OpFoldResult> offsets(Builder &b, int64_t rank) const {
    SmallVector<OpFoldResult> result(rank, b.getIndexAttr(0));
    result[0] = first;
    return result;
  }
  SmallVector<OpFoldResult> sizes(Builder &b, RankedTensorType type) const {
    SmallVector<OpFoldResult> result{count};
    for (int64_t size : type.getShape().drop_front())
      result.push_back(b.getIndexAttr(size));
    return result;
  }
};

Value extractRows(ImplicitLocOpBuilder &b, Value tensor, RowRange range) {
  RankedTensorType type = typeOf(tensor);
  SmallVector<OpFoldResult> strides(type.getRank(), b.getIndexAttr(1));
  return tensor::ExtractSliceOp::create(b, tensor,
                                        range.offsets(b, type.getRank()),
                                        range.sizes(b, type), strides);
}

Value insertRows(ImplicitLocOpBuilder &b, Value rows, Value tensor,
                 RowRange range) {
  RankedTensorType type = typeOf(tensor);
  SmallVector<OpFoldResult> strides(type.getRank(), b.getIndexAttr(1));
  return tensor::InsertSliceOp::create(b, rows, tensor,
                                       range.offsets(b, type.getRank()),
                                       range.sizes(b, type), strides);
}

Value readIndex(ImplicitLocOpBuilder &b, Value list, ValueRange at) {
  Value value = tensor::ExtractOp::create(b, list, at);
  return arith::IndexCastOp::create(b, b.getIndexType(), value);
}

/// `outputs` after `count` rounds of `round`, which gets it and the number of
/// the round.
Value loop(
    ImplicitLocOpBuilder &b, Value count, Value outputs,
    llvm::function_ref<Value(ImplicitLocOpBuilder &, Value, Value)> round) {
  Value zero = arith::ConstantIndexOp::create(b, 0);
  Value one = arith::ConstantIndexOp::create(b, 1);
  auto op = scf::ForOp::create(
      b, zero, count, one, outputs,
      [&](OpBuilder &nested, Location loc, Value iv, ValueRange args) {
        ImplicitLocOpBuilder inner(loc, nested);
        scf::YieldOp::create(inner, round(inner, iv, args[0]));
      });
  return op.getResult(0);
}

} // namespace

Value flow::takeExpert(OpBuilder &builder, Location loc, Value packed,
                       Value expert, int64_t expertCount) {
  ImplicitLocOpBuilder b(loc, builder);
  int64_t rows = typeOf(packed).getDimSize(0) / expertCount;
  Value first = arith::MulIOp::create(
      b, expert, arith::ConstantIndexOp::create(b, rows).getResult());
  return extractRows(b, packed, {first, b.getIndexAttr(rows)});
}

Value flow::buildGroupedExperts(OpBuilder &builder, Location loc,
                                ValueRange parts, Value experts, Value shares,
                                int64_t expertCount, int64_t width,
                                int64_t rowUnit, ExpertMlp mlp) {
  ImplicitLocOpBuilder b(loc, builder);
  Type f32 = b.getF32Type();
  int64_t perRow = typeOf(experts).getDimSize(1);
  if (typeOf(experts).getDimSize(0) == 1) {
    // The row is the same for all: outputs lie in the order of the choices.
    Value count = arith::ConstantIndexOp::create(b, perRow);
    Value zero = arith::ConstantIndexOp::create(b, 0);
    Value outputs =
        tensor::EmptyOp::create(b, ArrayRef<int64_t>{perRow, width}, f32);
    outputs = loop(b, count, outputs,
                   [&](ImplicitLocOpBuilder &b, Value j, Value outputs) {
                     Value expert = readIndex(b, experts, {zero, j});
                     return insertRows(b, mlp(b, expert, parts), outputs,
                                       {j, b.getIndexAttr(1)});
                   });
    Value places = tensor::EmptyOp::create(b, ArrayRef<int64_t>{1, perRow},
                                           b.getI32Type());
    places = loop(b, count, places,
                  [&](ImplicitLocOpBuilder &b, Value j, Value places) -> Value {
                    Value place =
                        arith::IndexCastOp::create(b, b.getI32Type(), j);
                    return tensor::InsertOp::create(b, place, places,
                                                    ValueRange{zero, j});
                  });
    return cpu::buildCombineExperts(b, loc, outputs, places, shares);
  }

  cpu::ExpertGroups groups =
      cpu::buildExpertGroups(b, loc, experts, expertCount, rowUnit);
  SmallVector<Value> sorted;
  for (Value part : parts)
    sorted.push_back(cpu::buildGatherRows(b, loc, part, groups.owners));
  Value capacity = tensor::DimOp::create(b, groups.owners, 0);
  Value outputs = tensor::EmptyOp::create(
      b, SmallVector<OpFoldResult>{capacity, b.getIndexAttr(width)}, f32);
  outputs = loop(b, groups.count, outputs,
                 [&](ImplicitLocOpBuilder &b, Value group, Value outputs) {
                   Value expert = readIndex(b, groups.experts, group);
                   RowRange range{readIndex(b, groups.firsts, group),
                                  readIndex(b, groups.sizes, group)};
                   SmallVector<Value> rows;
                   for (Value part : sorted)
                     rows.push_back(extractRows(b, part, range));
                   return insertRows(b, mlp(b, expert, rows), outputs, range);
                 });
  return cpu::buildCombineExperts(b, loc, outputs, groups.places, shares);
}
