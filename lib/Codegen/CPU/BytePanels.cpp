// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds narrow panels, and makes bytes of them.

#include "BytePanels.h"

#include "TileLoops.h"
#include "flow/Codegen/CPU/Kernels.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace flow::cpu;

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

int64_t BytePanels::bits() const {
  if (!isNarrow)
    return 8;
  // A byte of `quants` has two weights, one of `upperBits` four or eight.
  int64_t upper = upperBits ? 4 * dimOf(upperBits, 1) / dimOf(quants, 1) : 0;
  return 4 + upper + lowCount();
}

int64_t BytePanels::lowCount() const {
  return lowBits ? 4 * dimOf(lowBits, 1) / dimOf(quants, 1) : 0;
}

BytePanels flow::cpu::matchPanels(Value weights) {
  Value bytes = behindReshapes(weights);
  auto unpack = bytes.getDefiningOp<linalg::GenericOp>();
  if (!unpack || unpack.getNumReductionLoops() != 0)
    return {bytes, Value(), Value(), /*isNarrow=*/false};
  auto inputs = unpack.getDpsInputs();
  Value first = behindReshapes(inputs[0]);
  if (BytePanels leading = matchPanels(first); leading.isNarrow) {
    leading.lowBits = behindReshapes(inputs[1]);
    return leading;
  }
  return {first, inputs.size() == 2 ? behindReshapes(inputs[1]) : Value(),
          Value(), /*isNarrow=*/true};
}

Value PanelReader::words(KernelBuilder &b, Value tensor, Value panel,
                         Value row) const {
  return vector::BitCastOp::create(b, b.vector(kPanel, b.getI32Type()),
                                   readPanelRow(b, tensor, panel, row));
}

Value PanelReader::read(KernelBuilder &b, Value panel, Value step,
                        int64_t quad) {
  if (quad % 2 == 0)
    halves = words(b, panels.quants, panel,
                   b.add(b.mul(step, kColumns / 8), quad / 2));
  Value word = masked(b, shifted(b, halves, quad % 2 * 4), 15);
  if (panels.upperBits) {
    // Quads that a byte of upper bits serves, and how many it has of each.
    int64_t perByte = 2 * dimOf(panels.quants, 1) / dimOf(panels.upperBits, 1);
    int64_t count = 8 / perByte;
    if (quad % perByte == 0)
      upper = words(b, panels.upperBits, panel,
                    b.add(b.mul(step, kColumns / 4 / perByte), quad / perByte));
    // From where the bits are in the byte to above the lower four.
    Value bits = shifted(b, upper, count * (quad % perByte) - 4);
    word =
        arith::OrIOp::create(b, word, masked(b, bits, ((1 << count) - 1) << 4));
  }
  int64_t lowCount = panels.lowCount();
  if (lowCount != 0)
    word = shifted(b, word, -lowCount);
  if (quad == 0) {
    lows.clear();
    for (int64_t bit = 0; bit != lowCount; ++bit)
      lows.push_back(
          words(b, panels.lowBits, panel, b.add(b.mul(step, lowCount), bit)));
  }
  for (auto [bit, low] : llvm::enumerate(lows)) {
    auto place = static_cast<int64_t>(bit);
    Value alone = masked(b, shifted(b, low, quad - place), 1 << place);
    word = arith::OrIOp::create(b, word, alone);
  }
  return vector::BitCastOp::create(b, b.vector(4 * kPanel, b.getI8Type()),
                                   word);
}

Value flow::cpu::unpackPanel(KernelBuilder &b, const BytePanels &panels,
                             Value panel, int64_t offset) {
  const int64_t kQuads = panels.isNarrow ? PanelReader::kColumns / 4 : 1;
  int64_t quads = dimOf(panels.quants, 1) * (panels.isNarrow ? 2 : 1);
  auto lanes = b.vector(4 * kPanel, b.getI8Type());
  auto read = [&](KernelBuilder &b, PanelReader &reader, Value step,
                  int64_t quad) -> Value {
    Value bytes =
        panels.isNarrow
            ? reader.read(b, panel, step, quad)
            : b.read(panels.quants, {panel, step, b.index(0)}, 4 * kPanel);
    if (offset == 0)
      return bytes;
    Value offsets = arith::ConstantOp::create(
        b,
        DenseElementsAttr::get(lanes, APInt(8, static_cast<uint64_t>(offset))));
    return b.sub(bytes, offsets);
  };
  Value bytes = b.empty(
      RankedTensorType::get({quads, 4 * kPanel}, b.getI8Type()), Value());
  return b.loop(
      b.index(0), b.index(quads / kQuads), 1, bytes,
      [&](KernelBuilder &b, Value step, ValueRange args) -> SmallVector<Value> {
        PanelReader reader(panels);
        Value bytes = args[0];
        for (int64_t quad = 0; quad != kQuads; ++quad)
          bytes = b.write(read(b, reader, step, quad), bytes,
                          {b.add(b.mul(step, kQuads), quad), b.index(0)});
        return {bytes};
      })[0];
}
