// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Moves the bodies of parallel loops into functions for the thread pool.

#include "flow/Codegen/CPU/Passes.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_OUTLINEPARALLEL
#include "flow/Codegen/CPU/Passes.h.inc"
} // namespace flow

namespace {

/// How a captured value travels in the closure.
struct Capture {
  Value value;
  Type stored;
};

class LoopOutliner {
public:
  explicit LoopOutliner(ModuleOp module)
      : module(module), symbols(module), converter(module.getContext()) {}

  LogicalResult outline(scf::ForallOp loop);

private:
  SmallVector<Capture> captures(scf::ForallOp loop,
                                SmallVectorImpl<Operation *> &constants);
  func::FuncOp buildKernel(scf::ForallOp loop, ArrayRef<Capture> captured,
                           ArrayRef<Operation *> constants, Type closureType);
  void callKernel(scf::ForallOp loop, func::FuncOp kernel,
                  ArrayRef<Capture> captured, Type closureType, Value context);
  func::FuncOp shared(func::FuncOp kernel);

  Value toStored(ImplicitLocOpBuilder &b, const Capture &capture) {
    if (capture.value.getType() == capture.stored)
      return capture.value;
    if (capture.value.getType().isIndex())
      return arith::IndexCastOp::create(b, capture.stored, capture.value);
    return UnrealizedConversionCastOp::create(b, capture.stored, capture.value)
        .getResult(0);
  }
  Value fromStored(ImplicitLocOpBuilder &b, const Capture &capture,
                   Value stored) {
    Type type = capture.value.getType();
    if (type == capture.stored)
      return stored;
    if (type.isIndex())
      return arith::IndexCastOp::create(b, type, stored);
    return UnrealizedConversionCastOp::create(b, type, stored).getResult(0);
  }

  ModuleOp module;
  SymbolTable symbols;
  LLVMTypeConverter converter;
  /// Kernels by their text without name.
  llvm::StringMap<func::FuncOp> kernels;
};

SmallVector<Capture>
LoopOutliner::captures(scf::ForallOp loop,
                       SmallVectorImpl<Operation *> &constants) {
  llvm::SetVector<Value> above;
  getUsedValuesDefinedAbove(loop.getRegion(), above);
  SmallVector<Capture> captured;
  for (Value value : above) {
    if (Operation *op = value.getDefiningOp();
        op && matchPattern(op, m_Constant())) {
      constants.push_back(op);
      continue;
    }
    captured.push_back({value, converter.convertType(value.getType())});
  }
  return captured;
}

/// Buffers of static shape that one iteration allocates become stack memory of
/// the function, above the loop: an alloca inside it would grow the stack.
void hoistLocalBuffers(func::FuncOp kernel) {
  SmallVector<memref::AllocOp> allocs;
  kernel.walk([&](memref::AllocOp alloc) {
    if (alloc.getType().hasStaticShape())
      allocs.push_back(alloc);
  });
  for (memref::AllocOp alloc : allocs) {
    for (Operation *user : llvm::make_early_inc_range(alloc->getUsers()))
      if (isa<memref::DeallocOp>(user))
        user->erase();
    OpBuilder b = OpBuilder::atBlockBegin(&kernel.front());
    auto local = memref::AllocaOp::create(b, alloc.getLoc(), alloc.getType(),
                                          b.getI64IntegerAttr(64));
    alloc.replaceAllUsesWith(local.getResult());
    alloc.erase();
  }
}

/// The symbol of the kernel of `loop`: its function and, where the location has
/// a name such as `layer0/attention/o`, what is not the function's own there.
std::string kernelName(scf::ForallOp loop) {
  StringRef stage;
  loop.getLoc()->walk([&](Location part) {
    auto named = dyn_cast<NameLoc>(part);
    if (!named)
      return WalkResult::advance();
    stage = named.getName().strref().split('/').second;
    return WalkResult::interrupt();
  });
  std::string symbol = (loop->getParentOfType<func::FuncOp>().getName() + "_" +
                        (stage.empty() ? "kernel" : stage))
                           .str();
  // Profilers and linkers should not have to quote it.
  std::replace_if(
      symbol.begin(), symbol.end(), [](char c) { return !llvm::isAlnum(c); },
      '_');
  return symbol;
}

func::FuncOp LoopOutliner::buildKernel(scf::ForallOp loop,
                                       ArrayRef<Capture> captured,
                                       ArrayRef<Operation *> constants,
                                       Type closureType) {
  auto function = loop->getParentOfType<func::FuncOp>();
  ImplicitLocOpBuilder b(loop.getLoc(), module.getContext());
  b.setInsertionPointAfter(function);
  Type pointer = LLVM::LLVMPointerType::get(module.getContext());
  auto kernel = func::FuncOp::create(
      b, kernelName(loop),
      b.getFunctionType({pointer, b.getI64Type(), b.getI64Type()}, {}));
  kernel.setPrivate();
  Block *entry = kernel.addEntryBlock();
  b.setInsertionPointToStart(entry);

  IRMapping mapping;
  for (Operation *constant : constants)
    b.clone(*constant, mapping);
  for (auto [position, capture] : llvm::enumerate(captured)) {
    Value address = LLVM::GEPOp::create(
        b, pointer, closureType, entry->getArgument(0),
        ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(position)});
    Value stored = LLVM::LoadOp::create(b, capture.stored, address);
    mapping.map(capture.value, fromStored(b, capture, stored));
  }
  auto toIndex = [&](Value v) {
    return arith::IndexCastOp::create(b, b.getIndexType(), v).getResult();
  };
  Value begin = toIndex(entry->getArgument(1));
  Value end = toIndex(entry->getArgument(2));
  Value one = arith::ConstantIndexOp::create(b, 1);
  auto range = scf::ForOp::create(b, begin, end, one);
  func::ReturnOp::create(b);

