// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Makes products of bf16 and of bytes loops over AMX tiles.

#include "AmxTiles.h"

#include "flow/Codegen/CPU/Kernels.h"
#include "flow/Codegen/CPU/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace flow::cpu;

namespace flow {
#define GEN_PASS_DEF_AMXTILES
#include "flow/Codegen/CPU/Passes.h.inc"
} // namespace flow

namespace {

/// A tile has 16 rows of 64 bytes at most: words of two bf16 or of four bytes,
/// or of one sum.
constexpr int64_t kTileRows = 16, kTileBytes = 64, kTileWords = 16;
/// Tiles that make a panel's columns.
constexpr int64_t kPanelTiles = kPanel / kTileWords;
constexpr int64_t kPanelRowBytes = kPanel * 4;

/// `out [M, 32] += rows [M, K/w, w] * panel [K/w, 32, w]` of bf16 in f32, where
/// a word is `w = 2` numbers, or of signed bytes in i32, where it is 4. What
/// has a single row has no `M`.
struct PanelProduct {
  Value rows, panel, out;

  static std::optional<PanelProduct> match(linalg::GenericOp generic);

  bool isSingle() const {
    return cast<ShapedType>(out.getType()).getRank() == 1;
  }
  bool isOfBytes() const { return getElementTypeOrSelf(panel).isInteger(8); }
  /// Words of a row, less than 0 if they are not known, and those that a tile
  /// takes at once.
  int64_t words() const {
    return cast<ShapedType>(panel.getType()).getDimSize(0);
  }
  int64_t tileWords() const { return std::min(words(), kTileWords); }
};

/// The maps of a PanelProduct's generic.
SmallVector<AffineMap> productMaps(MLIRContext *context, bool isSingle) {
  AffineExpr word, n, kk, m;
  bindDims(context, word, n, kk, m);
  auto map = [&](ArrayRef<AffineExpr> results) {
    return AffineMap::get(isSingle ? 3 : 4, 0, results, context);
  };
  if (isSingle)
    return {map({word, kk}), map({word, n, kk}), map({n})};
  return {map({m, word, kk}), map({word, n, kk}), map({m, n})};
}

/// Whether the body adds the product of two numbers of a type as `product` has.
bool isMultiplyAdd(linalg::GenericOp generic, bool isOfBytes) {
  SmallVector<Operation *> body;
  for (Operation &op : generic.getBody()->without_terminator())
    body.push_back(&op);
  if (!isOfBytes)
    return body.size() == 3 && isa<arith::ExtFOp>(body[0]) &&
           isa<arith::ExtFOp>(body[1]) && isa<math::FmaOp>(body[2]);
  return body.size() == 4 && isa<arith::ExtSIOp>(body[0]) &&
         isa<arith::ExtSIOp>(body[1]) && isa<arith::MulIOp>(body[2]) &&
         isa<arith::AddIOp>(body[3]);
}

std::optional<PanelProduct> PanelProduct::match(linalg::GenericOp generic) {
  if (generic.getNumDpsInputs() != 2 || generic.getNumDpsInits() != 1)
    return std::nullopt;
  PanelProduct product{generic.getDpsInputs()[0], generic.getDpsInputs()[1],
                       generic.getDpsInits()[0]};
  auto typeOf = [](Value value) { return cast<ShapedType>(value.getType()); };
  if (generic.getIndexingMapsArray() !=
      productMaps(generic.getContext(), product.isSingle()))
    return std::nullopt;
  bool isOfBytes = product.isOfBytes();
  Builder b(generic.getContext());
  Type number = isOfBytes ? Type(b.getI8Type()) : Type(b.getBF16Type());
  Type sum = isOfBytes ? Type(b.getI32Type()) : Type(b.getF32Type());
  if (typeOf(product.rows).getElementType() != number ||
      typeOf(product.panel).getElementType() != number ||
      typeOf(product.out).getElementType() != sum ||
      typeOf(product.panel).getDimSize(1) != kPanel ||
      typeOf(product.panel).getDimSize(2) != (isOfBytes ? 4 : 2) ||
      product.words() < 1 || product.words() % product.tileWords() != 0 ||
      !isMultiplyAdd(generic, isOfBytes))
    return std::nullopt;
  return product;
}

/// Splits the last dimension of `value` into `last` and what is left of it.
Value splitLast(KernelBuilder &b, Value value, int64_t last) {
  RankedTensorType type = typeOf(value);
  SmallVector<int64_t> shape = llvm::to_vector(type.getShape().drop_back());
  shape.append({last, type.getShape().back() / last});
  SmallVector<ReassociationIndices> groups;
  for (int64_t dim = 0; dim + 1 != type.getRank(); ++dim)
    groups.push_back({dim});
  groups.push_back({type.getRank() - 1, type.getRank()});
  SmallVector<OpFoldResult> sizes;
  for (auto [dim, size] : llvm::enumerate(shape))
    sizes.push_back(ShapedType::isDynamic(size)
                        ? OpFoldResult(b.dim(value, dim))
                        : OpFoldResult(b.getIndexAttr(size)));
  return tensor::ExpandShapeOp::create(
      b, RankedTensorType::get(shape, type.getElementType()), value, groups,
      sizes);
}

/// `words * weights` in the place of `out`.
Value emitPanelProduct(KernelBuilder &b, Value words, Value weights,
                       Value out) {
  bool isOfBytes = getElementTypeOrSelf(weights).isInteger(8);
  bool isSingle = typeOf(out).getRank() == 1;
  constexpr auto kParallel = utils::IteratorType::parallel;
  constexpr auto kReduction = utils::IteratorType::reduction;
  SmallVector<utils::IteratorType> iterators{kReduction, kParallel, kReduction,
                                             kParallel};
  iterators.resize(isSingle ? 3 : 4);
  Value zero = isOfBytes ? b.i32(0) : b.f32(0);
  Value zeros = linalg::FillOp::create(b, zero, out).getResult(0);
  auto product = linalg::GenericOp::create(
      b, zeros.getType(), ValueRange{words, weights}, zeros,
      productMaps(b.getContext(), isSingle), iterators,
      [&](OpBuilder &nested, Location loc, ValueRange args) {
        KernelBuilder b(loc, nested);
        auto widen = [&](Value v) -> Value {
          if (isOfBytes)
            return arith::ExtSIOp::create(b, b.getI32Type(), v);
          return arith::ExtFOp::create(b, b.getF32Type(), v);
        };
        Value x = widen(args[0]), w = widen(args[1]);
        Value sum = isOfBytes
                        ? b.add(args[2], b.mul(x, w))
                        : math::FmaOp::create(b, x, w, args[2]).getResult();
        linalg::YieldOp::create(b, sum);
      });
  return product.getResult(0);
}

/// The instructions on tiles, as LLVM has them before tiles have registers. It
/// configures the tiles by the rows and bytes that each is used with.
class TileBuilder {
public:
  /// Of `product`, whose sums and rows have `rows` rows in a tile, an i16.
  TileBuilder(KernelBuilder &b, const PanelProduct &product, Value rows)
      : b(b), rows(rows), words(product.tileWords()),
        multiplyName(product.isOfBytes() ? "llvm.x86.tdpbssd.internal"
                                         : "llvm.x86.tdpbf16ps.internal"),
        type(LLVM::LLVMX86AMXType::get(b.getContext())) {}

