// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Short forms of the ops that kernels are made of.

#ifndef FLOW_LIB_CODEGEN_CPU_KERNELBUILDER_H
#define FLOW_LIB_CODEGEN_CPU_KERNELBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"

namespace flow::cpu {

using mlir::Value;
using mlir::ValueRange;

inline mlir::RankedTensorType typeOf(Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType());
}

/// Elements handled at once when a row has `width` of them.
inline int64_t lanesFor(int64_t width) {
  for (int64_t lanes : {64, 32, 16, 8, 4, 2})
    if (width % lanes == 0)
      return lanes;
  return 1;
}

/// An OpBuilder at one location with the vocabulary of kernels.
class KernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  Value index(int64_t value) {
    return mlir::arith::ConstantIndexOp::create(*this, value);
  }
  Value f32(double value) {
    return mlir::arith::ConstantOp::create(
        *this, getF32FloatAttr(static_cast<float>(value)));
  }
  Value i32(int32_t value) {
    return mlir::arith::ConstantOp::create(*this, getI32IntegerAttr(value));
  }
  mlir::VectorType vector(int64_t lanes, mlir::Type element) {
    return mlir::VectorType::get({lanes}, element);
  }
  mlir::VectorType f32Vector(int64_t lanes) {
    return vector(lanes, getF32Type());
  }
  Value splat(Value scalar, int64_t lanes) {
    return mlir::vector::BroadcastOp::create(
        *this, vector(lanes, scalar.getType()), scalar);
  }
  Value splatF32(double value, int64_t lanes) {
    return splat(f32(value), lanes);
  }

  Value add(Value a, Value b) {
    return isFloat(a) ? Value(mlir::arith::AddFOp::create(*this, a, b))
                      : Value(mlir::arith::AddIOp::create(*this, a, b));
  }
  Value sub(Value a, Value b) {
    return isFloat(a) ? Value(mlir::arith::SubFOp::create(*this, a, b))
                      : Value(mlir::arith::SubIOp::create(*this, a, b));
  }
  Value mul(Value a, Value b) {
    return isFloat(a) ? Value(mlir::arith::MulFOp::create(*this, a, b))
                      : Value(mlir::arith::MulIOp::create(*this, a, b));
  }
  Value fma(Value a, Value b, Value c) {
    return mlir::vector::FMAOp::create(*this, a, b, c);
  }
  Value add(Value a, int64_t b) { return b == 0 ? a : add(a, index(b)); }
  Value mul(Value a, int64_t b) { return b == 1 ? a : mul(a, index(b)); }
  Value div(Value a, int64_t b) {
    return b == 1 ? a : Value(mlir::arith::DivUIOp::create(*this, a, index(b)));
  }
  Value rem(Value a, int64_t b) {
    return b == 1 ? index(0)
                  : Value(mlir::arith::RemUIOp::create(*this, a, index(b)));
  }
  Value rem(Value a, Value b) {
    return mlir::arith::RemUIOp::create(*this, a, b);
  }

  Value toIndex(Value integer) {
    return mlir::arith::IndexCastOp::create(*this, getIndexType(), integer);
  }
  Value toI32(Value index) {
    return mlir::arith::IndexCastOp::create(*this, getI32Type(), index);
  }

  /// `lanes` consecutive elements of the innermost dimension.
  Value read(Value tensor, ValueRange indices, int64_t lanes) {
    auto element =
        mlir::cast<mlir::ShapedType>(tensor.getType()).getElementType();
    return mlir::vector::TransferReadOp::create(
        *this, vector(lanes, element), tensor, indices,
        /*padding=*/std::nullopt, llvm::ArrayRef<bool>{true});
  }
  /// `tensor` with the vector written over consecutive elements.
  Value write(Value vec, Value tensor, ValueRange indices) {
    return mlir::vector::TransferWriteOp::create(*this, vec, tensor, indices,
                                                 llvm::ArrayRef<bool>{true})
        .getResult();
  }
  Value extract(Value tensor, ValueRange indices) {
    return mlir::tensor::ExtractOp::create(*this, tensor, indices);
  }
  Value insert(Value scalar, Value tensor, ValueRange indices) {
    return mlir::tensor::InsertOp::create(*this, scalar, tensor, indices);
  }
  Value dim(Value tensor, int64_t position) {
    mlir::RankedTensorType type = typeOf(tensor);
    if (!type.isDynamicDim(position))
      return index(type.getDimSize(position));
    return mlir::tensor::DimOp::create(*this, tensor, position);
  }
  /// An uninitialised tensor whose dynamic leading dimension is `rows`.
  Value empty(mlir::RankedTensorType type, Value rows) {
    llvm::SmallVector<Value> dynamic;
    if (type.getNumDynamicDims() != 0)
      dynamic.push_back(rows);
    return mlir::tensor::EmptyOp::create(*this, type, dynamic);
  }
  Value empty(int64_t size, mlir::Type element) {
    return mlir::tensor::EmptyOp::create(*this, llvm::ArrayRef<int64_t>{size},
                                         element);
  }

  /// `vec` with `part` in place of the lanes from `first` on.
  Value insertLanes(Value part, Value vec, int64_t first) {
    return mlir::vector::InsertStridedSliceOp::create(
        *this, part, vec, llvm::ArrayRef<int64_t>{first},
        llvm::ArrayRef<int64_t>{1});
  }

  /// A vector of f32, bf16 or f16 as f32.
  Value widen(Value vec);
  /// A vector of f32 rounded to `element`, which is f32, bf16 or f16: to the
  /// nearest, ties to even.
  Value narrow(Value vec, mlir::Type element);

  /// Sum of the lanes. Those of f32 are added as a tree, the upper half to the
  /// lower one: every target has the same order.
  Value reduceAdd(Value vec);
  Value reduceMax(Value vec) {
    return mlir::vector::ReductionOp::create(
        *this, mlir::vector::CombiningKind::MAXNUMF, vec,
        mlir::arith::FastMathFlags::nnan | mlir::arith::FastMathFlags::reassoc);
  }

  /// `cap * tanh(x / cap)` of a vector.
  Value softcap(Value vec, double cap);

  using LoopBody = llvm::function_ref<llvm::SmallVector<Value>(
      KernelBuilder &, Value, ValueRange)>;
  /// `scf.for` with loop-carried values; returns their final values.
  llvm::SmallVector<Value> loop(Value lower, Value upper, int64_t step,
                                ValueRange carried, LoopBody body) {
    auto op = mlir::scf::ForOp::create(
        *this, lower, upper, index(step), carried,
        [&](OpBuilder &b, mlir::Location loc, Value iv, ValueRange args) {
          KernelBuilder inner(loc, b);
          mlir::scf::YieldOp::create(inner, body(inner, iv, args));
        });
    return llvm::to_vector_of<Value>(op.getResults());
  }

  /// Where a piece of a result goes: offsets, and sizes (1 or the extent).
  struct Slice {
    llvm::SmallVector<mlir::OpFoldResult> offsets, sizes;
  };
  /// Row `iv` of a `[T, width]` output.
  Slice rowSlice(Value iv, int64_t width) {
    return {{iv, getIndexAttr(0)}, {getIndexAttr(1), getIndexAttr(width)}};
  }
  using ForallBody = llvm::function_ref<llvm::SmallVector<Value>(
      KernelBuilder &, Value, ValueRange)>;
  using ForallSlices =
      llvm::function_ref<llvm::SmallVector<Slice>(KernelBuilder &, Value)>;
  /// `scf.forall` over `[0, count)`. `slices` names, for each output, the
  /// piece that an iteration owns; `body` gets those pieces as rank-1 tensors
  /// (all unit dimensions dropped, the others kept) and returns them filled.
  llvm::SmallVector<Value> forall(Value count, ValueRange outputs,
                                  ForallSlices slices, ForallBody body);

private:
  static bool isFloat(Value value) {
    return mlir::isa<mlir::FloatType>(mlir::getElementTypeOrSelf(value));
  }
};

} // namespace flow::cpu

#endif // FLOW_LIB_CODEGEN_CPU_KERNELBUILDER_H
