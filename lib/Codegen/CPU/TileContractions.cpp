// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Turns products on packed panels into parallel loops over register tiles.

#include "KernelBuilder.h"
#include "flow/Codegen/CPU/Kernels.h"
#include "flow/Codegen/CPU/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace flow::cpu;

namespace flow {
#define GEN_PASS_DEF_TILECONTRACTIONS
#include "flow/Codegen/CPU/Passes.h.inc"
} // namespace flow

namespace {

/// `C[m, n, ni] = sum over k of A[m, k] * W[n, k, ni]` in f32.
struct F32Product {
  Value rows, panels;
};

/// `C[m, n, ni] = sum over k of A[m, k] * W[n, k / 2, 2 ni + k mod 2]` of bf16
/// in f32.
struct Bf16Product {
  Value rows, panels;
};

/// Weights of a block product: bytes `[N, K/4, 128]`, or half bytes `[N, K/8,
/// 128]` and perhaps `[N, K/c, 128]` of bits above them.
struct BytePanels {
  Value quants, upperBits;
  bool isNarrow = false;
};

/// The block product: integer dots `S` of each block, then
/// `C[m, n, ni] = sum over b of S * (scaleA[m, b] * scaleW[n, b, ni])`, and
/// with minima `+ sum[m, b] * (scaleA[m, b] * minimum[n, b, ni])`.
struct I8Product {
  Value quants; // [M, K] i8
  BytePanels panels;
  Value rowScales, sums; // [M, blocks] f32, [M, blocks] i32
  /// The dots start from the sums shifted right by this, or from 0.
  std::optional<int32_t> startShift;
  Value panelScales, panelMinima; // [N, blocks, 32], or null
};

/// The value behind reshapes that only split or join dimensions.
Value behindReshapes(Value value) {
  while (true) {
    if (auto expand = value.getDefiningOp<tensor::ExpandShapeOp>())
      value = expand.getSrc();
    else if (auto collapse = value.getDefiningOp<tensor::CollapseShapeOp>())
      value = collapse.getSrc();
    else
      return value;
  }
}

/// The generic behind `value`, if it reduces with integer multiply and add.
linalg::GenericOp integerDot(Value value) {
  auto generic = value.getDefiningOp<linalg::GenericOp>();
  if (!generic || generic.getNumDpsInputs() != 2 ||
      generic.getNumReductionLoops() != 2)
    return {};
  for (Operation &op : generic.getBody()->without_terminator())
    if (!isa<arith::ExtUIOp, arith::ExtSIOp, arith::MulIOp, arith::AddIOp>(op))
      return {};
  return generic;
}

std::optional<F32Product> matchF32(linalg::GenericOp generic) {
  if (generic.getNumDpsInputs() != 2 || generic.getNumReductionLoops() != 1 ||
      generic.getNumLoops() != 4)
    return std::nullopt;
  auto isFloat = [](Value value, int64_t rank) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    return type && type.getElementType().isF32() && type.getRank() == rank;
  };
  Value rows = generic.getDpsInputs()[0], panels = generic.getDpsInputs()[1];
  if (!isFloat(rows, 2) || !isFloat(panels, 3) ||
      !isFloat(generic.getDpsInits()[0], 3))
    return std::nullopt;
  SmallVector<Operation *> body;
  for (Operation &op : generic.getBody()->without_terminator())
    body.push_back(&op);
  if (body.size() != 1 || !isa<math::FmaOp>(body[0]))
    return std::nullopt;
  return F32Product{rows, panels};
}

std::optional<Bf16Product> matchBf16(linalg::GenericOp generic) {
  if (generic.getNumDpsInputs() != 2 || generic.getNumReductionLoops() != 2 ||
      generic.getNumLoops() != 5 ||
      !getElementTypeOrSelf(generic.getDpsInits()[0]).isF32())
    return std::nullopt;
  for (Operation &op : generic.getBody()->without_terminator())
    if (!isa<arith::ExtFOp, math::FmaOp>(op))
      return std::nullopt;
  Bf16Product product{behindReshapes(generic.getDpsInputs()[0]),
                      behindReshapes(generic.getDpsInputs()[1])};
  auto isBf16 = [](Value value, int64_t rank) {
    auto type = cast<RankedTensorType>(value.getType());
    return type.getElementType().isBF16() && type.getRank() == rank;
  };
  if (!isBf16(product.rows, 2) || !isBf16(product.panels, 3))
    return std::nullopt;
  return product;
}