  Value zero() {
    return call("llvm.x86.tilezero.internal", type, {rows, bytes()});
  }
  Value loadRows(Value address, Value stride) {
    return load(rows, depth(), address, stride);
  }
  Value loadPanel(Value address) {
    return load(i16(words), bytes(), address, b.index(kPanelRowBytes));
  }
  /// `sum + x * w`.
  Value multiply(Value sum, Value x, Value w) {
    return call(multiplyName, type, {rows, bytes(), depth(), sum, x, w});
  }
  void store(Value tile, Value address, Value stride) {
    LLVM::CallIntrinsicOp::create(
        b, b.getStringAttr("llvm.x86.tilestored64.internal"),
        ValueRange{rows, bytes(), pointer(address), i64(stride), tile});
  }

private:
  Value call(StringRef name, Type result, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(b, result, b.getStringAttr(name),
                                         operands)
        .getResult(0);
  }
  Value load(Value tileRows, Value tileBytes, Value address, Value stride) {
    return call("llvm.x86.tileloadd64.internal", type,
                {tileRows, tileBytes, pointer(address), i64(stride)});
  }
  Value i16(int64_t value) {
    return arith::ConstantOp::create(b, b.getI16IntegerAttr(value));
  }
  /// Bytes of a row of sums or of the panel, and of one of the product's rows.
  Value bytes() { return i16(kTileBytes); }
  Value depth() { return i16(4 * words); }
  Value i64(Value index) {
    return arith::IndexCastOp::create(b, b.getI64Type(), index);
  }
  Value pointer(Value address) {
    return LLVM::IntToPtrOp::create(
        b, LLVM::LLVMPointerType::get(b.getContext()), i64(address));
  }

  KernelBuilder &b;
  Value rows;
  int64_t words;
  StringRef multiplyName;
  Type type;
};

/// Where a buffer begins and how far its rows are apart, in bytes.
struct Place {
  Value address, stride;

