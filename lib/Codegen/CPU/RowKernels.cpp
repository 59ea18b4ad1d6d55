// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels that treat each row alone: norms, quantisation, activations, heads.

#include "KernelBuilder.h"
#include "flow/Codegen/CPU/Kernels.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace flow::cpu;

using Slice = KernelBuilder::Slice;

namespace {

/// `1 / sqrt(sumOfSquares / d + eps)`.
Value inverseRms(KernelBuilder &b, Value sumOfSquares, int64_t d, double eps) {
  Value mean = b.mul(sumOfSquares, b.f32(1.0 / static_cast<double>(d)));
  Value root = math::SqrtOp::create(b, b.add(mean, b.f32(eps)));
  return arith::DivFOp::create(b, b.f32(1.0), root);
}

/// `1 / sqrt(mean(x^2) + eps)` of the `d` values that `load` gives.
Value inverseRmsOf(KernelBuilder &b, int64_t d, double eps,
                   llvm::function_ref<Value(KernelBuilder &, Value)> load) {
  int64_t lanes = lanesFor(d);
  SmallVector<Value> sum = b.loop(
      b.index(0), b.index(d), lanes, b.splatF32(0, lanes),
      [&](KernelBuilder &b, Value i, ValueRange acc) -> SmallVector<Value> {
        Value x = load(b, i);
        return {b.fma(x, x, acc[0])};
      });
  return inverseRms(b, b.reduceAdd(sum[0]), d, eps);
}

/// tanh-GELU of a vector.
Value gelu(KernelBuilder &b, Value x, int64_t lanes) {
  Value cube = b.mul(b.mul(x, x), x);
  Value inner = b.mul(b.splatF32(0.7978845608028654, lanes),
                      b.fma(cube, b.splatF32(0.044715, lanes), x));
  Value tanh = math::TanhOp::create(b, inner);
  Value half = b.mul(x, b.splatF32(0.5, lanes));
  return b.fma(half, tanh, half);
}

/// One head of a row, `column` being its first element: normed and rotated
/// into the rank-1 tensor `out` at `outOffset`.
Value emitHead(KernelBuilder &b, Value rows, Value row, Value column,
               int64_t headDim, const HeadStage &stage, Value out,
               Value outOffset) {
  int64_t half = headDim / 2;
  int64_t lanes = std::min<int64_t>(lanesFor(half), 32);
  Value scale;
  if (stage.norm)
    scale = inverseRmsOf(b, headDim, stage.eps, [&](KernelBuilder &b, Value i) {
      return b.read(rows, {row, b.add(column, i)}, lanesFor(headDim));
    });
  auto load = [&](KernelBuilder &b, Value i) {
    Value x = b.read(rows, {row, b.add(column, i)}, lanes);
    if (!stage.norm)
      return x;
    x = b.mul(x, b.splat(scale, lanes));
    return stage.weight ? b.mul(x, b.read(stage.weight, {i}, lanes)) : x;
  };
  return b.loop(
      b.index(0), b.index(half), lanes, out,
      [&](KernelBuilder &b, Value i, ValueRange outs) -> SmallVector<Value> {
        Value low = load(b, i), high = load(b, b.add(i, half));
        if (stage.angles) {
          // The angles of a row are (cos, sin) pairs in one run of D floats.
          auto pairs = vector::DeinterleaveOp::create(
              b, b.read(stage.angles, {row, b.mul(i, 2)}, 2 * lanes));
          Value cos = pairs.getRes1(), sin = pairs.getRes2();
          Value turned = b.sub(b.mul(low, cos), b.mul(high, sin));
          high = b.add(b.mul(high, cos), b.mul(low, sin));
          low = turned;
        }
        Value result = b.write(low, outs[0], {b.add(outOffset, i)});
        return {b.write(high, result, {b.add(b.add(outOffset, i), half)})};
      })[0];
}

/// Angles `[T, D/2, 2]` as `[T, D]`.
Value flattenAngles(KernelBuilder &b, Value angles) {
  if (!angles)
    return angles;
  return tensor::CollapseShapeOp::create(
      b, angles, SmallVector<ReassociationIndices>{{0}, {1, 2}});
}

HeadStage flattened(KernelBuilder &b, HeadStage stage) {
  stage.angles = flattenAngles(b, stage.angles);
  return stage;
}

/// As many rows as `like` has, of `width` elements, `lanes` of them at a time:
/// what `make` returns for row and first column.
Value makeRows(KernelBuilder &b, Value like, int64_t width, Type element,
               int64_t lanes,
               llvm::function_ref<Value(KernelBuilder &, Value, Value)> make) {
  Value rows = b.dim(like, 0);
  auto type =
      RankedTensorType::get({typeOf(like).getDimSize(0), width}, element);
  return b.forall(
      rows, b.empty(type, rows),
      [&](KernelBuilder &b, Value t) -> SmallVector<Slice> {
        return {b.rowSlice(t, width)};
      },
      [&](KernelBuilder &b, Value t, ValueRange outs) -> SmallVector<Value> {
        return b.loop(b.index(0), b.index(width), lanes, outs,
                      [&](KernelBuilder &b, Value i,
                          ValueRange outs) -> SmallVector<Value> {
                        return {b.write(make(b, t, i), outs[0], {i})};
                      });
      })[0];
}

} // namespace