  b.setInsertionPointToStart(range.getBody());
  mapping.map(loop.getInductionVar(0), range.getInductionVar());
  for (Operation &op : loop.getBody()->without_terminator())
    b.clone(op, mapping);
  hoistLocalBuffers(kernel);
  return kernel;
}

func::FuncOp LoopOutliner::shared(func::FuncOp kernel) {
  // The text without the name: structurally equal kernels are one kernel.
  std::string name = kernel.getName().str(), text;
  kernel.setName("kernel");
  llvm::raw_string_ostream stream(text);
  kernel->print(stream, OpPrintingFlags().useLocalScope());
  auto [entry, inserted] = kernels.try_emplace(text, kernel);
  if (!inserted) {
    kernel.erase();
    return entry->second;
  }
  kernel.setName(name);
  symbols.insert(kernel);
  return kernel;
}

void LoopOutliner::callKernel(scf::ForallOp loop, func::FuncOp kernel,
                              ArrayRef<Capture> captured, Type closureType,
                              Value context) {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  Type pointer = LLVM::LLVMPointerType::get(module.getContext());
  auto function = loop->getParentOfType<func::FuncOp>();
  Value closure;
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&function.front());
    Value one =
        LLVM::ConstantOp::create(b, b.getI64Type(), b.getI64IntegerAttr(1));
    closure = LLVM::AllocaOp::create(b, pointer, closureType, one);
  }
  for (auto [position, capture] : llvm::enumerate(captured)) {
    Value address = LLVM::GEPOp::create(
        b, pointer, closureType, closure,
        ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(position)});
    LLVM::StoreOp::create(b, toStored(b, capture), address);
  }
  Value upper = getValueOrCreateConstantIndexOp(
      b, b.getLoc(), loop.getMixedUpperBound().front());
  Value count = arith::IndexCastOp::create(b, b.getI64Type(), upper);
  Value symbol = func::ConstantOp::create(b, kernel.getFunctionType(),
                                          FlatSymbolRefAttr::get(kernel));
  Value body =
      UnrealizedConversionCastOp::create(b, pointer, symbol).getResult(0);
  // The first word of the context is the function that runs a loop.
  Value run = LLVM::LoadOp::create(b, pointer, context);
  auto type =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(module.getContext()),
                                  {pointer, b.getI64Type(), pointer, pointer});
  LLVM::CallOp::create(b, type, ValueRange{run, context, count, body, closure});
}

LogicalResult LoopOutliner::outline(scf::ForallOp loop) {
  auto function = loop->getParentOfType<func::FuncOp>();
  Block *entry = &function.front();
  if (loop.getNumResults() != 0 || loop.getRank() != 1 || !loop.isNormalized())
    return loop.emitOpError("must be one loop from 0 in steps of 1 without "
                            "results to be outlined");
  if (entry->getNumArguments() == 0 ||
      !isa<LLVM::LLVMPointerType>(entry->getArgument(0).getType()))
    return function.emitOpError("must have the runtime context as its first "
                                "argument to hold a parallel loop");
  SmallVector<Operation *> constants;
  SmallVector<Capture> captured = captures(loop, constants);
  SmallVector<Type> fields;
  for (const Capture &capture : captured) {
    if (!capture.stored)
      return loop.emitOpError("uses a value that no closure can hold: ")
             << capture.value.getType();
    fields.push_back(capture.stored);
  }
  Type closureType =
      LLVM::LLVMStructType::getLiteral(module.getContext(), fields);
  func::FuncOp kernel =
      shared(buildKernel(loop, captured, constants, closureType));
  callKernel(loop, kernel, captured, closureType, entry->getArgument(0));
  loop.erase();
  return success();
}

struct OutlineParallel : flow::impl::OutlineParallelBase<OutlineParallel> {
  void runOnOperation() override {
    SmallVector<scf::ForallOp> loops;
    getOperation()->walk([&](scf::ForallOp loop) { loops.push_back(loop); });
    LoopOutliner outliner(getOperation());
    for (scf::ForallOp loop : loops)
      if (failed(outliner.outline(loop)))
        return signalPassFailure();
  }
};
} // namespace
