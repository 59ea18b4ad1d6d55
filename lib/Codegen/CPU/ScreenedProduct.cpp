// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rules out panels of a product by the leading bits of their weights.
//
// The leading bits of a panel and what the others can add give two numbers
// between which each of its results is. As many panels as results are asked for
// have a result that is no less than the threshold; a panel without a result
// that may reach it has none of those asked for. All others are multiplied with
// all bits, as the plain product does. docs/Rationale/ScreenedHead.md derives
// the bounds.

#include "ScreenedProduct.h"

#include "SelectionKernel.h"
#include "flow/Codegen/CPU/Kernels.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace flow::cpu;

static constexpr llvm::StringLiteral kCount = "flow.screen_count";
static constexpr llvm::StringLiteral kCap = "flow.screen_cap";
static constexpr double kInfinity = std::numeric_limits<double>::infinity();

void flow::cpu::allowScreening(Value logits, int64_t count,
                               std::optional<double> cap) {
  Operation *product =
      logits.getDefiningOp<tensor::CollapseShapeOp>().getSrc().getDefiningOp();
  Builder b(product);
  product->setAttr(kCount, b.getI64IntegerAttr(count));
  if (cap)
    product->setAttr(kCap, b.getF64FloatAttr(*cap));
}

std::optional<Screen> flow::cpu::matchScreen(linalg::GenericOp generic,
                                             const I8Product &product) {
  auto count = generic->getAttrOfType<IntegerAttr>(kCount);
  if (!count || !product.panels.lowBits || dimOf(product.quants, 0) != 1)
    return std::nullopt;
  Screen screen{count.getInt(), std::nullopt};
  if (auto cap = generic->getAttrOfType<FloatAttr>(kCap))
    screen.cap = cap.getValueAsDouble();
  return screen;
}

namespace {

/// The product of the leading bits of `product`, and what the others add.
I8Product leadingProduct(KernelBuilder &b, const I8Product &product,
                         const ByteArithmetic &arithmetic) {
  int64_t low = product.panels.lowCount();
  I8Product leading = product;
  leading.panels.lowBits = Value();
  // Half their range was added to leading bits as to all.
  leading.startShift = low;
  int64_t blocks = dimOf(product.rowScales, 1);
  int64_t block = dimOf(product.quants, 1) / blocks;
  // Of the low bits, in units of the lowest leading one; sums of 16 bits have
  // smaller units.
  double half = ((1 << low) - 1) / 2.0 / (1 << low);
  double unit = half * (arithmetic.addsShorts(leading) ? 1 << low : 1);
  Value empty = b.empty(blocks, b.getF32Type());
  SmallVector<Value> numbers = b.loop(
      b.index(0), b.index(blocks), 1, ValueRange{empty, empty},
      [&](KernelBuilder &b, Value i, ValueRange args) -> SmallVector<Value> {
        Value quants =
            b.read(product.quants, {b.index(0), b.mul(i, block)}, block);
        quants =
            arith::ExtSIOp::create(b, b.vector(block, b.getI32Type()), quants);
        Value negated = b.sub(b.splat(b.i32(0), block), quants);
        Value magnitude =
            b.reduceAdd(arith::MaxSIOp::create(b, quants, negated));
        Value sum = b.extract(product.sums, {b.index(0), i});
        auto scaled = [&](Value integer, double factor) {
          Value number = arith::SIToFPOp::create(b, b.getF32Type(), integer);
          return b.mul(number, b.f32(factor));
        };
        return {b.insert(scaled(sum, unit / -128), args[0], {i}),
                b.insert(scaled(magnitude, unit), args[1], {i})};
      });
  leading.middles = numbers[0];
  leading.reaches = numbers[1];
  return leading;
}

/// `[N/32] f32` of each panel: numbers that the largest of its results is no
/// less and no more than.
std::pair<Value, Value> emitBounds(KernelBuilder &b, const I8Product &product,
                                   const ByteArithmetic &arithmetic) {
  I8Product leading = leadingProduct(b, product, arithmetic);
  int64_t panels = dimOf(product.panels.quants, 0);
  int64_t blocks = dimOf(product.rowScales, 1);
  double unit = 1 << product.panels.lowCount();
  auto one = [&](KernelBuilder &b, Value panel) -> KernelBuilder::Slice {
    return {{panel}, {b.getIndexAttr(1)}};
  };
  Value empty = b.empty(panels, b.getF32Type());
  SmallVector<Value> bounds = b.forall(
      b.index(panels), {empty, empty},
      [&](KernelBuilder &b, Value panel) -> SmallVector<KernelBuilder::Slice> {
        return {one(b, panel), one(b, panel)};
      },
      [&](KernelBuilder &b, Value panel,
          ValueRange outs) -> SmallVector<Value> {
        SmallVector<Value> found =
            emitPanelOfRow(b, leading, arithmetic, panel);
        auto all = [&](double value) { return b.splatF32(value, kPanel); };
        // Roundings, and what is lost below the least normal number.
        Value reach = b.fma(found[1], all(1 + blocks * 0x1p-15), all(0x1p-100));
        // Behind large numbers are sums that overflow, behind no numbers all.
        Value isBounded = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT,
                                                reach, all(0x1p100));
        auto largest = [&](Value bound, double otherwise) {
          bound = arith::SelectOp::create(b, isBounded, b.mul(bound, all(unit)),
                                          all(otherwise));
          return b.reduceMax(bound);
        };
        Value least = largest(b.sub(found[0], reach), -kInfinity);
        Value most = largest(b.add(found[0], reach), kInfinity);
        return {b.insert(least, outs[0], {}), b.insert(most, outs[1], {})};
      });
  return {bounds[0], bounds[1]};
}

