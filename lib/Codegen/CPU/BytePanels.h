// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Weights of a block product as they lie in memory: bytes, or narrower numbers
// that become bytes.

#ifndef FLOW_LIB_CODEGEN_CPU_BYTEPANELS_H
#define FLOW_LIB_CODEGEN_CPU_BYTEPANELS_H

#include "KernelBuilder.h"

namespace flow::cpu {

/// Weights of a block product: bytes `[N, K/4, 128]`, or half bytes `[N, K/8,
/// 128]`, perhaps `[N, K/c, 128]` of bits above them and perhaps `[N, l K/32,
/// 128]` of `l` bits below.
struct BytePanels {
  Value quants, upperBits, lowBits;
  /// Whether bytes are made of the quants first.
  bool isNarrow = false;

  /// Bits of a weight: 4, 5, 6 or 8.
  int64_t bits() const;
  /// Of which so many are in `lowBits`.
  int64_t lowCount() const;
};

/// The panels behind `weights`, which are bytes or are made bytes by an op
/// without reduction.
BytePanels matchPanels(Value weights);

/// Makes bytes of narrow panels, four columns of 32 weights at a time.
class PanelReader {
public:
  explicit PanelReader(const BytePanels &panels) : panels(panels) {}

  /// Columns whose bits lie in whole bytes.
  static constexpr int64_t kColumns = 32;

  /// The columns `[4 quad, 4 quad + 4)` of step `step`, as `vector<128xi8>`. To
  /// be called in ascending order of `quad`, since several share their bytes.
  Value read(KernelBuilder &b, Value panel, Value step, int64_t quad);

private:
  /// Row `row` of a panel as 32 words.
  Value words(KernelBuilder &b, Value tensor, Value panel, Value row) const;

  BytePanels panels;
  Value halves, upper;
  llvm::SmallVector<Value, 3> lows;
};

/// A panel of `panels` as bytes `[K/4, 128]`, less `offset`.
Value unpackPanel(KernelBuilder &b, const BytePanels &panels, Value panel,
                  int64_t offset = 0);

} // namespace flow::cpu

#endif // FLOW_LIB_CODEGEN_CPU_BYTEPANELS_H