/// The panels behind `weights`, which are bytes or are made bytes by an op
/// without reduction.
BytePanels matchPanels(Value weights) {
  Value bytes = behindReshapes(weights);
  auto unpack = bytes.getDefiningOp<linalg::GenericOp>();
  if (!unpack || unpack.getNumReductionLoops() != 0)
    return {bytes, Value(), /*isNarrow=*/false};
  auto inputs = unpack.getDpsInputs();
  return {behindReshapes(inputs[0]),
          inputs.size() == 2 ? behindReshapes(inputs[1]) : Value(),
          /*isNarrow=*/true};
}

/// Where the integer dots that begin with `init` begin: at `sums`, shifted
/// right by a number, or at zero. False if it is something else.
bool matchStart(Value init, Value &sums, std::optional<int32_t> &shift) {
  if (auto fill = init.getDefiningOp<linalg::FillOp>()) {
    shift = std::nullopt;
    return matchPattern(fill.getInputs()[0], m_Zero());
  }
  auto start = init.getDefiningOp<linalg::GenericOp>();
  if (!start || start.getNumDpsInputs() != 1)
    return false;
  sums = start.getDpsInputs()[0];
  shift = 0;
  Value yielded = start.getBody()->getTerminator()->getOperand(0);
  if (auto shifted = yielded.getDefiningOp<arith::ShRSIOp>()) {
    IntegerAttr amount;
    if (!matchPattern(shifted.getRhs(), m_Constant(&amount)))
      return false;
    shift = static_cast<int32_t>(amount.getInt());
    yielded = shifted.getLhs();
  }
  return yielded == start.getBody()->getArgument(0);
}

std::optional<I8Product> matchI8(linalg::GenericOp generic) {
  if (generic.getNumReductionLoops() != 1 || generic.getNumLoops() != 4)
    return std::nullopt;
  auto inputs = generic.getDpsInputs();
  if (inputs.size() != 3 && inputs.size() != 5)
    return std::nullopt;
  linalg::GenericOp dot = integerDot(inputs[0]);
  if (!dot)
    return std::nullopt;
  I8Product product;
  if (!matchStart(dot.getDpsInits()[0], product.sums, product.startShift))
    return std::nullopt;
  product.quants = behindReshapes(dot.getDpsInputs()[0]);
  product.panels = matchPanels(dot.getDpsInputs()[1]);
  product.rowScales = inputs[1];
  product.panelScales = inputs[2];
  if (inputs.size() == 5) {
    product.sums = inputs[3];
    product.panelMinima = inputs[4];
  }
  return product;
}

int64_t dimOf(Value value, int64_t position) {
  return cast<RankedTensorType>(value.getType()).getDimSize(position);
}

/// Rows and columns of a register tile.
struct TileShape {
  int64_t rows, columns;
};

/// How rows and the columns of a panel are cut into register tiles: `tile` at
/// once, and one by one the rows that are left over, of which there are none if
/// `unit`, which their number is a multiple of, is one of the tile's rows.
struct Tiling {
  TileShape tile;
  int64_t unit;

  bool leavesRows() const { return unit % tile.rows != 0; }
};