  static Place of(KernelBuilder &b, Value buffer) {
    int64_t bytes =
        cast<ShapedType>(buffer.getType()).getElementTypeBitWidth() / 8;
    auto layout = memref::ExtractStridedMetadataOp::create(b, buffer);
    Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, buffer);
    return {b.add(base, b.mul(layout.getOffset(), bytes)),
            b.mul(layout.getStrides()[0], bytes)};
  }
  Value row(KernelBuilder &b, Value index) const {
    return b.add(address, b.mul(index, stride));
  }
};

/// The loops of one product.
class ProductEmitter {
public:
  ProductEmitter(KernelBuilder &b, const PanelProduct &product)
      : product(product), rows(Place::of(b, product.rows)),
        panel(Place::of(b, product.panel)), out(Place::of(b, product.out)) {}

  /// Tiles of 16 rows, two beside each other while there are more than 16. The
  /// last ones overlap those before rather than being smaller, as a row's
  /// result does not depend on its tile: a function has eight tiles of fixed
  /// shapes, and each shape more would take registers from the others.
  void emit(KernelBuilder &b) {
    auto setShape = [&](Value tileRows) {
      shape = arith::IndexCastOp::create(b, b.getI16Type(), tileRows);
    };
    if (product.isSingle()) {
      setShape(b.index(1));
      emitTiles(b, b.index(0));
      return;
    }
    Value count = memref::DimOp::create(b, product.out, 0);
    // No tile can be configured to have no rows.
    Value tileRows = arith::MaxUIOp::create(
        b, b.index(1),
        arith::MinUIOp::create(b, count, b.index(kTileRows)).getResult());
    setShape(tileRows);
    Value last = b.sub(count, tileRows);
    scf::ForOp::create(
        b, b.index(0), last, b.index(2 * kTileRows), ValueRange(),
        [&](OpBuilder &nested, Location loc, Value row, ValueRange) {
          KernelBuilder b(loc, nested);
          Value next = arith::MinSIOp::create(b, b.add(row, kTileRows), last);
          emitTiles(b, {row, next});
          scf::YieldOp::create(b);
        });
    Value left = b.rem(b.sub(count, b.index(1)), 2 * kTileRows);
    Value isOneLeft = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, left,
                                            b.index(kTileRows));
    scf::IfOp::create(b, isOneLeft, [&](OpBuilder &nested, Location loc) {
      KernelBuilder b(loc, nested);
      emitTiles(b, last);
      scf::YieldOp::create(b);
    });
  }

private:
  /// The columns of the panel for the tiles of rows that begin at `firsts`.
  void emitTiles(KernelBuilder &b, ValueRange firsts) {
    SmallVector<Value> zeros;
    TileBuilder before(b, product, shape);
    for (int64_t i = 0; i != kPanelTiles * int64_t(firsts.size()); ++i)
      zeros.push_back(before.zero());
    SmallVector<Value> sums =
        b.loop(b.index(0), b.index(product.words() / product.tileWords()), 1,
               zeros, [&](KernelBuilder &b, Value step, ValueRange acc) {
                 TileBuilder tiles(b, product, shape);
                 SmallVector<Value> xs, ws, next;
                 for (Value first : firsts)
                   xs.push_back(tiles.loadRows(
                       b.add(rows.row(b, first), b.mul(step, kTileBytes)),
                       rows.stride));
                 Value words = b.add(panel.address,
                                     b.mul(step, kTileRows * kPanelRowBytes));
                 for (int64_t i = 0; i != kPanelTiles; ++i)
                   ws.push_back(tiles.loadPanel(b.add(words, i * kTileBytes)));
                 for (Value x : xs)
                   for (Value w : ws)
                     next.push_back(tiles.multiply(acc[next.size()], x, w));
                 return next;
               });
    TileBuilder after(b, product, shape);
    for (auto [i, sum] : llvm::enumerate(sums))
      after.store(sum,
                  b.add(out.row(b, firsts[i / kPanelTiles]),
                        i % kPanelTiles * kTileBytes),
                  out.stride);
  }

  PanelProduct product;
  Place rows, panel, out;
  /// Rows of its tiles, one value for all, as it has to be known where tiles
  /// are configured.
  Value shape;
};

struct AmxTiles : flow::impl::AmxTilesBase<AmxTiles> {
  void runOnOperation() override {
    SmallVector<linalg::LinalgOp> ops;
    getOperation()->walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    for (linalg::LinalgOp op : ops) {
      auto generic = dyn_cast<linalg::GenericOp>(op.getOperation());
      if (!generic)
        continue;
      std::optional<PanelProduct> product = PanelProduct::match(generic);
      linalg::FillOp fill = product ? startOf(generic) : linalg::FillOp();
      if (!fill)
        continue;
      KernelBuilder b(generic.getLoc(), generic);
      ProductEmitter(b, *product).emit(b);
      generic.erase();
      fill.erase();
    }
    getOperation()->walk([&](linalg::LinalgOp op) {
      op.emitOpError(
          "is left: it is no product from zeros that tiles can compute");
      signalPassFailure();
    });
  }

