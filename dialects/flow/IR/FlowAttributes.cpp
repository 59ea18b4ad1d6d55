// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Verifiers and helpers of the flow attributes.

#include "flow/IR/FlowAttributes.h"

#include "flow/IR/FlowDialect.h"
#include "mlir/IR/Diagnostics.h"

#include <cmath>

using namespace mlir;
using namespace flow;

using EmitError = llvm::function_ref<InFlightDiagnostic()>;

FailureOr<llvm::APFloat> flow::parseFloatParameter(AsmParser &parser) {
  double value;
  if (parser.parseFloat(value))
    return failure();
  return llvm::APFloat(value);
}

int64_t flow::getBlockSize(Storage storage) {
  switch (storage) {
  case Storage::F32:
  case Storage::F16:
  case Storage::BF16:
    return 1;
  case Storage::Q4_0:
  case Storage::Q4_1:
  case Storage::Q5_0:
  case Storage::Q5_1:
  case Storage::Q8_0:
  case Storage::IQ4_NL:
    return 32;
  case Storage::Q2_K:
  case Storage::Q3_K:
  case Storage::Q4_K:
  case Storage::Q5_K:
  case Storage::Q6_K:
  case Storage::IQ4_XS:
    return 256;
  }
  llvm_unreachable("every storage has a block size");
}

//===----------------------------------------------------------------------===//
// Specs
//===----------------------------------------------------------------------===//

LogicalResult HyperAttr::verify(EmitError emitError, int64_t hidden,
                                int64_t vocab, int64_t positions,
                                llvm::APFloat eps, llvm::APFloat softcap) {
  if (!isExtent(hidden) || !isExtent(vocab) || positions <= 0)
    return emitError()
           << "#flow.hyper (C1): hidden, vocab and positions must be "
              "positive, the first two below 2^31, got "
           << hidden << ", " << vocab << " and " << positions;
  if (!eps.isFinite() || eps.isZero() || eps.isNegative())
    return emitError()
           << "#flow.hyper (C2): eps must be finite and positive, got "
           << eps.convertToDouble();
  if (!softcap.isFinite() || softcap.isNegative())
    return emitError() << "#flow.hyper (C3): final_softcap must be finite and "
                          "not negative, got "
                       << softcap.convertToDouble();
  return success();
}

LogicalResult AttentionSpecAttr::verify(EmitError emitError, int64_t heads,
                                        int64_t kvHeads, int64_t headDim,
                                        llvm::APFloat scale,
                                        llvm::APFloat softcap, bool, bool,
                                        bool) {
  if (!isExtent(heads) || !isExtent(kvHeads) || !isExtent(headDim) ||
      headDim % 2 != 0)
    return emitError() << "#flow.attention (C1): heads, kv_heads and an even "
                          "head_dim must be positive and below 2^31, got "
                       << heads << ", " << kvHeads << " and " << headDim;
  if (heads % kvHeads != 0)
    return emitError() << "#flow.attention (C2): " << heads
                       << " heads cannot share " << kvHeads
                       << " key/value heads";
  for (const llvm::APFloat &value : {scale, softcap})
    if (!value.isFinite() || value.isNegative())
      return emitError() << "#flow.attention (C3): scale and softcap must be "
                            "finite and not negative, got "
                         << value.convertToDouble();
  return success();
}

double AttentionSpecAttr::getEffectiveScale() const {
  if (!getScale().isZero())
    return getScale().convertToDouble();
  return 1.0 / std::sqrt(static_cast<double>(getHeadDim()));
}

LogicalResult FeedForwardAttr::verify(EmitError emitError, int64_t width,
                                      int64_t experts, int64_t topK,
                                      int64_t expertWidth) {
  if (!isExtent(width))
    return emitError() << "#flow.feed_forward (C1): width must be positive and "
                          "below 2^31, got "
                       << width;
  bool none = experts == 0 && topK == 0 && expertWidth == 0;
  if (!none &&
      (!isExtent(experts) || !isExtent(topK) || !isExtent(expertWidth)))
    return emitError() << "#flow.feed_forward (C2): experts, top_k and "
                          "expert_width must be all positive and below 2^31, "
                          "or all 0, got "
                       << experts << ", " << topK << " and " << expertWidth;
  if (topK > experts)
    return emitError() << "#flow.feed_forward (C3): top_k " << topK
                       << " exceeds the " << experts << " experts";
  return success();
}

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

FailureOr<MaskPattern> flow::parseMaskPattern(AsmParser &parser) {
  SMLoc where = parser.getCurrentLocation();
  StringRef word;
  if (failed(parser.parseKeyword(&word)))
    return failure();
  std::optional<MaskPattern> known = symbolizeMaskPattern(word);
  if (known)
    return *known;
  return parser.emitError(where)
         << "#flow.mask: expected causal or full, got '" << word
         << "': a mask is a predicate on positions, an arbitrary mask or bias "
            "has no form";
}

LogicalResult MaskAttr::verify(EmitError emitError, MaskPattern pattern,
                               int64_t window, SpanRule spans) {
  if (window < 0)
    return emitError() << "#flow.mask (C1): window must not be negative, got "
                       << window;
  if (pattern == MaskPattern::Full && window != 0)
    return emitError() << "#flow.mask (C2): a full pattern has no window, got "
                       << window;
  if (pattern == MaskPattern::Full && spans != SpanRule::None)
    return emitError() << "#flow.mask (C3): a full pattern has no spans, got "
                       << stringifySpanRule(spans);
  if (spans == SpanRule::Windowed && window == 0)
    return emitError() << "#flow.mask (C4): windowed spans need a window";
  return success();
}