/// The loop nest around one register tile: panels in parallel, row tiles
/// inside, so that a panel stays in the second-level cache while all rows pass
/// over it, and in them the parts of the panel, so that the rows stay in the
/// first-level cache. A single row takes whole panels. `tile` returns the
/// results of a tile for panel, first column of it and first row; `prepare` is
/// called once for a panel that several rows meet. The whole is `init`, `[M,
/// N]`.
Value emitTiles(
    KernelBuilder &b, Value init, const Tiling &tiling,
    llvm::function_ref<SmallVector<Value>(KernelBuilder &, Value, Value, Value,
                                          TileShape)>
        tile,
    llvm::function_ref<void(KernelBuilder &, Value)> prepare = nullptr) {
  bool single = dimOf(init, 0) == 1;
  Value rows = b.dim(init, 0);
  int64_t tileRows = tiling.tile.rows, columns = tiling.tile.columns;
  Value wholeTiles =
      tiling.leavesRows() ? b.mul(b.div(rows, tileRows), tileRows) : rows;
  return b.forall(
      b.index(dimOf(init, 1) / kPanel), init,
      [&](KernelBuilder &b, Value panel) -> SmallVector<KernelBuilder::Slice> {
        OpFoldResult extent =
            single ? OpFoldResult(b.getIndexAttr(1)) : OpFoldResult(rows);
        return {{{b.getIndexAttr(0), b.mul(panel, kPanel)},
                 {extent, b.getIndexAttr(kPanel)}}};
      },
      [&](KernelBuilder &b, Value panel,
          ValueRange outs) -> SmallVector<Value> {
        Value zero = b.index(0);
        if (single) {
          SmallVector<Value> acc = tile(b, panel, zero, zero, {1, kPanel});
          return {b.write(acc[0], outs[0], {zero})};
        }
        if (prepare)
          prepare(b, panel);
        auto emit = [&](Value begin, Value end, TileShape shape,
                        ValueRange outs) {
          return b.loop(begin, end, shape.rows, outs,
                        [&](KernelBuilder &b, Value row, ValueRange outs) {
                          return b.loop(
                              zero, b.index(kPanel), shape.columns, outs,
                              [&](KernelBuilder &b, Value column,
                                  ValueRange outs) -> SmallVector<Value> {
                                SmallVector<Value> acc =
                                    tile(b, panel, column, row, shape);
                                Value result = outs[0];
                                for (int64_t r = 0; r != shape.rows; ++r)
                                  result = b.write(acc[r], result,
                                                   {b.add(row, r), column});
                                return {result};
                              });
                        });
        };
        SmallVector<Value> done = emit(zero, wholeTiles, tiling.tile, outs);
        return tiling.leavesRows() ? emit(wholeTiles, rows, {1, columns}, done)
                                   : done;
      })[0];
}

Value emitF32(KernelBuilder &b, const F32Product &product, Value init,
              const Tiling &tiling) {
  int64_t depth = dimOf(product.rows, 1);
  return emitTiles(
      b, init, tiling,
      [&](KernelBuilder &b, Value panel, Value column, Value row,
          TileShape shape) {
        SmallVector<Value> zeros(shape.rows, b.splatF32(0, shape.columns));
        return b.loop(
            b.index(0), b.index(depth), 1, zeros,
            [&](KernelBuilder &b, Value k, ValueRange acc) {
              Value w =
                  b.read(product.panels, {panel, k, column}, shape.columns);
              SmallVector<Value> next;
              for (int64_t r = 0; r != shape.rows; ++r) {
                Value x = b.extract(product.rows, {b.add(row, r), k});
                next.push_back(b.fma(b.splat(x, shape.columns), w, acc[r]));
              }
              return next;
            });
      });
}

/// `acc[n] + sum over kk of w[n, kk] * x[kk]` of u8 by s8 or of s16 in i32, or
/// of bf16 in f32: the forms that the target turns into its dot instructions.
/// `w` holds the `kk` of one `n` side by side.
Value emitDot(KernelBuilder &b, Value w, Value x, Value acc) {
  auto shortType = cast<VectorType>(x.getType());
  int64_t count = shortType.getDimSize(0);
  Type element = shortType.getElementType();
  auto widen = [&](Value v, bool isSigned) -> Value {
    Type wide = cast<VectorType>(v.getType())
                    .clone(getElementTypeOrSelf(acc.getType()));
    if (isa<FloatType>(element))
      return arith::ExtFOp::create(b, wide, v);
    return isSigned ? Value(arith::ExtSIOp::create(b, wide, v))
                    : Value(arith::ExtUIOp::create(b, wide, v));
  };
  auto grouped = VectorType::get(
      {cast<VectorType>(acc.getType()).getDimSize(0), count}, element);
  Value w32 = widen(vector::ShapeCastOp::create(b, grouped, w),
                    /*isSigned=*/!element.isInteger(8));
  Value x32 = widen(x, /*isSigned=*/true);
  AffineExpr n = b.getAffineDimExpr(0), k = b.getAffineDimExpr(1);
  return vector::ContractionOp::create(
      b, w32, x32, acc, ArrayRef<ArrayRef<AffineExpr>>{{n, k}, {k}, {n}},
      ArrayRef<vector::IteratorType>{vector::IteratorType::parallel,
                                     vector::IteratorType::reduction});
}

/// Numbers of 2 n that are pairs, each half wide.
struct WidePair {
  Value even, odd;
};

