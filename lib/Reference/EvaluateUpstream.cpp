// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The ops of arith and tensor that stand between stages.

#include "Evaluator.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/CheckedArithmetic.h"

using namespace mlir;
using namespace flow;
using namespace flow::reference;

namespace {
/// Strided reads from a tensor, of whatever elements.
struct Slice {
  SmallVector<int64_t> offsets, sizes, strides;

  template <typename T>
  DenseTensor<T> take(const DenseTensor<T> &source,
                      ArrayRef<int64_t> resultShape) const {
    DenseTensor<T> result(resultShape);
    for (int64_t i = 0, e = result.values.size(); i < e; ++i) {
      // The element's place in the slice, last dimension first, and from it the
      // place in the source.
      int64_t rest = i, at = 0, step = 1;
      for (int64_t d = sizes.size() - 1; d >= 0; --d) {
        at += (offsets[d] + rest % sizes[d] * strides[d]) * step;
        rest /= sizes[d];
        step *= source.shape[d];
      }
      result.values[i] = source.values[at];
    }
    return result;
  }
};
} // namespace

/// The numbers that `values` stand for: attributes or index operands.
static SmallVector<int64_t> readIndices(ArrayRef<OpFoldResult> values,
                                        const Frame &frame) {
  SmallVector<int64_t> indices;
  for (OpFoldResult value : values) {
    if (auto attr = dyn_cast<Attribute>(value))
      indices.push_back(cast<IntegerAttr>(attr).getInt());
    else
      indices.push_back(frame.index(cast<Value>(value)));
  }
  return indices;
}

/// Applies `function`, which takes a tensor of any elements, to what `value`
/// holds.
template <typename Function>
static EvaluatedValues mapTensor(const EvaluatedValue &value,
                                 Function function) {
  if (const auto *tokens = std::get_if<TokenTensorRef>(&value.data))
    return {{std::make_shared<const TokenTensor>(function(**tokens))}};
  return single(function(*std::get<TensorRef>(value.data)));
}

static ArrayRef<int64_t> shapeOf(const EvaluatedValue &value) {
  if (const auto *tokens = std::get_if<TokenTensorRef>(&value.data))
    return (*tokens)->shape;
  return std::get<TensorRef>(value.data)->shape;
}

/// `value` with the same elements in another shape.
static llvm::Expected<EvaluatedValues>
reshape(Operation *op, const EvaluatedValue &value, ArrayRef<int64_t> shape) {
  ArrayRef<int64_t> old = shapeOf(value);
  // Extents can be operands, and anything.
  std::optional<int64_t> count = 1;
  for (int64_t extent : shape)
    if (count)
      count = extent < 0 ? std::nullopt : llvm::checkedMul(*count, extent);
  if (count != Tensor::elementCount(old))
    return failedAt(op,
                    "makes " + formatShape(shape) + " of " + formatShape(old));
  return mapTensor(value, [&](auto tensor) {
    tensor.shape.assign(shape.begin(), shape.end());
    return tensor;
  });
}

//===----------------------------------------------------------------------===//
// arith
//===----------------------------------------------------------------------===//

static llvm::Expected<EvaluatedValues> evaluateConstant(arith::ConstantOp op) {
  auto integer = dyn_cast<IntegerAttr>(op.getValue());
  if (integer && op.getType().isIndex())
    return EvaluatedValues{{integer.getInt()}};
  auto type = dyn_cast<RankedTensorType>(op.getType());
  auto elements = dyn_cast<DenseElementsAttr>(op.getValue());
  if (!type || !elements)
    return failedAt(op, "has a value that is unknown to the reference "
                        "interpreter: expected an index or dense elements");
  if (type.getElementType().isInteger(32)) {
    TokenTensor tokens(type.getShape());
    llvm::copy(elements.getValues<int32_t>(), tokens.values.begin());
    return EvaluatedValues{{std::make_shared<const TokenTensor>(tokens)}};
  }
  if (!isa<Float32Type, BFloat16Type, Float16Type>(type.getElementType()))
    return failedAt(op, "has elements that are unknown to the reference "
                        "interpreter: expected f32, bf16, f16 or i32");
  Tensor tensor(type.getShape());
  for (auto [value, out] :
       llvm::zip_equal(elements.getValues<APFloat>(), tensor.values))
    out = value.convertToDouble();
  return single(std::move(tensor));
}

/// A sum, difference or product of two indices or, element by element, of two
/// tensors of numbers.
static llvm::Expected<EvaluatedValues> evaluateBinary(Operation *op,
                                                      const Frame &frame) {
  const EvaluatedValue &lhs = frame.get(op->getOperand(0));
  const EvaluatedValue &rhs = frame.get(op->getOperand(1));
  if (isa<arith::AddIOp, arith::SubIOp>(op)) {
    if (!std::holds_alternative<int64_t>(lhs.data))
      return failedAt(op, "is known to the reference interpreter for indices "
                          "only");
    // Unsigned: an index wraps around.
    uint64_t a = std::get<int64_t>(lhs.data), b = std::get<int64_t>(rhs.data);
    return EvaluatedValues{{int64_t(isa<arith::AddIOp>(op) ? a + b : a - b)}};
  }
  const Tensor &a = *std::get<TensorRef>(lhs.data);
  const Tensor &b = *std::get<TensorRef>(rhs.data);
  if (a.shape != b.shape)
    return failedAt(op, "expects operands of one shape, got " +
                            formatShape(a.shape) + " and " +
                            formatShape(b.shape));
  Element element = elementOf(op->getResult(0).getType());
  return single(isa<arith::AddFOp>(op) ? add(a, b, element)
                                       : multiply(a, b, element));
}

//===----------------------------------------------------------------------===//
// tensor
//===----------------------------------------------------------------------===//

