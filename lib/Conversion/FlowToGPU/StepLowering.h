// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Makes launches of kernels of the stages of a step.

#ifndef FLOW_LIB_CONVERSION_FLOWTOGPU_STEPLOWERING_H
#define FLOW_LIB_CONVERSION_FLOWTOGPU_STEPLOWERING_H

#include "RowFusion.h"
#include "flow/Codegen/GPU/Kernels.h"
#include "flow/IR/FlowOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace flow {

/// The module of all kernels.
constexpr llvm::StringLiteral kKernels = "kernels";

/// How a weight of `type` lies in the memory of a device.
cuda::WeightFormat formatOf(mlir::RankedTensorType type);

/// Lowers one step in place.
class StepLowering {
public:
  StepLowering(mlir::func::FuncOp step, const cuda::KernelTarget &target)
      : step(step), target(target), b(step.getContext()) {}

  mlir::LogicalResult run();

private:
  mlir::LogicalResult lower(mlir::Operation &op);
  mlir::LogicalResult lower(WeightRefOp op);
  mlir::LogicalResult lower(CacheRefOp op);
  mlir::LogicalResult lower(EmbedOp op);
  mlir::LogicalResult lower(RopeAnglesOp op);
  mlir::LogicalResult lower(RmsNormOp op);
  mlir::LogicalResult lower(AddRmsNormOp op);
  mlir::LogicalResult lower(LinearOp op);
  mlir::LogicalResult lower(LmHeadOp op);
  mlir::LogicalResult lower(LmHeadTopKOp op);
  mlir::LogicalResult lower(GatedMlpOp op);
  mlir::LogicalResult lower(RouterOp op);
  mlir::LogicalResult lower(GroupedMlpOp op);
  mlir::LogicalResult lower(QkvRopeAppendOp op);
  mlir::LogicalResult lower(AttentionOp op);
  mlir::LogicalResult lower(QuantizeRowsOp op);
  mlir::LogicalResult lower(mlir::arith::AddFOp op);
  mlir::LogicalResult lower(PerLayerGateOp op);
  mlir::LogicalResult lower(RopeOp op);
  mlir::LogicalResult lower(mlir::tensor::ExpandShapeOp op);
  mlir::LogicalResult lower(mlir::tensor::CollapseShapeOp op);
  mlir::LogicalResult lower(mlir::tensor::ExtractSliceOp op);
  mlir::LogicalResult lower(mlir::func::ReturnOp op);

  /// What became of `value`.
  mlir::Value now(mlir::Value value) {
    auto found = lowered.find(value);
    return found == lowered.end() ? value : found->second;
  }
  mlir::Type bf16() { return b.getBF16Type(); }
  mlir::Type f32() { return b.getF32Type(); }
  /// Rows like those of `rows`, of another width and type.
  mlir::RankedTensorType rowsLike(mlir::Value rows, int64_t width,
                                  mlir::Type element) {
    return mlir::RankedTensorType::get({typeOf(rows).getDimSize(0), width},
                                       element);
  }
  mlir::Value weight(WeightRefOp ref, mlir::Type element);
  /// The same of a weight that keeps the layout it has.
  mlir::Value weight(WeightRefOp ref, mlir::RankedTensorType type);
  /// The weight of a product, as bf16 or in blocks; null after an error.
  mlir::Value productWeight(mlir::Operation *op, mlir::Value operand);
  mlir::FailureOr<cuda::RowNorm> normOf(mlir::Operation *op,
                                        mlir::RankedTensorType result,
                                        const llvm::APFloat &eps,
                                        bool hasWeight);
  /// A sum and its norm: the kernel, what it is given, the sum.
  struct SumOfRow {
    cuda::SumNorm norm;
    llvm::SmallVector<mlir::Value> inputs;
    mlir::Value sum;
  };
  /// `rows` by `weight`; null after an error. With `made`, the product makes
  /// the row that it reads, and `rows` are as many.
  mlir::Value product(mlir::Operation *op, mlir::Value rows, mlir::Value weight,
                      cuda::Epilogue epilogue, double cap = 0,
                      const SumOfRow *made = nullptr);
  /// The logits of `rows`; null after an error.
  mlir::Value logits(mlir::Operation *op, mlir::Value rows, mlir::Value table,
                     std::optional<llvm::APFloat> cap);
  mlir::FailureOr<SumOfRow> sumOf(AddRmsNormOp op);
  mlir::FailureOr<SumOfRow> sumOf(RmsNormOp op);
  SumOfRow sumOf(mlir::arith::AddFOp op);
  /// `inputs` of f32 element by element.
  mlir::FailureOr<mlir::Value> elements(mlir::Operation *op,
                                        cuda::ElementOp kind,
                                        llvm::ArrayRef<mlir::Value> inputs);
  /// Gives `attention` the spans of `op`, if it has any.
  mlir::LogicalResult setSpans(AttentionOp op, cuda::Attention &attention);
  /// Whether `op` reads where the step's rows stand from its own arguments.
  mlir::LogicalResult checkStep(mlir::Operation *op, mlir::Value start,
                                mlir::Value rows);

  struct Arguments {
    llvm::SmallVector<mlir::Value> inputs, updates;
    bool readsStep = false, readsCapacity = false;
  };
  /// Heads that a kernel of attention makes. Without an op that appends, they
  /// are queries alone.
  struct FusedHeads {
    QkvRopeAppendOp append;
    cuda::HeadRows rows;
    Arguments arguments;
  };
  mlir::ResultRange launch(mlir::Location loc, const cuda::KernelLaunch &kernel,
                           const Arguments &arguments, mlir::TypeRange results);
  /// What launches kernels for `op`.
  auto launcherOf(mlir::Operation *op) {
    return [this, op](const cuda::KernelLaunch &kernel,
                      llvm::ArrayRef<mlir::Value> inputs, bool readsStep,
                      mlir::TypeRange types) {
      Arguments arguments;
      llvm::append_range(arguments.inputs, inputs);
      arguments.readsStep = readsStep;
      return launch(op->getLoc(), kernel, arguments, types);
    };
  }

  mlir::func::FuncOp step;
  const cuda::KernelTarget &target;
  mlir::OpBuilder b;
  llvm::DenseMap<mlir::Value, mlir::Value> lowered;
  llvm::DenseMap<mlir::Operation *, FusedHeads> headsOfAttention;
  llvm::DenseMap<std::pair<mlir::Attribute, mlir::Type>, mlir::Value> weights;
  llvm::SmallVector<mlir::Operation *> replaced;
};

} // namespace flow

#endif // FLOW_LIB_CONVERSION_FLOWTOGPU_STEPLOWERING_H