/// The number that is compared in the place of `x`.
Value capped(KernelBuilder &b, Value x, const Screen &screen) {
  if (!screen.cap)
    return x;
  constexpr int64_t kLanes = 4;
  Value all = b.softcap(b.splat(x, kLanes), *screen.cap);
  return vector::ExtractOp::create(b, all, ArrayRef<int64_t>{0});
}

} // namespace

Value flow::cpu::emitScreened(KernelBuilder &b, const I8Product &product,
                              Value init, const ByteArithmetic &arithmetic,
                              const Screen &screen) {
  auto [least, most] = emitBounds(b, product, arithmetic);
  Value threshold = capped(b, emitLastOfBest(b, least, screen.count), screen);
  // A cap is 9.1 roundings off, at either end of two comparisons.
  if (screen.cap)
    threshold = b.sub(threshold, b.f32(*screen.cap * 0x1p-18));
  return b.forall(
      b.index(dimOf(product.panels.quants, 0)), init,
      [&](KernelBuilder &b, Value panel) -> SmallVector<KernelBuilder::Slice> {
        return {{{b.getIndexAttr(0), b.mul(panel, kPanel)},
                 {b.getIndexAttr(1), b.getIndexAttr(kPanel)}}};
      },
      [&, most = most](KernelBuilder &b, Value panel,
                       ValueRange outs) -> SmallVector<Value> {
        Value zero = b.index(0);
        Value result = b.write(b.splatF32(-kInfinity, kPanel), outs[0], {zero});
        // What is no number is not below the threshold.
        Value isBelow = arith::CmpFOp::create(
            b, arith::CmpFPredicate::OLT,
            capped(b, b.extract(most, {panel}), screen), threshold);
        Value once = arith::SelectOp::create(b, isBelow, zero, b.index(1));
        return b.loop(zero, once, 1, result,
                      [&](KernelBuilder &b, Value,
                          ValueRange args) -> SmallVector<Value> {
                        SmallVector<Value> exact =
                            emitPanelOfRow(b, product, arithmetic, panel);
                        return {b.write(exact[0], args[0], {zero})};
                      });
      })[0];
}