bool MaskAttr::isVisible(int64_t query, int64_t key,
                         ArrayRef<PositionSpan> spans) const {
  if (key < 0)
    return false;
  if (getPattern() == MaskPattern::Full)
    return true;
  bool isNear = getWindow() == 0 || query - key < getWindow();
  if (key <= query && isNear)
    return true;
  // A span that holds both is needed for more than that.
  if (!hasSpans() || (getSpans() == SpanRule::Windowed && !isNear))
    return false;
  return llvm::any_of(spans, [&](const PositionSpan &span) {
    return span.contains(query) && span.contains(key);
  });
}

LogicalResult KeyBlocksAttr::verify(EmitError emitError, BlockStart, BlockEnd,
                                    int64_t size) {
  if (size <= 0)
    return emitError() << "#flow.key_blocks (C1): size must be positive, got "
                       << size;
  return success();
}

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

LogicalResult PanelsAttr::verify(EmitError emitError, PanelKind kind,
                                 int64_t block, ScaleKind scale, bool min,
                                 int64_t bits, int64_t offset,
                                 int64_t leading) {
  if (kind == PanelKind::I8 && block != 16 && block != 32)
    return emitError()
           << "#flow.panels (C1): i8 panels need a block of 16 or 32, got "
           << block;
  if (kind != PanelKind::I8 && (block != 0 || scale != ScaleKind::F16 || min ||
                                bits != 8 || offset != 128 || leading != 0))
    return emitError() << "#flow.panels (C1): " << stringifyPanelKind(kind)
                       << " panels have neither block, scale, min, bits, "
                          "offset nor leading";
  if (bits != 4 && bits != 5 && bits != 6 && bits != 8)
    return emitError() << "#flow.panels (C3): quants have 4, 5, 6 or 8 bits, "
                          "got "
                       << bits;
  int64_t half = int64_t(1) << (bits - 1);
  if (offset != half && (bits == 8 || offset != 0))
    return emitError() << "#flow.panels (C3): quants of " << bits
                       << " bits need an offset of "
                       << (bits == 8 ? "" : "0 or ") << half << ", got "
                       << offset;
  if (leading != 0 && leading != 5 && leading != 6)
    return emitError() << "#flow.panels (C4): 5 or 6 bits can lead, or 0 for "
                          "all in one, got "
                       << leading;
  if (leading != 0 && (bits != 8 || scale != ScaleKind::F16 || min))
    return emitError() << "#flow.panels (C4): leading bits are of quants of 8 "
                          "bits with scales of f16 and without minima";
  return success();
}

LogicalResult PanelsAttr::verifyEncoding(llvm::ArrayRef<int64_t> shape,
                                         Type elementType,
                                         EmitError emitError) const {
  int64_t multiple = getKind() == PanelKind::I8     ? 32
                     : getKind() == PanelKind::BF16 ? 2
                                                    : 1;
  // A dynamic extent is a negative number.
  if (shape.size() == 2 && shape[0] > 0 && shape[1] > 0 &&
      elementType.isF32() && shape[0] % kPanelRows == 0 &&
      shape[1] % multiple == 0)
    return success();
  InFlightDiagnostic diagnostic =
      emitError() << "#flow.panels (C2): needs a static [N, K] of f32 with N a "
                     "positive multiple of 32";
  if (multiple != 1)
    diagnostic << " and K of " << multiple;
  return diagnostic << ", got [" << shape << "] of " << elementType;
}

LogicalResult WeightBlocksAttr::verify(EmitError emitError, int64_t bits,
                                       int64_t block, ScaleKind scale, bool) {
  if ((bits == 4 || bits == 8) &&
      (block == 32 || (block == 16 && bits == 8 && scale == ScaleKind::F32)))
    return success();
  return emitError() << "#flow.weight_blocks (C1): needs 4 or 8 bits in blocks "
                        "of 32, or 8 bits in blocks of 16 with scales of f32, "
                        "got "
                     << bits << " bits in blocks of " << block
                     << " with scales of " << stringifyScaleKind(scale);
}

LogicalResult WeightBlocksAttr::verifyEncoding(llvm::ArrayRef<int64_t> shape,
                                               Type elementType,
                                               EmitError emitError) const {
  // A dynamic extent is a negative number.
  if (shape.size() == 2 && shape[0] > 0 && shape[1] > 0 && shape[1] % 32 == 0 &&
      elementType.isF32())
    return success();
  return emitError() << "#flow.weight_blocks (C2): needs a static [N, K] of "
                        "f32 with K a positive multiple of 32, got ["
                     << shape << "] of " << elementType;
}

LogicalResult QuantizedRowsAttr::verify(EmitError emitError, int64_t block) {
  if (block != 16 && block != 32)
    return emitError()
           << "#flow.quantized_rows (C1): block must be 16 or 32, got "
           << block;
  return success();
}

LogicalResult QuantizedRowsAttr::verifyEncoding(llvm::ArrayRef<int64_t> shape,
                                                Type elementType,
                                                EmitError emitError) const {
  // A dynamic extent is a negative number.
  if (shape.size() == 2 && shape[1] > 0 && shape[1] % 32 == 0 &&
      elementType.isF32())
    return success();
  return emitError() << "#flow.quantized_rows (C2): needs [T, K] of f32 with K "
                        "static and a positive multiple of 32, got ["
                     << shape << "] of " << elementType;
}

LogicalResult Bf16RowsAttr::verifyEncoding(llvm::ArrayRef<int64_t> shape,
                                           Type elementType,
                                           EmitError emitError) const {
  // A dynamic extent is a negative number.
  if (shape.size() == 2 && shape[1] > 0 && shape[1] % 2 == 0 &&
      elementType.isF32())
    return success();
  return emitError() << "#flow.bf16_rows (C1): needs [T, K] of f32 with K "
                        "static, positive and even, got ["
                     << shape << "] of " << elementType;
}