  /// The fill of what `generic` adds to with zeros, if it stands in front of it
  /// with nothing between that touches memory.
  static linalg::FillOp startOf(linalg::GenericOp generic) {
    for (Operation *op = generic->getPrevNode(); op; op = op->getPrevNode()) {
      auto fill = dyn_cast<linalg::FillOp>(op);
      if (fill && fill.getDpsInits()[0] == generic.getDpsInits()[0] &&
          (matchPattern(fill.getInputs()[0], m_AnyZeroFloat()) ||
           matchPattern(fill.getInputs()[0], m_Zero())))
        return fill;
      if (!isMemoryEffectFree(op))
        return {};
    }
    return {};
  }
};

} // namespace

bool flow::cpu::haveOwnFunction(Value panels) {
  return typeOf(panels).getDimSize(0) != 1;
}

bool flow::cpu::fitAmxTiles(Value rows, Value panels) {
  return typeOf(rows).getDimSize(1) % (2 * kTileWords) == 0 &&
         haveOwnFunction(panels);
}

bool flow::cpu::isLeftForAmxTiles(linalg::LinalgOp op) {
  auto isProduct = [](Operation *op) {
    auto generic = dyn_cast<linalg::GenericOp>(op);
    return generic && PanelProduct::match(generic);
  };
  return isProduct(op) || (isa<linalg::FillOp>(op.getOperation()) &&
                           llvm::all_of(op->getUsers(), isProduct));
}

Value flow::cpu::emitAmxProduct(KernelBuilder &b, Value rows, Value panels,
                                Value init) {
  int64_t pairs = typeOf(panels).getDimSize(1);
  bool isSingle = typeOf(rows).getDimSize(0) == 1;
  OpFoldResult count = getAsOpFoldResult(b.dim(init, 0));
  // The slices of a loop's results have no dimension of a single row either.
  Value words = isSingle
                    ? Value(tensor::CollapseShapeOp::create(
                          b, rows, SmallVector<ReassociationIndices>{{0, 1}}))
                    : rows;
  words = splitLast(b, words, pairs);
  return b.forall(
      b.index(typeOf(panels).getDimSize(0)), init,
      [&](KernelBuilder &b, Value panel) -> SmallVector<KernelBuilder::Slice> {
        return {{{b.getIndexAttr(0), b.mul(panel, kPanel)},
                 {count, b.getIndexAttr(kPanel)}}};
      },
      [&](KernelBuilder &b, Value panel,
          ValueRange outs) -> SmallVector<Value> {
        auto index = [&](int64_t value) {
          return OpFoldResult(b.getIndexAttr(value));
        };
        Value weights = tensor::ExtractSliceOp::create(
            b, RankedTensorType::get({pairs, 2 * kPanel}, b.getBF16Type()),
            panels, ArrayRef<OpFoldResult>{panel, index(0), index(0)},
            ArrayRef<OpFoldResult>{index(1), index(pairs), index(2 * kPanel)},
            ArrayRef<OpFoldResult>{index(1), index(1), index(1)});
        weights = splitLast(b, weights, kPanel);
        return {emitPanelProduct(b, words, weights, outs[0])};
      })[0];
}

SmallVector<Value> flow::cpu::emitAmxDots(KernelBuilder &b, Value rows,
                                          Value row, Value column, Value panel,
                                          Value quad, int64_t count,
                                          int64_t depth) {
  auto index = [&](int64_t value) {
    return OpFoldResult(b.getIndexAttr(value));
  };
  auto slice = [&](Value tensor, Value first, Value second, int64_t height,
                   int64_t width) -> Value {
    SmallVector<OpFoldResult> offsets{first, second},
        sizes{index(height), index(width)}, strides{index(1), index(1)};
    return tensor::ExtractSliceOp::create(
        b, RankedTensorType::get({height, width}, b.getI8Type()), tensor,
        offsets, sizes, strides);
  };
  Value words = splitLast(b, slice(rows, row, column, count, depth), depth / 4);
  Value weights = splitLast(
      b, slice(panel, quad, b.index(0), depth / 4, 4 * kPanel), kPanel);
  Value sums = emitPanelProduct(
      b, words, weights,
      b.empty(RankedTensorType::get({count, kPanel}, b.getI32Type()), Value()));
  SmallVector<Value> dots;
  for (int64_t r = 0; r != count; ++r)
    dots.push_back(b.read(sums, {b.index(r), b.index(0)}, kPanel));
  return dots;
}