/// bf16 as f32: a bf16 is the upper half of one.
WidePair splitPair(KernelBuilder &b, Value w) {
  int64_t lanes = cast<VectorType>(w.getType()).getDimSize(0) / 2;
  Value words =
      vector::BitCastOp::create(b, b.vector(lanes, b.getI32Type()), w);
  auto asFloats = [&](Value v) -> Value {
    return vector::BitCastOp::create(b, b.f32Vector(lanes), v);
  };
  Value upper = b.splat(b.i32(static_cast<int32_t>(0xffff0000)), lanes);
  Value sixteen = b.splat(b.i32(16), lanes);
  return {asFloats(arith::ShLIOp::create(b, words, sixteen)),
          asFloats(arith::AndIOp::create(b, words, upper))};
}

/// Unsigned bytes as i16.
WidePair splitBytes(KernelBuilder &b, Value w) {
  int64_t lanes = cast<VectorType>(w.getType()).getDimSize(0) / 2;
  auto constant = [&](int16_t value) {
    Value scalar =
        arith::ConstantOp::create(b, b.getIntegerAttr(b.getI16Type(), value));
    return b.splat(scalar, lanes);
  };
  Value halves =
      vector::BitCastOp::create(b, b.vector(lanes, b.getI16Type()), w);
  return {arith::AndIOp::create(b, halves, constant(0xff)),
          arith::ShRUIOp::create(b, halves, constant(8))};
}

/// `loc` with "widen" behind its name, so that profiles tell the loops apart.
Location widenLoc(Location loc) {
  Location result = loc;
  loc->walk([&](Location part) {
    auto named = dyn_cast<NameLoc>(part);
    if (!named)
      return WalkResult::advance();
    auto name =
        StringAttr::get(loc.getContext(), named.getName().strref() + "/widen");
    result = NameLoc::get(name, loc);
    return WalkResult::interrupt();
  });
  return result;
}

/// `rows [M, K]` widened once, for tiles that would each widen them again:
/// bf16 to f32, bytes to i16 with the four of each word in the order 0, 2, 1,
/// 3, as even and odd bytes of the weights are multiplied apart. A single row
/// meets each weight once and stays as it is.
Value widenRows(OpBuilder &builder, Location loc, Value rows) {
  KernelBuilder b(widenLoc(loc), builder);
  RankedTensorType type = typeOf(rows);
  if (type.getDimSize(0) == 1)
    return rows;
  bool isFloat = type.getElementType().isBF16();
  Type element = isFloat ? Type(b.getF32Type()) : Type(b.getI16Type());
  int64_t width = type.getDimSize(1), lanes = lanesFor(width);
  SmallVector<int64_t> order;
  for (int64_t lane = 0; lane != lanes; ++lane)
    order.push_back(lane % 4 % 3 == 0 ? lane : lane ^ 3);
  return b.forall(
      b.dim(rows, 0), b.empty(type.clone(element), b.dim(rows, 0)),
      [&](KernelBuilder &b, Value t) -> SmallVector<KernelBuilder::Slice> {
        return {b.rowSlice(t, width)};
      },
      [&](KernelBuilder &b, Value t, ValueRange outs) {
        return b.loop(b.index(0), b.index(width), lanes, outs,
                      [&](KernelBuilder &b, Value i,
                          ValueRange outs) -> SmallVector<Value> {
                        Value v = b.read(rows, {t, i}, lanes);
                        auto wide = b.vector(lanes, element);
                        if (isFloat) {
                          v = arith::ExtFOp::create(b, wide, v);
                        } else {
                          v = arith::ExtSIOp::create(b, wide, v);
                          v = vector::ShuffleOp::create(b, v, v, order);
                        }
                        return {b.write(v, outs[0], {i})};
                      });
      })[0];
}

Value emitBf16(KernelBuilder &b, const Bf16Product &product, Value init,
               const Tiling &tiling) {
  int64_t pairs = dimOf(product.panels, 1);
  bool isWide = typeOf(product.rows).getElementType().isF32();
  return emitTiles(
      b, init, tiling,
      [&](KernelBuilder &b, Value panel, Value column, Value row,
          TileShape shape) {
        SmallVector<Value> zeros(shape.rows, b.splatF32(0, shape.columns));
        return b.loop(
            b.index(0), b.index(pairs), 1, zeros,
            [&](KernelBuilder &b, Value pair, ValueRange acc) {
              Value w = b.read(product.panels, {panel, pair, b.mul(column, 2)},
                               2 * shape.columns);
              Value k = b.mul(pair, 2);
              SmallVector<Value> next;
              if (!isWide) {
                for (int64_t r = 0; r != shape.rows; ++r) {
                  Value x = b.read(product.rows, {b.add(row, r), k}, 2);
                  next.push_back(emitDot(b, w, x, acc[r]));
                }
                return next;
              }
              auto [even, odd] = splitPair(b, w);
              for (int64_t r = 0; r != shape.rows; ++r) {
                auto x = [&](int64_t offset) {
                  return b.splat(b.extract(product.rows,
                                           {b.add(row, r), b.add(k, offset)}),
                                 shape.columns);
                };
                next.push_back(b.fma(even, x(0), b.fma(odd, x(1), acc[r])));
              }
              return next;
            });
      });
}

