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

/// The loop nest around one register tile: panels in parallel, row tiles
/// inside, so that a panel stays in the second-level cache while all rows pass
/// over it. `prepare` is called once for a panel that several tiles meet.
/// `tile` returns the tile's rows of 32 results each; the whole is `init`, `[M,
/// N]`.
Value emitTiles(
    KernelBuilder &b, Value init, int64_t tileRows,
    llvm::function_ref<SmallVector<Value>(KernelBuilder &, Value, Value)> tile,
    llvm::function_ref<void(KernelBuilder &, Value)> prepare = nullptr) {
  bool single = dimOf(init, 0) == 1;
  Value rows = b.dim(init, 0);
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
        if (single) {
          SmallVector<Value> acc = tile(b, panel, b.index(0));
          return {b.write(acc[0], outs[0], {b.index(0)})};
        }
        if (prepare)
          prepare(b, panel);
        return b.loop(b.index(0), rows, tileRows, outs,
                      [&](KernelBuilder &b, Value row,
                          ValueRange outs) -> SmallVector<Value> {
                        SmallVector<Value> acc = tile(b, panel, row);
                        Value result = outs[0];
                        for (int64_t r = 0; r != tileRows; ++r)
                          result = b.write(acc[r], result,
                                           {b.add(row, r), b.index(0)});
                        return {result};
                      });
      })[0];
}

Value emitF32(KernelBuilder &b, const F32Product &product, Value init,
              int64_t tileRows) {
  int64_t rows = dimOf(init, 0) == 1 ? 1 : tileRows;
  int64_t depth = dimOf(product.rows, 1);
  return emitTiles(
      b, init, rows, [&](KernelBuilder &b, Value panel, Value row) {
        SmallVector<Value> zeros(rows, b.splatF32(0, kPanel));
        return b.loop(b.index(0), b.index(depth), 1, zeros,
                      [&](KernelBuilder &b, Value k, ValueRange acc) {
                        Value w = b.read(product.panels, {panel, k, b.index(0)},
                                         kPanel);
                        SmallVector<Value> next;
                        for (int64_t r = 0; r != rows; ++r) {
                          Value x = b.extract(product.rows, {b.add(row, r), k});
                          next.push_back(b.fma(b.splat(x, kPanel), w, acc[r]));
                        }
                        return next;
                      });
      });
}

/// `acc[n] + sum over kk of w[n, kk] * x[kk]` of u8 by s8 in i32 or of bf16 in
/// f32: the forms that the target turns into its dot instructions. `w` holds
/// the `kk` of one `n` side by side.
Value emitDot(KernelBuilder &b, Value w, Value x, Value acc) {
  auto shortType = cast<VectorType>(x.getType());
  int64_t count = shortType.getDimSize(0);
  bool isFloat = isa<FloatType>(shortType.getElementType());
  auto widen = [&](Value v, bool isSigned) -> Value {
    Type wide = cast<VectorType>(v.getType())
                    .clone(getElementTypeOrSelf(acc.getType()));
    if (isFloat)
      return arith::ExtFOp::create(b, wide, v);
    return isSigned ? Value(arith::ExtSIOp::create(b, wide, v))
                    : Value(arith::ExtUIOp::create(b, wide, v));
  };
  auto grouped = VectorType::get({kPanel, count}, shortType.getElementType());
  Value w32 = widen(vector::ShapeCastOp::create(b, grouped, w), false);
  Value x32 = widen(x, true);
  AffineExpr n = b.getAffineDimExpr(0), k = b.getAffineDimExpr(1);
  return vector::ContractionOp::create(
      b, w32, x32, acc, ArrayRef<ArrayRef<AffineExpr>>{{n, k}, {k}, {n}},
      ArrayRef<vector::IteratorType>{vector::IteratorType::parallel,
                                     vector::IteratorType::reduction});
}

