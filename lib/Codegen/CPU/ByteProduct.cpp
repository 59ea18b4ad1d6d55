// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds block products of bytes, and turns them into loops over register tiles.

#include "ByteProduct.h"

#include "AmxTiles.h"
#include "flow/Codegen/CPU/Kernels.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace flow::cpu;

/// The generic behind `value`, if it reduces with integer multiply and add.
static linalg::GenericOp integerDot(Value value) {
  auto generic = value.getDefiningOp<linalg::GenericOp>();
  if (!generic || generic.getNumDpsInputs() != 2 ||
      generic.getNumReductionLoops() != 2)
    return {};
  for (Operation &op : generic.getBody()->without_terminator())
    if (!isa<arith::ExtUIOp, arith::ExtSIOp, arith::MulIOp, arith::AddIOp>(op))
      return {};
  return generic;
}

/// Where the integer dots that begin with `init` begin: at `sums`, shifted
/// right by a number, or at zero. False if it is something else.
static bool matchStart(Value init, Value &sums, std::optional<int32_t> &shift) {
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

std::optional<I8Product> flow::cpu::matchI8(linalg::GenericOp generic) {
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

namespace {

/// Numbers of 2 n that are pairs, each half wide.
struct WidePair {
  Value even, odd;
};

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

/// Bytes `u` as the signed numbers `u - 128`.
Value flipped(KernelBuilder &b, Value bytes) {
  auto type = cast<VectorType>(bytes.getType());
  Value top =
      arith::ConstantOp::create(b, b.getIntegerAttr(b.getI8Type(), -128));
  return arith::XOrIOp::create(b, bytes, b.splat(top, type.getDimSize(0)));
}

/// `acc[2 n + p] + sum over kk of w[4 n + 2 p + kk] * x[2 p + kk]` of u8 by s8
/// in i16: two sums for each column. No sum may leave 16 bits.
Value emitShortDot(KernelBuilder &b, Value w, Value x, Value acc) {
  int64_t columns = cast<VectorType>(acc.getType()).getDimSize(0) / 2;
  auto shaped = [&](Value v, ArrayRef<int64_t> shape) -> Value {
    auto type =
        VectorType::get(shape, cast<VectorType>(v.getType()).getElementType());
    return vector::ShapeCastOp::create(b, type, v);
  };
  Value weights = shaped(w, {columns, 2, 2}), row = shaped(x, {2, 2});
  auto widened = [&](Value v) -> Type {
    return cast<VectorType>(v.getType()).clone(b.getI16Type());
  };
  AffineExpr n = b.getAffineDimExpr(0), p = b.getAffineDimExpr(1),
             k = b.getAffineDimExpr(2);
  Value sums = vector::ContractionOp::create(
      b, arith::ExtUIOp::create(b, widened(weights), weights),
      arith::ExtSIOp::create(b, widened(row), row), shaped(acc, {columns, 2}),
      ArrayRef<ArrayRef<AffineExpr>>{{n, p, k}, {p, k}, {n, p}},
      ArrayRef<vector::IteratorType>{vector::IteratorType::parallel,
                                     vector::IteratorType::parallel,
                                     vector::IteratorType::reduction});
  return shaped(sums, {2 * columns});
}

/// `acc[n] + factor * (v[2 n] + v[2 n + 1])` of i16 in i32, as a dot product.
Value addPairs(KernelBuilder &b, Value v, int32_t factor, Value acc) {
  int64_t columns = cast<VectorType>(acc.getType()).getDimSize(0);
  auto shape = VectorType::get({columns, 2}, b.getI16Type());
  Value wide = arith::ExtSIOp::create(b, shape.clone(b.getI32Type()),
                                      vector::ShapeCastOp::create(b, shape, v));
  Value factors = arith::ConstantOp::create(
      b, DenseElementsAttr::get(b.vector(2, b.getI32Type()), factor));
  AffineExpr n = b.getAffineDimExpr(0), k = b.getAffineDimExpr(1);
  return vector::ContractionOp::create(
      b, wide, factors, acc, ArrayRef<ArrayRef<AffineExpr>>{{n, k}, {k}, {n}},
      ArrayRef<vector::IteratorType>{vector::IteratorType::parallel,
                                     vector::IteratorType::reduction});
}

/// How products of bytes are added in 16 bits.
struct ShortSums {
  /// As many fours of a column's products have a sum in 16 bits.
  int64_t quads;
  /// What sums are multiplied by when they become 32 bits wide.
  int32_t factor;

  /// For weights below `2^bits`, two of whose four products go into each sum.
  static ShortSums of(int64_t bits, int32_t factor) {
    return {32767 / (2 * ((int64_t(1) << bits) - 1) * 128), factor};
  }
};

/// Adds the products of one row's bytes with a tile's weights, four of each
/// column at a time.
class DotChain {
public:
  /// Begins with `start`; adds in 32 bits if there are no `shorts`. Weights are
  /// taken as signed bytes if `isSigned`.
  DotChain(KernelBuilder &b, Value start, std::optional<ShortSums> shorts,
           bool isSigned)
      : sums(start), shorts(shorts), isSigned(isSigned) {
    int64_t columns = cast<VectorType>(start.getType()).getDimSize(0);
    if (shorts)
      zeros = arith::ConstantOp::create(
          b, b.getZeroAttr(b.vector(2 * columns, b.getI16Type())));
  }

  void add(KernelBuilder &b, Value w, Value x) {
    if (!shorts) {
      sums = emitDot(b, w, x, sums, isSigned);
      return;
    }
    pending = emitShortDot(b, w, x, added == 0 ? zeros : pending);
    if (++added == shorts->quads)
      finish(b);
  }
  Value finish(KernelBuilder &b) {
    if (added != 0)
      sums = addPairs(b, pending, shorts->factor, sums);
    added = 0;
    return sums;
  }

private:
  Value sums, zeros, pending;
  std::optional<ShortSums> shorts;
  bool isSigned;
  int64_t added = 0;
};

/// Emits tiles of one product.
class ByteTile {
public:
  /// Reads four weights for each column of the tile, given the step and which
  /// four of it they are.
  using ReadQuad =
      llvm::function_ref<Value(KernelBuilder &, Value step, int64_t quad)>;

  /// A row is read in steps of `depth` numbers.
  ByteTile(const I8Product &product, int64_t depth,
           const ByteArithmetic &arithmetic)
      : product(product), depth(depth), blocks(dimOf(product.rowScales, 1)),
        block(dimOf(product.quants, 1) / blocks),
        rowBlocks(blocks / dimOf(product.panelScales, 1)),
        run(isWide() ? 1 : runOf(product.quants, arithmetic.rowLanes)) {
    bool isNarrow = product.panels.bits() < 8;
    isFlipped = arithmetic.isSigned && !isNarrow && product.startShift == 0;
    isSigned = isFlipped || (arithmetic.isSigned && isNarrow);
    if (!arithmetic.addsShorts(product))
      return;
    // A shift of each row's sum would cost as much as a product: products are
    // shifted instead, and the scales back. Neither rounds.
    int32_t factor = 1 << product.startShift.value_or(0);
    shorts = ShortSums::of(product.panels.bits(), factor);
  }

  /// Whether several rows pass over weights that stay in registers, which is
  /// `emitPassingRows`, or weights over sums that do, which is `emit`.
  bool passesRows() const { return isWide() || shorts; }

  /// The rows from `row` and the columns from `column` on: sums of all rows are
  /// in registers while four weights of each column pass by.
  SmallVector<Value> emit(KernelBuilder &b, TileShape shape, Value panel,
                          Value column, Value row, ReadQuad readQuad) const;
  /// `out`, `[M, 32]`, with `count` rows from `row` on, as many as `most` has
  /// at most, and its columns from `column` on: weights of a block are in
  /// registers while the rows pass by, whose sums of f32 are in memory. That is
  /// a loop, which keeps LLVM from holding them in registers that the weights
  /// need.
  Value emitPassingRows(KernelBuilder &b, Value panel, Value column, Value row,
                        Value count, TileShape most, Value out,
                        ReadQuad readQuad) const;

  /// The same with dots that are AMX tiles, of the panel as signed `bytes`
  /// `[K/4, 128]`; a step is a block.
  SmallVector<Value> emitInTiles(KernelBuilder &b, TileShape shape, Value panel,
                                 Value column, Value row, Value bytes) const;

private:
  /// Weights that meet `count` numbers of a row, `offset` after the first.
  struct Weights {
    Value values;
    int64_t offset, count;
  };
  /// A block of the rows, and of the columns of a tile: number, first number of
  /// a row, and what the columns are scaled by.
  struct Block {
    Value number, first, scales, minima;
  };

  bool isWide() const {
    return typeOf(product.quants).getElementType().isInteger(16);
  }
  SmallVector<Weights> readWeights(KernelBuilder &b, Value step, int64_t first,
                                   int64_t quads, ReadQuad readQuad) const;
  /// The block that begins `begin` numbers after those of `step`.
  Block readBlock(KernelBuilder &b, int64_t columns, Value panel, Value column,
                  Value step, int64_t begin) const;
  /// The sum of the row's numbers in the block, for each column; null if nobody
  /// asks for it.
  Value sumOf(KernelBuilder &b, Value row, const Block &block,
              int64_t columns) const;
  /// What the row's dots begin with, given its sum.
  Value startOf(KernelBuilder &b, Value sum, int64_t columns) const;
  /// The row's numbers that meet `weights`.
  Value readRow(KernelBuilder &b, Value row, Value first,
                const Weights &weights) const {
    return b.read(product.quants, {row, b.add(first, weights.offset)},
                  weights.count);
  }
  /// What a dot of the row and the block is multiplied by.
  Value scaleOf(KernelBuilder &b, Value row, const Block &block) const {
    return b.mul(
        b.splat(b.extract(product.rowScales, {row, block.number}),
                cast<VectorType>(block.scales.getType()).getDimSize(0)),
        block.scales);
  }
  /// `acc` and the row's scaled dots of the block.
  Value addScaled(KernelBuilder &b, Value row, const Block &block, Value dots,
                  Value sum, Value acc) const;
  /// `acc` and the middle of what lower bits add; `reach` and how far they
  /// reach from it.
  void addLowBits(KernelBuilder &b, Value row, const Block &block, Value &acc,
                  Value &reach) const;

  const I8Product &product;
  int64_t depth, blocks, block, rowBlocks;
  /// Numbers of a row that are read at once.
  int64_t run;
  /// Bytes that are 128 more than a number start from minus 128 times the sum
  /// of the row; flipped to the numbers themselves, they start from zero.
  bool isFlipped, isSigned;
  std::optional<ShortSums> shorts;
};

SmallVector<ByteTile::Weights> ByteTile::readWeights(KernelBuilder &b,
                                                     Value step, int64_t first,
                                                     int64_t quads,
                                                     ReadQuad readQuad) const {
  SmallVector<Weights> weights;
  for (int64_t quad = 0; quad != quads; ++quad) {
    Value w = readQuad(b, step, first / 4 + quad);
    if (isFlipped)
      w = flipped(b, w);
    if (!isWide()) {
      weights.push_back({w, 4 * quad, 4});
      continue;
    }
    auto [even, odd] = splitBytes(b, w);
    weights.push_back({even, 4 * quad, 2});
    weights.push_back({odd, 4 * quad + 2, 2});
  }
  return weights;
}

ByteTile::Block ByteTile::readBlock(KernelBuilder &b, int64_t columns,
                                    Value panel, Value column, Value step,
                                    int64_t begin) const {
  Block result;
  result.number = b.add(b.mul(step, depth / block), begin / block);
  result.first = b.add(b.mul(step, depth), begin);
  Value panelBlock = b.div(result.number, rowBlocks);
  auto floats = b.f32Vector(columns);
  result.scales =
      b.read(product.panelScales, {panel, panelBlock, column}, columns);
  if (result.scales.getType() != floats)
    result.scales = arith::ExtFOp::create(b, floats, result.scales);
  if (shorts && shorts->factor != 1)
    result.scales =
        b.mul(result.scales, b.splatF32(1.0 / shorts->factor, columns));
  if (product.panelMinima)
    result.minima =
        b.read(product.panelMinima, {panel, panelBlock, column}, columns);
  return result;
}

Value ByteTile::sumOf(KernelBuilder &b, Value row, const Block &block,
                      int64_t columns) const {
  if (!product.startShift && !block.minima)
    return {};
  return b.splat(b.extract(product.sums, {row, block.number}), columns);
}

Value ByteTile::startOf(KernelBuilder &b, Value sum, int64_t columns) const {
  if (!product.startShift || isFlipped)
    return b.splat(b.i32(0), columns);
  if (*product.startShift == 0 || shorts)
    return sum;
  return arith::ShRSIOp::create(b, sum,
                                b.splat(b.i32(*product.startShift), columns));
}

Value ByteTile::addScaled(KernelBuilder &b, Value row, const Block &block,
                          Value dots, Value sum, Value acc) const {
  auto floats = cast<VectorType>(acc.getType());
  auto toFloat = [&](Value v) -> Value {
    return arith::SIToFPOp::create(b, floats, v);
  };
  acc = b.fma(toFloat(dots), scaleOf(b, row, block), acc);
  if (block.minima) {
    Value rowScale = b.splat(b.extract(product.rowScales, {row, block.number}),
                             floats.getDimSize(0));
    acc = b.fma(toFloat(sum), b.mul(rowScale, block.minima), acc);
  }
  return acc;
}

void ByteTile::addLowBits(KernelBuilder &b, Value row, const Block &block,
                          Value &acc, Value &reach) const {
  int64_t columns = cast<VectorType>(acc.getType()).getDimSize(0);
  Value scale = scaleOf(b, row, block);
  auto ofBlock = [&](Value numbers) {
    return b.splat(b.extract(numbers, {block.number}), columns);
  };
  acc = b.fma(ofBlock(product.middles), scale, acc);
  reach = b.fma(ofBlock(product.reaches),
                math::AbsFOp::create(b, scale).getResult(), reach);
}

SmallVector<Value> ByteTile::emit(KernelBuilder &b, TileShape shape,
                                  Value panel, Value column, Value row,
                                  ReadQuad readQuad) const {
  auto emitBlock = [&](KernelBuilder &b, Value step, int64_t begin,
                       MutableArrayRef<Value> acc) {
    Block block = readBlock(b, shape.columns, panel, column, step, begin);
    SmallVector<Value> rows, sums;
    SmallVector<DotChain> dots;
    for (int64_t r = 0; r != shape.rows; ++r) {
      rows.push_back(b.add(row, r));
      sums.push_back(sumOf(b, rows[r], block, shape.columns));
      dots.emplace_back(b, startOf(b, sums[r], shape.columns), shorts,
                        isSigned);
    }
    auto scaleRow = [&](int64_t r) {
      acc[r] = addScaled(b, rows[r], block, dots[r].finish(b), sums[r], acc[r]);
      if (product.reaches)
        addLowBits(b, rows[r], block, acc[r], acc[shape.rows]);
    };
    // Weights that meet the lanes of a register stay while the rows do.
    int64_t quads = run != 1 && shape.rows != 1 ? 4 : 1;
    RowReader reader(product.quants, run);
    for (int64_t k = 0; k != this->block; k += 4 * quads) {
      int64_t inRun = (begin + k) % run;
      if (inRun == 0)
        reader = RowReader(product.quants, run);
      Value first = b.add(b.mul(step, depth), begin + k - inRun);
      SmallVector<Weights> weights =
          readWeights(b, step, begin + k, quads, readQuad);
      for (int64_t r = 0; r != shape.rows; ++r) {
        for (const Weights &w : weights)
          dots[r].add(
              b, w.values,
              reader.numbers(b, rows[r], r, first, inRun + w.offset, w.count));
        // A sum that no other row's waits for leaves its register.
        if (quads != 1 && k + 4 * quads == this->block)
          scaleRow(r);
      }
    }
    for (int64_t r = 0; quads == 1 && r != shape.rows; ++r)
      scaleRow(r);
  };
  SmallVector<Value> zeros(shape.rows + (product.reaches ? 1 : 0),
                           b.splatF32(0, shape.columns));
  return b.loop(b.index(0), b.index(blocks * block / depth), 1, zeros,
                [&](KernelBuilder &b, Value step, ValueRange carried) {
                  SmallVector<Value> acc = llvm::to_vector(carried);
                  for (int64_t begin = 0; begin != depth; begin += block)
                    emitBlock(b, step, begin, acc);
                  return acc;
                });
}

SmallVector<Value> ByteTile::emitInTiles(KernelBuilder &b, TileShape shape,
                                         Value panel, Value column, Value row,
                                         Value bytes) const {
  SmallVector<Value> zeros(shape.rows, b.splatF32(0, shape.columns));
  return b.loop(
      b.index(0), b.index(blocks), 1, zeros,
      [&](KernelBuilder &b, Value number, ValueRange acc) {
        Block block = readBlock(b, shape.columns, panel, column, number, 0);
        SmallVector<Value> dots = emitAmxDots(
            b, product.quants, row, block.first, bytes,
            b.mul(number, this->block / 4), shape.rows, this->block);
        SmallVector<Value> next;
        for (int64_t r = 0; r != shape.rows; ++r) {
          Value at = b.add(row, r), sum = sumOf(b, at, block, shape.columns);
          next.push_back(addScaled(b, at, block, dots[r], sum, acc[r]));
        }
        return next;
      });
}

Value ByteTile::emitPassingRows(KernelBuilder &b, Value panel, Value column,
                                Value row, Value count, TileShape most,
                                Value out, ReadQuad readQuad) const {
  int64_t columns = most.columns;
  auto emitBlock = [&](KernelBuilder &b, Value step, int64_t begin,
                       Value scratch) {
    Block block = readBlock(b, columns, panel, column, step, begin);
    SmallVector<Weights> weights =
        readWeights(b, step, begin, this->block / 4, readQuad);
    return b.loop(b.index(0), count, 1, scratch,
                  [&](KernelBuilder &b, Value r,
                      ValueRange scratch) -> SmallVector<Value> {
                    Value at = b.add(row, r);
                    Value sum = sumOf(b, at, block, columns);
                    DotChain dots(b, startOf(b, sum, columns), shorts,
                                  isSigned);
                    for (const Weights &w : weights)
                      dots.add(b, w.values, readRow(b, at, block.first, w));
                    SmallVector<Value> place{r, b.index(0)};
                    Value acc = b.read(scratch[0], place, columns);
                    acc = addScaled(b, at, block, dots.finish(b), sum, acc);
                    return {b.write(acc, scratch[0], place)};
                  })[0];
  };
  Value scratch =
      b.empty(RankedTensorType::get({most.rows, columns}, b.getF32Type()), {});
  scratch = b.loop(
      b.index(0), count, 1, scratch,
      [&](KernelBuilder &b, Value r, ValueRange scratch) -> SmallVector<Value> {
        return {b.write(b.splatF32(0, columns), scratch[0], {r, b.index(0)})};
      })[0];
  scratch = b.loop(b.index(0), b.index(blocks * block / depth), 1, scratch,
                   [&](KernelBuilder &b, Value step,
                       ValueRange carried) -> SmallVector<Value> {
                     Value scratch = carried[0];
                     for (int64_t begin = 0; begin != depth; begin += block)
                       scratch = emitBlock(b, step, begin, scratch);
                     return {scratch};
                   })[0];
  return b.loop(
      b.index(0), count, 1, out,
      [&](KernelBuilder &b, Value r, ValueRange outs) -> SmallVector<Value> {
        Value sums = b.read(scratch, {r, b.index(0)}, columns);
        return {b.write(sums, outs[0], {b.add(row, r), column})};
      })[0];
}

/// Whether several rows of `product` can meet AMX tiles: they come as many as a
/// step is padded to, and the weights are signed bytes without their offset.
bool fitTiles(const I8Product &product, int64_t rowUnit) {
  return rowUnit % kRowTile == 0 && haveOwnFunction(product.panels.quants) &&
         (product.panels.isNarrow || product.startShift);
}

/// The product of several rows, whose dots are AMX tiles.
Value emitI8InTiles(KernelBuilder &b, const I8Product &product, Value init,
                    const ByteArithmetic &arithmetic, int64_t rowUnit) {
  int64_t block = dimOf(product.quants, 1) / dimOf(product.rowScales, 1);
  // A start of dots is -128 times a block's sum, shifted to -offset times it.
  int64_t offset = product.startShift ? 128 >> *product.startShift : 0;
  ByteTile tile(product, block, arithmetic);
  Value bytes;
  return emitTiles(
      b, init, {{kRowTile, kPanel}, rowUnit, arithmetic.rowLanes},
      [&](KernelBuilder &b, Value panel, Value column, Value row,
          TileShape shape) {
        return tile.emitInTiles(b, shape, panel, column, row, bytes);
      },
      [&](KernelBuilder &b, Value panel) {
        bytes = unpackPanel(b, product.panels, panel, offset);
      });
}

} // namespace

SmallVector<Value> flow::cpu::emitPanelOfRow(KernelBuilder &b,
                                             const I8Product &product,
                                             const ByteArithmetic &arithmetic,
                                             Value panel) {
  ByteTile tile(product, PanelReader::kColumns, arithmetic);
  PanelReader reader(product.panels);
  Value zero = b.index(0);
  return tile.emit(b, {1, kPanel}, panel, zero, zero,
                   [&](KernelBuilder &b, Value step, int64_t quad) {
                     return reader.read(b, panel, step, quad);
                   });
}

Value flow::cpu::emitI8(KernelBuilder &b, I8Product product, Value init,
                        const ByteArithmetic &arithmetic, int64_t rowUnit) {
  bool isSingle = dimOf(init, 0) == 1;
  if (arithmetic.hasTiles && !isSingle && fitTiles(product, rowUnit))
    return emitI8InTiles(b, product, init, arithmetic, rowUnit);
  int64_t block = dimOf(product.quants, 1) / dimOf(product.rowScales, 1);
  bool isNarrow = product.panels.isNarrow;
  Tiling tiling{arithmetic.addsShorts(product) ? arithmetic.narrowTile
                                               : arithmetic.tile,
                rowUnit, arithmetic.rowLanes};
  if (arithmetic.widens && product.panels.bits() == 8)
    product.quants = widenRows(b, b.getLoc(), product.quants);
  // One row unpacks a narrow panel in registers, several share one of bytes.
  if (isSingle && isNarrow)
    return emitTiles(
        b, init, tiling,
        [&](KernelBuilder &b, Value panel, Value, Value, TileShape) {
          return emitPanelOfRow(b, product, arithmetic, panel);
        });

  ByteTile tile(product, block, arithmetic);
  Value unpacked;
  auto prepare = [&](KernelBuilder &b, Value panel) {
    if (isNarrow)
      unpacked = unpackPanel(b, product.panels, panel);
  };
  auto read = [&](KernelBuilder &b, Value panel, Value column, Value step,
                  int64_t quad, int64_t columns) {
    Value at = b.add(b.mul(step, block / 4), quad);
    if (isSingle)
      return readPanelRow(b, product.panels.quants, panel, at);
    Value first = b.mul(column, 4);
    if (!unpacked && tiling.leavesRows())
      prefetchNextPanel(b, product.panels.quants, panel, at, first);
    return unpacked
               ? b.read(unpacked, {at, first}, 4 * columns)
               : b.read(product.panels.quants, {panel, at, first}, 4 * columns);
  };
  if (!isSingle && tile.passesRows())
    return emitPassingTiles(
        b, init, tiling,
        [&](KernelBuilder &b, Value panel, Value column, Value row, Value count,
            Value out) {
          return tile.emitPassingRows(
              b, panel, column, row, count, tiling.tile, out,
              [&](KernelBuilder &b, Value step, int64_t quad) {
                return read(b, panel, column, step, quad, tiling.tile.columns);
              });
        },
        prepare);
  return emitTiles(
      b, init, tiling,
      [&](KernelBuilder &b, Value panel, Value column, Value row,
          TileShape shape) {
        return tile.emit(b, shape, panel, column, row,
                         [&](KernelBuilder &b, Value step, int64_t quad) {
                           return read(b, panel, column, step, quad,
                                       shape.columns);
                         });
      },
      prepare);
}