/// Makes bytes of narrow panels, four columns of 32 weights at a time.
class PanelReader {
public:
  explicit PanelReader(const BytePanels &panels) : panels(panels) {}

  /// Columns whose bits lie in whole bytes.
  static constexpr int64_t kColumns = 32;

  /// The columns `[4 quad, 4 quad + 4)` of step `step`, as `vector<128xi8>`. To
  /// be called in ascending order of `quad`, since several share their bytes.
  Value read(KernelBuilder &b, Value panel, Value step, int64_t quad) {
    if (quad % 2 == 0)
      halves = words(b, panels.quants, panel,
                     b.add(b.mul(step, kColumns / 8), quad / 2));
    Value word = masked(b, shifted(b, halves, quad % 2 * 4), 15);
    if (panels.upperBits) {
      // Quads that a byte of upper bits serves, and how many it has of each.
      int64_t perByte =
          2 * dimOf(panels.quants, 1) / dimOf(panels.upperBits, 1);
      int64_t count = 8 / perByte;
      if (quad % perByte == 0)
        upper =
            words(b, panels.upperBits, panel,
                  b.add(b.mul(step, kColumns / 4 / perByte), quad / perByte));
      // From where the bits are in the byte to above the lower four.
      Value bits = shifted(b, upper, count * (quad % perByte) - 4);
      word = arith::OrIOp::create(b, word,
                                  masked(b, bits, ((1 << count) - 1) << 4));
    }
    return vector::BitCastOp::create(b, b.vector(4 * kPanel, b.getI8Type()),
                                     word);
  }

private:
  /// Row `row` of a panel as 32 words.
  static Value words(KernelBuilder &b, Value tensor, Value panel, Value row) {
    Value bytes = b.read(tensor, {panel, row, b.index(0)}, 4 * kPanel);
    return vector::BitCastOp::create(b, b.vector(kPanel, b.getI32Type()),
                                     bytes);
  }
  /// Words shifted right by `count` bits, or left if it is negative. What
  /// crosses a byte is for `masked` to remove.
  static Value shifted(KernelBuilder &b, Value words, int64_t count) {
    if (count == 0)
      return words;
    Value amount = b.splat(b.i32(std::abs(count)), kPanel);
    return count > 0 ? Value(arith::ShRUIOp::create(b, words, amount))
                     : Value(arith::ShLIOp::create(b, words, amount));
  }
  /// `mask` of each byte.
  static Value masked(KernelBuilder &b, Value words, int32_t mask) {
    return arith::AndIOp::create(b, words,
                                 b.splat(b.i32(mask * 0x01010101), kPanel));
  }

  BytePanels panels;
  Value halves, upper;
};

/// A narrow panel of `panels` as bytes `[K/4, 128]`.
Value unpackPanel(KernelBuilder &b, const BytePanels &panels, Value panel) {
  constexpr int64_t kQuads = PanelReader::kColumns / 4;
  int64_t quads = 2 * dimOf(panels.quants, 1);
  Value bytes = b.empty(
      RankedTensorType::get({quads, 4 * kPanel}, b.getI8Type()), Value());
  return b.loop(
      b.index(0), b.index(quads / kQuads), 1, bytes,
      [&](KernelBuilder &b, Value step, ValueRange args) -> SmallVector<Value> {
        PanelReader reader(panels);
        Value bytes = args[0];
        for (int64_t quad = 0; quad != kQuads; ++quad)
          bytes = b.write(reader.read(b, panel, step, quad), bytes,
                          {b.add(b.mul(step, kQuads), quad), b.index(0)});
        return {bytes};
      })[0];
}