Value flow::cpu::buildRmsNorm(OpBuilder &builder, Location loc, Value x,
                              Value weight, double eps) {
  KernelBuilder b(loc, builder);
  int64_t d = typeOf(x).getDimSize(1), lanes = lanesFor(d);
  Value rows = b.dim(x, 0);
  return b.forall(
      rows, b.empty(typeOf(x), rows),
      [&](KernelBuilder &b, Value t) -> SmallVector<Slice> {
        return {b.rowSlice(t, d)};
      },
      [&](KernelBuilder &b, Value t, ValueRange outs) -> SmallVector<Value> {
        auto load = [&](KernelBuilder &b, Value i) {
          return b.read(x, {t, i}, lanes);
        };
        Value scale = b.splat(inverseRmsOf(b, d, eps, load), lanes);
        return b.loop(b.index(0), b.index(d), lanes, outs,
                      [&](KernelBuilder &b, Value i,
                          ValueRange outs) -> SmallVector<Value> {
                        Value y = b.mul(load(b, i), scale);
                        if (weight)
                          y = b.mul(y, b.read(weight, {i}, lanes));
                        return {b.write(y, outs[0], {i})};
                      });
      })[0];
}

Value flow::cpu::buildAdd(OpBuilder &builder, Location loc, Value x, Value y) {
  KernelBuilder b(loc, builder);
  int64_t d = typeOf(x).getDimSize(1), lanes = lanesFor(d);
  return makeRows(
      b, x, d, b.getF32Type(), lanes, [&](KernelBuilder &b, Value t, Value i) {
        return b.add(b.read(x, {t, i}, lanes), b.read(y, {t, i}, lanes));
      });
}

Value flow::cpu::buildScale(OpBuilder &builder, Location loc, Value x,
                            Value factor) {
  KernelBuilder b(loc, builder);
  int64_t d = typeOf(x).getDimSize(1), lanes = lanesFor(d);
  return makeRows(
      b, x, d, b.getF32Type(), lanes, [&](KernelBuilder &b, Value t, Value i) {
        Value scalar = b.extract(factor, {b.index(0)});
        return b.mul(b.read(x, {t, i}, lanes), b.splat(scalar, lanes));
      });
}

