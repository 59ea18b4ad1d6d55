// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// reduce-module: no idle symbols, an early end of functions, arguments in the
// place of ops. Each change is made to a copy of the module and tested there.

#include "ReduceModule.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Reducer/Tester.h"

using namespace mlir;

namespace {

/// Erases the ops from `begin` to `end` of the body of `parent`. Where others
/// read them, that makes no valid module, and the test says so.
void eraseOps(Operation *parent, int64_t begin, int64_t end) {
  Block &block = parent->getRegion(0).front();
  auto next = std::next(block.begin(), begin);
  for (; begin < end; ++begin) {
    Operation &op = *next++;
    op.dropAllUses();
    op.erase();
  }
}

Operation &opAt(func::FuncOp function, int64_t index) {
  return *std::next(function.getBody().front().begin(), index);
}

/// Returns the results of op `index` and forgets what came after it.
void endAfter(func::FuncOp function, int64_t index) {
  Block &block = function.getBody().front();
  Operation &last = opAt(function, index);
  while (&block.back() != &last)
    block.back().erase();
  (void)function.eraseResults(llvm::BitVector(function.getNumResults(), true));
  for (auto [position, type] : llvm::enumerate(last.getResultTypes()))
    (void)function.insertResult(position, type, {});
  OpBuilder builder = OpBuilder::atBlockEnd(&block);
  func::ReturnOp::create(builder, last.getLoc(), last.getResults());
}

void replaceByArguments(func::FuncOp function, int64_t index) {
  Operation &op = opAt(function, index);
  for (OpResult result : op.getResults()) {
    unsigned position = function.getNumArguments();
    (void)function.insertArgument(position, result.getType(), {},
                                  result.getLoc());
    result.replaceAllUsesWith(function.getArgument(position));
  }
  op.erase();
}

/// Erases op `index` and before it all that nothing reads then.
void eraseIdleOps(func::FuncOp function, int64_t index) {
  for (; index >= 0; --index)
    if (Operation &op = opAt(function, index); op.use_empty())
      op.erase();
}

llvm::BitVector idleArguments(func::FuncOp function) {
  llvm::BitVector idle(function.getNumArguments());
  for (BlockArgument argument : function.getArguments())
    idle[argument.getArgNumber()] = argument.use_empty();
  return idle;
}

struct ReduceModule : PassWrapper<ReduceModule, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ReduceModule)

  ReduceModule() = default;
  ReduceModule(const ReduceModule &other) : PassWrapper(other) {}

  StringRef getArgument() const override { return "reduce-module"; }
  StringRef getDescription() const override {
    return "Reduce models and functions to what is of interest";
  }

  void runOnOperation() override {
    tester = Tester(script, scriptArguments);
    ModuleOp module = getOperation();
    if (!isInteresting(module)) {
      module.emitError(
          "the module is of no interest to the test, which exits with 0");
      return signalPassFailure();
    }
    module.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (auto function = dyn_cast<func::FuncOp>(op))
        reduceFunction(function);
      else if (op->hasTrait<OpTrait::SymbolTable>() &&
               op->hasTrait<OpTrait::NoTerminator>())
        eraseParts(op);
    });
  }

private:
  bool isInteresting(ModuleOp module) const {
    return tester.isInteresting(module).first == Tester::Interestingness::True;
  }

  /// Changes `op` if the module is of interest then too.
  template <typename Op>
  bool tryTo(llvm::function_ref<void(Op)> change, Op op) {
    IRMapping copies;
    OwningOpRef<ModuleOp> trial(cast<ModuleOp>(getOperation()->clone(copies)));
    Operation *copy = copies.lookup(static_cast<Operation *>(op));
    change(cast<Op>(copy));
    if (!isInteresting(*trial))
      return false;
    change(op);
    return true;
  }

  /// Erases ops of the body of `parent`, many at a time and then few, the last
  /// first: as a rule they name earlier ones.
  void eraseParts(Operation *parent) {
    Block &block = parent->getRegion(0).front();
    for (int64_t size = block.getOperations().size(); size > 0; size /= 2)
      for (int64_t end = block.getOperations().size(); end > 0; end -= size) {
        int64_t begin = std::max<int64_t>(0, end - size);
        tryTo<Operation *>([=](Operation *op) { eraseOps(op, begin, end); },
                           parent);
      }
  }

  /// Ends `function` as early as can be, found by halves: what ends later is as
  /// a rule of interest too.
  void endEarly(func::FuncOp function) {
    int64_t low = 0;
    int64_t high = function.getBody().front().getOperations().size() - 1;
    while (low < high) {
      int64_t middle = low + (high - low) / 2;
      if (tryTo<func::FuncOp>([=](func::FuncOp f) { endAfter(f, middle); },
                              function))
        high = middle;
      else
        low = middle + 1;
    }
  }

  void reduceFunction(func::FuncOp function) {
    if (!function.getBody().hasOneBlock())
      return;
    auto attempt = [&](llvm::function_ref<void(func::FuncOp)> change) {
      return tryTo<func::FuncOp>(change, function);
    };
    endEarly(function);
    Block &block = function.getBody().front();
    for (int64_t index = block.getOperations().size() - 2; index >= 0;) {
      int64_t before = block.getOperations().size();
      if (!opAt(function, index).use_empty())
        attempt([=](func::FuncOp f) { replaceByArguments(f, index); });
      else if (!attempt([=](func::FuncOp f) { eraseIdleOps(f, index); }))
        attempt([=](func::FuncOp f) { opAt(f, index).erase(); });
      // All that went had not been tried but for this op.
      int64_t erased = before - block.getOperations().size();
      index -= std::max<int64_t>(erased, 1);
    }
    llvm::BitVector idle = idleArguments(function);
    if (idle.any())
      attempt([&](func::FuncOp f) { (void)f.eraseArguments(idle); });
  }

  Tester tester;
  Option<std::string> script{
      *this, "test",
      llvm::cl::desc("The program that tests whether a file is of interest")};
  ListOption<std::string> scriptArguments{
      *this, "test-arg", llvm::cl::desc("Arguments of the program")};
};

} // namespace

void flow::registerReduceModule() { PassRegistration<ReduceModule>(); }