/// A tile of the block product, the rows from `row` and the columns from
/// `column` on, in steps of `depth` values of a row. `readQuad` reads four
/// values for each column of the tile, given the step and which four they are.
SmallVector<Value> emitI8Tile(
    KernelBuilder &b, const I8Product &product, TileShape shape, Value panel,
    Value column, Value row, int64_t depth,
    llvm::function_ref<Value(KernelBuilder &, Value, int64_t)> readQuad) {
  int64_t blocks = dimOf(product.rowScales, 1);
  int64_t block = dimOf(product.quants, 1) / blocks;
  int64_t rowBlocks = blocks / dimOf(product.panelScales, 1);
  bool isWide = typeOf(product.quants).getElementType().isInteger(16);
  // Sums of all rows are in registers while one quad of weights passes by; or
  // wide weights of four quads are, while the rows do, each with one sum.
  int64_t quads = isWide ? 4 : 1;
  // Weights that meet `count` numbers of a row, `offset` after the first.
  struct Weights {
    Value values;
    int64_t offset, count;
  };
  auto floats = b.f32Vector(shape.columns);
  auto toFloat = [&](KernelBuilder &b, Value v) -> Value {
    return arith::SIToFPOp::create(b, floats, v);
  };
  auto emitBlock = [&](KernelBuilder &b, Value step, int64_t begin,
                       ValueRange acc) {
    Value blk = b.add(b.mul(step, depth / block), begin / block);
    Value panelBlock = b.div(blk, rowBlocks);
    Value scales =
        b.read(product.panelScales, {panel, panelBlock, column}, shape.columns);
    if (scales.getType() != floats)
      scales = arith::ExtFOp::create(b, floats, scales);
    Value minima;
    if (product.panelMinima)
      minima = b.read(product.panelMinima, {panel, panelBlock, column},
                      shape.columns);
    SmallVector<Value> sums, dots, next;
    for (int64_t r = 0; r != shape.rows; ++r) {
      if (product.startShift || minima)
        sums.push_back(b.splat(b.extract(product.sums, {b.add(row, r), blk}),
                               shape.columns));
      if (!product.startShift)
        dots.push_back(b.splat(b.i32(0), shape.columns));
      else if (*product.startShift == 0)
        dots.push_back(sums.back());
      else
        dots.push_back(arith::ShRSIOp::create(
            b, sums.back(),
            b.splat(b.i32(*product.startShift), shape.columns)));
    }
    auto scaled = [&](int64_t r, Value dots) {
      Value rowScale = b.splat(
          b.extract(product.rowScales, {b.add(row, r), blk}), shape.columns);
      Value sum = b.fma(toFloat(b, dots), b.mul(rowScale, scales), acc[r]);
      if (minima)
        sum = b.fma(toFloat(b, sums[r]), b.mul(rowScale, minima), sum);
      return sum;
    };

    for (int64_t first = begin; first != begin + block; first += 4 * quads) {
      Value k = b.add(b.mul(step, depth), first);
      SmallVector<Weights> weights;
      for (int64_t quad = 0; quad != quads; ++quad) {
        Value w = readQuad(b, step, first / 4 + quad);
        if (!isWide) {
          weights.push_back({w, 4 * quad, 4});
          continue;
        }
        auto [even, odd] = splitBytes(b, w);
        weights.push_back({even, 4 * quad, 2});
        weights.push_back({odd, 4 * quad + 2, 2});
      }
      for (int64_t r = 0; r != shape.rows; ++r) {
        for (const Weights &w : weights) {
          Value x = b.read(product.quants, {b.add(row, r), b.add(k, w.offset)},
                           w.count);
          dots[r] = emitDot(b, w.values, x, dots[r]);
        }
        // A sum that no other row's waits for leaves its register.
        if (isWide && first + 4 * quads == begin + block)
          next.push_back(scaled(r, dots[r]));
      }
    }
    for (int64_t r = next.size(); r != shape.rows; ++r)
      next.push_back(scaled(r, dots[r]));
    return next;
  };
  SmallVector<Value> zeros(shape.rows, b.splatF32(0, shape.columns));
  return b.loop(b.index(0), b.index(dimOf(product.quants, 1) / depth), 1, zeros,
                [&](KernelBuilder &b, Value step, ValueRange acc) {
                  SmallVector<Value> sums = llvm::to_vector(acc);
                  for (int64_t begin = 0; begin != depth; begin += block)
                    sums = emitBlock(b, step, begin, sums);
                  return sums;
                });
}