std::pair<Value, Value>
flow::cpu::buildAddRmsNorm(OpBuilder &builder, Location loc, Value stream,
                           Value branch, Value branchWeight, Value sumScale,
                           Value weight, double eps) {
  KernelBuilder b(loc, builder);
  int64_t d = typeOf(stream).getDimSize(1), lanes = lanesFor(d);
  Value rows = b.dim(stream, 0);
  SmallVector<Value> outputs{b.empty(typeOf(stream), rows),
                             b.empty(typeOf(stream), rows)};
  SmallVector<Value> results = b.forall(
      rows, outputs,
      [&](KernelBuilder &b, Value t) -> SmallVector<Slice> {
        return {b.rowSlice(t, d), b.rowSlice(t, d)};
      },
      [&](KernelBuilder &b, Value t, ValueRange outs) -> SmallVector<Value> {
        Value scale, factor;
        if (sumScale)
          factor = b.splat(b.extract(sumScale, {b.index(0)}), lanes);
        auto loadBranch = [&](KernelBuilder &b, Value i) {
          return b.read(branch, {t, i}, lanes);
        };
        if (branchWeight)
          scale = b.splat(inverseRmsOf(b, d, eps, loadBranch), lanes);
        SmallVector<Value> summed = b.loop(
            b.index(0), b.index(d), lanes,
            ValueRange{outs[0], b.splatF32(0, lanes)},
            [&](KernelBuilder &b, Value i,
                ValueRange args) -> SmallVector<Value> {
              Value y = loadBranch(b, i);
              if (branchWeight)
                y = b.mul(b.mul(y, scale), b.read(branchWeight, {i}, lanes));
              Value sum = b.add(b.read(stream, {t, i}, lanes), y);
              if (sumScale)
                sum = b.mul(sum, factor);
              return {b.write(sum, args[0], {i}), b.fma(sum, sum, args[1])};
            });
        Value sum = summed[0];
        Value normScale =
            b.splat(inverseRms(b, b.reduceAdd(summed[1]), d, eps), lanes);
        Value normed =
            b.loop(b.index(0), b.index(d), lanes, outs[1],
                   [&](KernelBuilder &b, Value i,
                       ValueRange args) -> SmallVector<Value> {
                     Value y = b.mul(b.mul(b.read(sum, {i}, lanes), normScale),
                                     b.read(weight, {i}, lanes));
                     return {b.write(y, args[0], {i})};
                   })[0];
        return {sum, normed};
      });
  return {results[0], results[1]};
}

QuantizedRows flow::cpu::buildQuantizeRows(OpBuilder &builder, Location loc,
                                           Value x, int64_t block) {
  KernelBuilder b(loc, builder);
  RankedTensorType type = typeOf(x);
  int64_t k = type.getDimSize(1), t0 = type.getDimSize(0), blocks = k / block;
  Value rows = b.dim(x, 0);
  auto make = [&](int64_t width, Type element) {
    return b.empty(RankedTensorType::get({t0, width}, element), rows);
  };
  SmallVector<Value> outputs{make(k, b.getI8Type()),
                             make(blocks, b.getF32Type()),
                             make(blocks, b.getI32Type())};
  SmallVector<Value> results = b.forall(
      rows, outputs,
      [&](KernelBuilder &b, Value t) -> SmallVector<Slice> {
        return {b.rowSlice(t, k), b.rowSlice(t, blocks), b.rowSlice(t, blocks)};
      },
      [&](KernelBuilder &b, Value t, ValueRange outs) -> SmallVector<Value> {
        return b.loop(
            b.index(0), b.index(blocks), 1, outs,
            [&](KernelBuilder &b, Value i,
                ValueRange outs) -> SmallVector<Value> {
              Value column = b.mul(i, block);
              Value v = b.read(x, {t, column}, block);
              Value largest =
                  b.reduceMax(math::AbsFOp::create(b, v).getResult());
              // Below, the inverse would overflow.
              Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT,
                                                   largest, b.f32(0x1p-120));
              auto zeroOr = [&](Value value) {
                return arith::SelectOp::create(b, isZero, b.f32(0), value)
                    .getResult();
              };
              Value inverse =
                  zeroOr(arith::DivFOp::create(b, b.f32(127), largest));
              Value scale =
                  zeroOr(arith::DivFOp::create(b, largest, b.f32(127)));
              Value rounded = math::RoundEvenOp::create(
                  b, b.mul(v, b.splat(inverse, block)));
              Value wide = arith::FPToSIOp::create(
                  b, b.vector(block, b.getI32Type()), rounded);
              Value quants = arith::TruncIOp::create(
                  b, b.vector(block, b.getI8Type()), wide);
              Value sum = b.mul(b.reduceAdd(wide), b.i32(-128));
              return {b.write(quants, outs[0], {column}),
                      b.insert(scale, outs[1], {i}),
                      b.insert(sum, outs[2], {i})};
            });
      });
  return {results[0], results[1], results[2]};
}