static llvm::Expected<EvaluatedValues> evaluateDim(tensor::DimOp op,
                                                   const Frame &frame) {
  ArrayRef<int64_t> shape = shapeOf(frame.get(op.getSource()));
  int64_t dim = frame.index(op.getIndex());
  if (dim < 0 || dim >= int64_t(shape.size()))
    return failedAt(op, "asks for dimension " + llvm::Twine(dim) + " of " +
                            formatShape(shape));
  return EvaluatedValues{{shape[dim]}};
}

static llvm::Expected<EvaluatedValues>
evaluateCollapse(tensor::CollapseShapeOp op, const Frame &frame) {
  const EvaluatedValue &source = frame.get(op.getSrc());
  ArrayRef<int64_t> shape = shapeOf(source);
  SmallVector<int64_t> collapsed;
  for (const ReassociationIndices &group : op.getReassociationIndices()) {
    int64_t extent = 1;
    for (int64_t dim : group)
      extent *= shape[dim];
    collapsed.push_back(extent);
  }
  return reshape(op, source, collapsed);
}

static llvm::Expected<EvaluatedValues>
evaluateExtractSlice(tensor::ExtractSliceOp op, const Frame &frame) {
  const EvaluatedValue &source = frame.get(op.getSource());
  ArrayRef<int64_t> shape = shapeOf(source);
  Slice slice{readIndices(op.getMixedOffsets(), frame),
              readIndices(op.getMixedSizes(), frame),
              readIndices(op.getMixedStrides(), frame)};
  SmallVector<int64_t> resultShape;
  llvm::SmallBitVector dropped = op.getDroppedDims();
  for (auto [d, offset, size, stride] :
       llvm::enumerate(slice.offsets, slice.sizes, slice.strides)) {
    // Divided rather than multiplied, which could overflow.
    bool inside = offset >= 0 && size >= 0 && stride > 0 && size <= shape[d] &&
                  (size == 0 || (offset < shape[d] &&
                                 (shape[d] - 1 - offset) / stride >= size - 1));
    if (!inside)
      return failedAt(op, "takes offset " + llvm::Twine(offset) + ", size " +
                              llvm::Twine(size) + ", stride " +
                              llvm::Twine(stride) + " of dimension " +
                              llvm::Twine(d) + " of " + formatShape(shape));
    if (!dropped.test(d))
      resultShape.push_back(size);
  }
  return mapTensor(source, [&](const auto &tensor) {
    return slice.take(tensor, resultShape);
  });
}

/// Appends the elements of `inputs` along `dim` of `result`.
template <typename T>
static DenseTensor<T> concatenate(ArrayRef<const DenseTensor<T> *> inputs,
                                  int64_t dim, ArrayRef<int64_t> shape) {
  DenseTensor<T> result(shape);
  auto out = result.values.begin();
  int64_t outer = Tensor::elementCount(shape.take_front(dim));
  for (int64_t i = 0; i < outer; ++i)
    for (const DenseTensor<T> *input : inputs) {
      int64_t count =
          Tensor::elementCount(ArrayRef(input->shape).drop_front(dim));
      out = std::copy_n(input->values.begin() + i * count, count, out);
    }
  return result;
}

static llvm::Expected<EvaluatedValues> evaluateConcat(tensor::ConcatOp op,
                                                      const Frame &frame) {
  int64_t dim = op.getDim();
  SmallVector<int64_t> shape(shapeOf(frame.get(op.getInputs().front())));
  shape[dim] = 0;
  SmallVector<const Tensor *> numbers;
  SmallVector<const TokenTensor *> tokens;
  for (Value input : op.getInputs()) {
    const EvaluatedValue &value = frame.get(input);
    ArrayRef<int64_t> next = shapeOf(value);
    for (auto [d, extent] : llvm::enumerate(next))
      if (int64_t(d) != dim && extent != shape[d])
        return failedAt(op, "joins " + formatShape(next) + " along dimension " +
                                llvm::Twine(dim) + " to others of extent " +
                                llvm::Twine(shape[d]) + " in dimension " +
                                llvm::Twine(d));
    shape[dim] += next[dim];
    if (const auto *ids = std::get_if<TokenTensorRef>(&value.data))
      tokens.push_back(ids->get());
    else
      numbers.push_back(std::get<TensorRef>(value.data).get());
  }
  if (tokens.empty())
    return single(concatenate<float>(numbers, dim, shape));
  return EvaluatedValues{{std::make_shared<const TokenTensor>(
      concatenate<int32_t>(tokens, dim, shape))}};
}

llvm::Expected<EvaluatedValues>
reference::evaluateUpstream(Operation *op, const Frame &frame) {
  using Result = llvm::Expected<EvaluatedValues>;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([](arith::ConstantOp op) { return evaluateConstant(op); })
      .Case<arith::AddIOp, arith::SubIOp, arith::AddFOp, arith::MulFOp>(
          [&](auto op) { return evaluateBinary(op, frame); })
      .Case([&](tensor::DimOp op) { return evaluateDim(op, frame); })
      // The new type is checked like that of every result.
      .Case([&](tensor::CastOp op) -> Result {
        return EvaluatedValues{frame.get(op.getSource())};
      })
      .Case([&](tensor::ExpandShapeOp op) {
        return reshape(op, frame.get(op.getSrc()),
                       readIndices(op.getMixedOutputShape(), frame));
      })
      .Case([&](tensor::CollapseShapeOp op) {
        return evaluateCollapse(op, frame);
      })
      .Case([&](tensor::ExtractSliceOp op) {
        return evaluateExtractSlice(op, frame);
      })
      .Case([&](tensor::ConcatOp op) { return evaluateConcat(op, frame); })
      .Default([](Operation *op) -> Result { return unknownOp(op); });
}