Value emitI8(KernelBuilder &b, const I8Product &product, Value init,
             const Tiling &tiling) {
  int64_t block = dimOf(product.quants, 1) / dimOf(product.rowScales, 1);
  bool isSingle = dimOf(init, 0) == 1;
  // One row unpacks a narrow panel in registers, several share one of bytes.
  if (isSingle && product.panels.isNarrow)
    return emitTiles(b, init, tiling,
                     [&](KernelBuilder &b, Value panel, Value column, Value row,
                         TileShape shape) {
                       PanelReader reader(product.panels);
                       return emitI8Tile(
                           b, product, shape, panel, column, row,
                           PanelReader::kColumns,
                           [&](KernelBuilder &b, Value step, int64_t quad) {
                             return reader.read(b, panel, step, quad);
                           });
                     });

  Value unpacked;
  return emitTiles(
      b, init, tiling,
      [&](KernelBuilder &b, Value panel, Value column, Value row,
          TileShape shape) {
        return emitI8Tile(
            b, product, shape, panel, column, row, block,
            [&](KernelBuilder &b, Value step, int64_t quad) {
              Value at = b.add(b.mul(step, block / 4), quad);
              SmallVector<Value> indices{panel, at, b.mul(column, 4)};
              return unpacked ? b.read(unpacked, ArrayRef(indices).drop_front(),
                                       4 * shape.columns)
                              : b.read(product.panels.quants, indices,
                                       4 * shape.columns);
            });
      },
      [&](KernelBuilder &b, Value panel) {
        if (product.panels.isNarrow)
          unpacked = unpackPanel(b, product.panels, panel);
      });
}

struct TileContractions : flow::impl::TileContractionsBase<TileContractions> {
  using TileContractionsBase::TileContractionsBase;

  void runOnOperation() override {
    SmallVector<linalg::GenericOp> generics;
    getOperation()->walk(
        [&](linalg::GenericOp generic) { generics.push_back(generic); });
    for (linalg::GenericOp generic : generics) {
      std::optional<F32Product> f32 = matchF32(generic);
      std::optional<Bf16Product> bf16 = matchBf16(generic);
      std::optional<I8Product> i8 = matchI8(generic);
      if (!f32 && !bf16 && !i8)
        continue;
      tensor::CollapseShapeOp flat = flattening(generic);
      if (!flat)
        continue;
      KernelBuilder b(generic.getLoc(), generic);
      // The tile starts from zero in registers, so the result needs no fill.
      Value rows = f32 ? f32->rows : bf16 ? bf16->rows : i8->quants;
      Value init =
          b.empty(cast<RankedTensorType>(flat.getType()), b.dim(rows, 0));
      if (bf16 && widenBf16)
        bf16->rows = widenRows(b, b.getLoc(), bf16->rows);
      if (i8 && widenI8)
        i8->quants = widenRows(b, b.getLoc(), i8->quants);
      Value tiled =
          f32    ? emitF32(b, *f32, init, {{rowsF32, columnsF32}, rowUnit})
          : bf16 ? emitBf16(b, *bf16, init, {{rowsBf16, columnsBf16}, rowUnit})
                 : emitI8(b, *i8, init, {{rowsI8, columnsI8}, rowUnit});
      flat.replaceAllUsesWith(tiled);
      flat.erase();
      eraseDead(generic);
    }
    getOperation()->walk([&](linalg::LinalgOp op) {
      op.emitOpError("is left: it is no product on packed panels that can be "
                     "tiled");
      signalPassFailure();
    });
  }

  /// The reshape of the panels `[M, N/32, 32]` to rows `[M, N]`, if that is all
  /// that `product` is used for.
  static tensor::CollapseShapeOp flattening(linalg::GenericOp product) {
    if (!product.getResult(0).hasOneUse())
      return {};
    auto flat = dyn_cast<tensor::CollapseShapeOp>(*product->getUsers().begin());
    return flat && flat.getType().getRank() == 2 ? flat
                                                 : tensor::CollapseShapeOp();
  }

  /// Erases `op` and the producers that only it used.
  static void eraseDead(Operation *op) {
    SmallVector<Value> operands = llvm::to_vector(op->getOperands());
    op->erase();
    for (Value operand : operands)
      if (Operation *producer = operand.getDefiningOp();
          producer && isOpTriviallyDead(producer))
        eraseDead(producer);
  }
};
} // namespace