Value flow::cpu::buildRoundRows(OpBuilder &builder, Location loc, Value x) {
  KernelBuilder b(loc, builder);
  int64_t k = typeOf(x).getDimSize(1), lanes = lanesFor(k);
  return makeRows(
      b, x, k, b.getBF16Type(), lanes,
      [&](KernelBuilder &b, Value t, Value i) -> Value {
        // In integers: the conversions of some machines flush denormals, and
        // others have none and would call a library.
        auto constant = [&](int32_t value) {
          return b.splat(b.i32(value), lanes);
        };
        Value bits = vector::BitCastOp::create(
            b, b.vector(lanes, b.getI32Type()), b.read(x, {t, i}, lanes));
        Value high = arith::ShRUIOp::create(b, bits, constant(16));
        Value odd = arith::AndIOp::create(b, high, constant(1));
        Value sum = b.add(b.add(bits, constant(0x7fff)), odd);
        Value half = arith::TruncIOp::create(
            b, b.vector(lanes, b.getI16Type()),
            arith::ShRUIOp::create(b, sum, constant(16)).getResult());
        return vector::BitCastOp::create(b, b.vector(lanes, b.getBF16Type()),
                                         half);
      });
}

Value flow::cpu::buildGeglu(OpBuilder &builder, Location loc, Value gate,
                            Value up) {
  KernelBuilder b(loc, builder);
  int64_t width = typeOf(gate).getDimSize(1);
  int64_t lanes = std::min<int64_t>(lanesFor(width), 32);
  return makeRows(b, gate, width, b.getF32Type(), lanes,
                  [&](KernelBuilder &b, Value t, Value i) {
                    Value g = gelu(b, b.read(gate, {t, i}, lanes), lanes);
                    return b.mul(g, b.read(up, {t, i}, lanes));
                  });
}

Value flow::cpu::buildInterleavedGeglu(OpBuilder &builder, Location loc,
                                       Value gateUp) {
  KernelBuilder b(loc, builder);
  int64_t width = typeOf(gateUp).getDimSize(1) / 2;
  constexpr int64_t lanes = 16;
  return makeRows(b, gateUp, width, b.getF32Type(), lanes,
                  [&](KernelBuilder &b, Value t, Value i) {
                    Value column = b.mul(i, 2);
                    Value g =
                        gelu(b, b.read(gateUp, {t, column}, lanes), lanes);
                    Value u = b.read(gateUp, {t, b.add(column, lanes)}, lanes);
                    return b.mul(g, u);
                  });
}

Value flow::cpu::buildSoftcap(OpBuilder &builder, Location loc, Value x,
                              double cap) {
  KernelBuilder b(loc, builder);
  RankedTensorType type = typeOf(x);
  int64_t width = type.getDimSize(1), chunk = lanesFor(width);
  // A row of logits is long: the pieces of one row are spread over threads.
  for (int64_t larger : {4096, 1024, 256})
    if (width % larger == 0) {
      chunk = larger;
      break;
    }
  int64_t lanes = std::min<int64_t>(lanesFor(chunk), 32);
  int64_t pieces = width / chunk;
  Value rows = b.dim(x, 0);
  auto place = [&](KernelBuilder &b, Value iv) {
    return std::pair<Value, Value>{b.div(iv, pieces),
                                   b.mul(b.rem(iv, pieces), chunk)};
  };
  return b.forall(
      b.mul(rows, pieces), b.empty(type, rows),
      [&](KernelBuilder &b, Value iv) -> SmallVector<Slice> {
        auto [row, column] = place(b, iv);
        return {{{row, column}, {b.getIndexAttr(1), b.getIndexAttr(chunk)}}};
      },
      [&](KernelBuilder &b, Value iv, ValueRange outs) -> SmallVector<Value> {
        auto [row, column] = place(b, iv);
        return b.loop(b.index(0), b.index(chunk), lanes, outs,
                      [&, row = row,
                       column = column](KernelBuilder &b, Value i,
                                        ValueRange outs) -> SmallVector<Value> {
                        Value v = b.read(x, {row, b.add(column, i)}, lanes);
                        Value ratio =
                            arith::DivFOp::create(b, v, b.splatF32(cap, lanes));
                        Value y =
                            b.mul(math::TanhOp::create(b, ratio).getResult(),
                                  b.splatF32(cap, lanes));
                        return {b.write(y, outs[0], {i})};
                      });
      })[0];
}