Value emitBf16(KernelBuilder &b, const Bf16Product &product, Value init,
               int64_t tileRows) {
  int64_t rows = dimOf(init, 0) == 1 ? 1 : tileRows;
  int64_t pairs = dimOf(product.panels, 1);
  return emitTiles(
      b, init, rows, [&](KernelBuilder &b, Value panel, Value row) {
        SmallVector<Value> zeros(rows, b.splatF32(0, kPanel));
        return b.loop(b.index(0), b.index(pairs), 1, zeros,
                      [&](KernelBuilder &b, Value pair, ValueRange acc) {
                        Value w = b.read(product.panels,
                                         {panel, pair, b.index(0)}, 2 * kPanel);
                        SmallVector<Value> next;
                        for (int64_t r = 0; r != rows; ++r) {
                          Value x = b.read(product.rows,
                                           {b.add(row, r), b.mul(pair, 2)}, 2);
                          next.push_back(emitDot(b, w, x, acc[r]));
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

/// A register tile of `rows` rows of the block product from row `row` on, in
/// steps of `columns` columns. `readQuad` reads four columns of the panel,
/// given the step and which of its fours they are.
SmallVector<Value> emitI8Tile(
    KernelBuilder &b, const I8Product &product, int64_t rows, Value panel,
    Value row, int64_t columns,
    llvm::function_ref<Value(KernelBuilder &, Value, int64_t)> readQuad) {
  int64_t depth = dimOf(product.quants, 1);
  int64_t block = depth / dimOf(product.rowScales, 1);
  int64_t rowBlocks =
      dimOf(product.rowScales, 1) / dimOf(product.panelScales, 1);
  auto widen = [](KernelBuilder &b, Value v) {
    auto wide = b.f32Vector(kPanel);
    return v.getType() == wide ? v
                               : arith::ExtFOp::create(b, wide, v).getResult();
  };
  auto toFloat = [](KernelBuilder &b, Value v) {
    return arith::SIToFPOp::create(b, b.f32Vector(kPanel), v).getResult();
  };
  auto emitBlock = [&](KernelBuilder &b, Value step, int64_t first,
                       ValueRange acc) {
    Value blk = b.add(b.mul(step, columns / block), first / block);
    SmallVector<Value> sums, dots;
    for (int64_t r = 0; r != rows; ++r) {
      if (product.startShift || product.panelMinima)
        sums.push_back(
            b.splat(b.extract(product.sums, {b.add(row, r), blk}), kPanel));
      if (!product.startShift)
        dots.push_back(b.splat(b.i32(0), kPanel));
      else if (*product.startShift == 0)
        dots.push_back(sums.back());
      else
        dots.push_back(arith::ShRSIOp::create(
            b, sums.back(), b.splat(b.i32(*product.startShift), kPanel)));
    }
    for (int64_t quad = first / 4; quad != (first + block) / 4; ++quad) {
      Value w = readQuad(b, step, quad);
      Value column = b.add(b.mul(step, columns), 4 * quad);
      for (int64_t r = 0; r != rows; ++r) {
        Value x = b.read(product.quants, {b.add(row, r), column}, 4);
        dots[r] = emitDot(b, w, x, dots[r]);
      }
    }
    Value panelBlock = b.div(blk, rowBlocks);
    Value scales = widen(b, b.read(product.panelScales,
                                   {panel, panelBlock, b.index(0)}, kPanel));
    Value minima;
    if (product.panelMinima)
      minima =
          b.read(product.panelMinima, {panel, panelBlock, b.index(0)}, kPanel);
    SmallVector<Value> next;
    for (int64_t r = 0; r != rows; ++r) {
      Value rowScale =
          b.splat(b.extract(product.rowScales, {b.add(row, r), blk}), kPanel);
      Value sum = b.fma(toFloat(b, dots[r]), b.mul(rowScale, scales), acc[r]);
      if (minima)
        sum = b.fma(toFloat(b, sums[r]), b.mul(rowScale, minima), sum);
      next.push_back(sum);
    }
    return next;
  };
  SmallVector<Value> zeros(rows, b.splatF32(0, kPanel));
  return b.loop(b.index(0), b.index(depth / columns), 1, zeros,
                [&](KernelBuilder &b, Value step, ValueRange acc) {
                  SmallVector<Value> sums = llvm::to_vector(acc);
                  for (int64_t first = 0; first != columns; first += block)
                    sums = emitBlock(b, step, first, sums);
                  return sums;
                });
}

Value emitI8(KernelBuilder &b, const I8Product &product, Value init,
             int64_t tileRows) {
  int64_t rows = dimOf(init, 0) == 1 ? 1 : tileRows;
  int64_t block = dimOf(product.quants, 1) / dimOf(product.rowScales, 1);
  if (rows == 1 && product.panels.isNarrow)
    return emitTiles(
        b, init, rows, [&](KernelBuilder &b, Value panel, Value row) {
          PanelReader reader(product.panels);
          return emitI8Tile(b, product, rows, panel, row, PanelReader::kColumns,
                            [&](KernelBuilder &b, Value step, int64_t quad) {
                              return reader.read(b, panel, step, quad);
                            });
        });

  // Several rows share a panel of bytes; one that is narrow is unpacked first.
  Value unpacked;
  auto tile = [&](KernelBuilder &b, Value panel, Value row) {
    return emitI8Tile(
        b, product, rows, panel, row, block,
        [&](KernelBuilder &b, Value step, int64_t quad) {
          Value at = b.add(b.mul(step, block / 4), quad);
          SmallVector<Value> indices{panel, at, b.index(0)};
          return unpacked ? b.read(unpacked, ArrayRef(indices).drop_front(),
                                   4 * kPanel)
                          : b.read(product.panels.quants, indices, 4 * kPanel);
        });
  };
  return emitTiles(b, init, rows, tile, [&](KernelBuilder &b, Value panel) {
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
      Value tiled = f32    ? emitF32(b, *f32, init, rowsF32)
                    : bf16 ? emitBf16(b, *bf16, init, rowsF32)
                           : emitI8(b, *i8, init, rowsI8);
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
