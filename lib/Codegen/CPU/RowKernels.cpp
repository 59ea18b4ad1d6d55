// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels that treat each row alone: norms, layouts, activations.

#include "RmsNorm.h"
#include "RowStore.h"
#include "flow/Codegen/CPU/Kernels.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <numeric>

using namespace mlir;
using namespace flow::cpu;

using Slice = KernelBuilder::Slice;

namespace {

/// tanh-GELU of a vector.
Value gelu(KernelBuilder &b, Value x, int64_t lanes) {
  Value cube = b.mul(b.mul(x, x), x);
  Value inner = b.mul(b.splatF32(0.7978845608028654, lanes),
                      b.fma(cube, b.splatF32(0.044715, lanes), x));
  Value tanh = math::TanhOp::create(b, inner);
  Value half = b.mul(x, b.splatF32(0.5, lanes));
  return b.fma(half, tanh, half);
}

/// Two vectors as one.
Value join(KernelBuilder &b, Value first, Value second) {
  SmallVector<int64_t> lanes(cast<VectorType>(first.getType()).getDimSize(0) +
                             cast<VectorType>(second.getType()).getDimSize(0));
  std::iota(lanes.begin(), lanes.end(), 0);
  return vector::ShuffleOp::create(b, first, second, lanes);
}

/// As many rows as `like` has, in `store`: what `make` returns for row, first
/// column and number of values.
RowParts makeRows(
    KernelBuilder &b, Value like, const RowStore &store,
    llvm::function_ref<Value(KernelBuilder &, Value, Value, int64_t)> make) {
  return b.forall(
      b.dim(like, 0), store.empty(b, like),
      [&](KernelBuilder &b, Value t) { return store.slices(b, t); },
      [&](KernelBuilder &b, Value t, ValueRange outs) {
        return store.fill(b, outs,
                          [&](KernelBuilder &b, Value i, int64_t lanes) {
                            return make(b, t, i, lanes);
                          });
      });
}

/// The same in f32.
Value makeRows(
    KernelBuilder &b, Value like, int64_t width,
    llvm::function_ref<Value(KernelBuilder &, Value, Value, int64_t)> make) {
  return makeRows(b, like, RowStore({}, width, lanesFor(width)), make)[0];
}

} // namespace

RowParts flow::cpu::buildLaidOutRows(OpBuilder &builder, Location loc, Value x,
                                     const RowLayout &layout) {
  KernelBuilder b(loc, builder);
  int64_t k = typeOf(x).getDimSize(1);
  return makeRows(b, x, RowStore(layout, k, lanesFor(k)),
                  [&](KernelBuilder &b, Value t, Value i, int64_t lanes) {
                    return b.read(x, {t, i}, lanes);
                  });
}

RowParts flow::cpu::buildRmsNorm(OpBuilder &builder, Location loc, Value x,
                                 Value weight, double eps,
                                 const RowLayout &layout) {
  KernelBuilder b(loc, builder);
  int64_t d = typeOf(x).getDimSize(1);
  RowStore store(layout, d, lanesFor(d));
  return b.forall(
      b.dim(x, 0), store.empty(b, x),
      [&](KernelBuilder &b, Value t) { return store.slices(b, t); },
      [&](KernelBuilder &b, Value t, ValueRange outs) {
        Value scale = inverseRmsOf(b, d, eps, [&](KernelBuilder &b, Value i) {
          return b.read(x, {t, i}, lanesFor(d));
        });
        return store.fill(
            b, outs, [&](KernelBuilder &b, Value i, int64_t lanes) {
              Value y = b.mul(b.read(x, {t, i}, lanes), b.splat(scale, lanes));
              return weight ? b.mul(y, b.read(weight, {i}, lanes)) : y;
            });
      });
}

Value flow::cpu::buildAdd(OpBuilder &builder, Location loc, Value x, Value y) {
  KernelBuilder b(loc, builder);
  return makeRows(b, x, typeOf(x).getDimSize(1),
                  [&](KernelBuilder &b, Value t, Value i, int64_t lanes) {
                    return b.add(b.read(x, {t, i}, lanes),
                                 b.read(y, {t, i}, lanes));
                  });
}

Value flow::cpu::buildScale(OpBuilder &builder, Location loc, Value x,
                            Value factor) {
  KernelBuilder b(loc, builder);
  return makeRows(b, x, typeOf(x).getDimSize(1),
                  [&](KernelBuilder &b, Value t, Value i, int64_t lanes) {
                    Value scalar = b.extract(factor, {b.index(0)});
                    return b.mul(b.read(x, {t, i}, lanes),
                                 b.splat(scalar, lanes));
                  });
}

std::pair<Value, RowParts>
flow::cpu::buildAddRmsNorm(OpBuilder &builder, Location loc, Value stream,
                           Value branch, Value branchWeight, Value sumScale,
                           Value weight, double eps, const RowLayout &layout) {
  KernelBuilder b(loc, builder);
  int64_t d = typeOf(stream).getDimSize(1), lanes = lanesFor(d);
  Value rows = b.dim(stream, 0);
  RowStore store(layout, d, lanes);
  SmallVector<Value> outputs{b.empty(typeOf(stream), rows)};
  llvm::append_range(outputs, store.empty(b, stream));
  SmallVector<Value> results = b.forall(
      rows, outputs,
      [&](KernelBuilder &b, Value t) {
        SmallVector<Slice> slices{b.rowSlice(t, d)};
        llvm::append_range(slices, store.slices(b, t));
        return slices;
      },
      [&](KernelBuilder &b, Value t, ValueRange outs) {
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
        Value normScale = inverseRms(b, b.reduceAdd(summed[1]), d, eps);
        SmallVector<Value> done{sum};
        llvm::append_range(
            done, store.fill(b, outs.drop_front(),
                             [&](KernelBuilder &b, Value i, int64_t lanes) {
                               Value y = b.mul(b.read(sum, {i}, lanes),
                                               b.splat(normScale, lanes));
                               return b.mul(y, b.read(weight, {i}, lanes));
                             }));
        return done;
      });
  return {results[0], RowParts(llvm::drop_begin(results))};
}

RowParts flow::cpu::buildGeglu(OpBuilder &builder, Location loc, Value gate,
                               Value up, const RowLayout &layout) {
  KernelBuilder b(loc, builder);
  int64_t width = typeOf(gate).getDimSize(1);
  RowStore store(layout, width, std::min<int64_t>(lanesFor(width), 32));
  return makeRows(b, gate, store,
                  [&](KernelBuilder &b, Value t, Value i, int64_t lanes) {
                    Value g = gelu(b, b.read(gate, {t, i}, lanes), lanes);
                    return b.mul(g, b.read(up, {t, i}, lanes));
                  });
}

RowParts flow::cpu::buildInterleavedGeglu(OpBuilder &builder, Location loc,
                                          Value gateUp,
                                          const RowLayout &layout) {
  KernelBuilder b(loc, builder);
  constexpr int64_t group = 16;
  RowStore store(layout, typeOf(gateUp).getDimSize(1) / 2, group);
  return makeRows(
      b, gateUp, store, [&](KernelBuilder &b, Value t, Value i, int64_t lanes) {
        Value column = b.mul(i, 2), all;
        for (int64_t done = 0; done != lanes; done += group) {
          auto at = [&](int64_t offset) {
            return b.read(gateUp, {t, b.add(column, 2 * done + offset)}, group);
          };
          Value h = b.mul(gelu(b, at(0), group), at(group));
          all = all ? join(b, all, h) : h;
        }
        return all;
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
                        return {b.write(b.softcap(v, cap), outs[0], {i})};
                      });
      })[0];
}