Value flow::cpu::buildHeads(OpBuilder &builder, Location loc,
                            const HeadColumns &columns, int64_t heads,
                            int64_t headDim, const HeadStage &stageOfHeads) {
  KernelBuilder b(loc, builder);
  HeadStage stage = flattened(b, stageOfHeads);
  int64_t width = heads * headDim, first = columns.first;
  Value rows = columns.rows, count = b.dim(rows, 0);
  return b.forall(
      count,
      b.empty(RankedTensorType::get({typeOf(rows).getDimSize(0), width},
                                    b.getF32Type()),
              count),
      [&](KernelBuilder &b, Value t) -> SmallVector<Slice> {
        return {b.rowSlice(t, width)};
      },
      [&](KernelBuilder &b, Value t, ValueRange outs) -> SmallVector<Value> {
        return b.loop(b.index(0), b.index(heads), 1, outs,
                      [&](KernelBuilder &b, Value h,
                          ValueRange outs) -> SmallVector<Value> {
                        Value offset = b.mul(h, headDim);
                        return {emitHead(b, rows, t, b.add(offset, first),
                                         headDim, stage, outs[0], offset)};
                      });
      })[0];
}

KvTensors flow::cpu::buildAppend(OpBuilder &builder, Location loc,
                                 const HeadColumns &keyColumns,
                                 const HeadStage &keyStageOf,
                                 const HeadColumns &valueColumns,
                                 const HeadStage &valueStageOf,
                                 const KvTensors &cache, Value start,
                                 Value count) {
  KernelBuilder b(loc, builder);
  HeadStage keyStage = flattened(b, keyStageOf);
  HeadStage valueStage = flattened(b, valueStageOf);
  RankedTensorType values = typeOf(cache.values);
  int64_t kvHeads = values.getDimSize(0), headDim = values.getDimSize(2);
  Value capacity = b.dim(cache.values, 1);
  auto slotOf = [&](KernelBuilder &b, Value iv) {
    return b.rem(b.add(start, b.div(iv, kvHeads)), capacity);
  };
  SmallVector<Value> results = b.forall(
      b.mul(count, kvHeads), ValueRange{cache.keys, cache.values},
      [&](KernelBuilder &b, Value iv) -> SmallVector<Slice> {
        Value head = b.rem(iv, kvHeads), slot = slotOf(b, iv);
        auto one = b.getIndexAttr(1), zero = b.getIndexAttr(0);
        auto extent = b.getIndexAttr(headDim);
        return {{{head, b.div(slot, kPanel), zero, b.rem(slot, kPanel)},
                 {one, one, extent, one}},
                {{head, slot, zero}, {one, one, extent}}};
      },
      [&](KernelBuilder &b, Value iv, ValueRange outs) -> SmallVector<Value> {
        Value row = b.div(iv, kvHeads);
        Value offset = b.mul(b.rem(iv, kvHeads), headDim);
        Value key = emitHead(b, keyColumns.rows, row,
                             b.add(offset, keyColumns.first), headDim, keyStage,
                             b.empty(headDim, b.getF32Type()), b.index(0));
        // A key is one column of its panel: stores with the panel's stride.
        Value keySlice =
            b.loop(b.index(0), b.index(headDim), 1, outs[0],
                   [&](KernelBuilder &b, Value i,
                       ValueRange outs) -> SmallVector<Value> {
                     return {b.insert(b.extract(key, {i}), outs[0], {i})};
                   })[0];
        Value valueSlice = emitHead(b, valueColumns.rows, row,
                                    b.add(offset, valueColumns.first), headDim,
                                    valueStage, outs[1], b.index(0));
        return {keySlice, valueSlice};
      });
  return {results[0], results[1]};
}
