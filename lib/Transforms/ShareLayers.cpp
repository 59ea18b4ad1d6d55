// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Outlines one function for each class of layers.

#include "StageNames.h"
#include "flow/IR/FlowOps.h"
#include "flow/Transforms/Passes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_SHARELAYERS
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-share-layers";

static remark::RemarkOpts named(StringRef name) {
  return remark::RemarkOpts::name(name).category(kCategory);
}

namespace {

/// References and inputs, which the runtime makes itself.
bool isScheduleInput(Operation *op) {
  return isa<WeightRefOp, CacheRefOp, EmbedOp, RopeAnglesOp>(op);
}

bool areScalars(TypeRange types) {
  return llvm::all_of(types,
                      [](Type type) { return type.isIntOrIndexOrFloat(); });
}

/// Ops that make scalars of anything, without effects. They stay in the
/// schedule.
bool isScalarOp(Operation *op) {
  return op->getNumResults() != 0 && op->getNumRegions() == 0 &&
         isMemoryEffectFree(op) && areScalars(op->getResultTypes());
}

/// Scalars of scalars: each function makes them for itself.
bool isScalarArithmetic(Operation *op) {
  return isScalarOp(op) && areScalars(op->getOperandTypes());
}

/// Neighbouring stages of one layer.
struct Group {
  StringRef name;
  SmallVector<Operation *> ops;
};

/// What outlining made: the function, not yet in the module, and the values to
/// call it with and to replace.
struct Outlined {
  func::FuncOp function;
  SmallVector<Value> arguments, results;
};

/// A function and the layers that it serves.
struct LayerClass {
  func::FuncOp function;
  SmallVector<StringRef> members;
};

class StepOutliner {
public:
  StepOutliner(mlir::SymbolTable &symbols, func::FuncOp step)
      : symbols(symbols), step(step), lastFunction(step) {}

  void run();

private:
  void sinkViews();
  SmallVector<Group> collectGroups();
  Outlined outline(const Group &group);
  func::FuncOp addToClass(func::FuncOp function, StringRef group);

  mlir::SymbolTable &symbols;
  func::FuncOp step;
  /// Functions follow the step in the order of their layers.
  Operation *lastFunction;
  SmallVector<LayerClass> classes;
};

/// True if `op` or an op inside it reads a result of `group`.
bool readsFrom(Operation *op, const Group &group) {
  return llvm::any_of(group.ops, [&](Operation *member) {
    return llvm::any_of(member->getUsers(),
                        [&](Operation *user) { return op->isAncestor(user); });
  });
}

/// True if `op` is a row or a layout of rows that the runtime makes. Such a
/// value can only leave a function as a copy, or not at all.
bool isViewOfInput(Operation *op) {
  if (!isa<tensor::ExtractSliceOp, QuantizeRowsOp>(op))
    return false;
  Operation *source = op->getOperand(0).getDefiningOp();
  return !source || isScheduleInput(source) || isViewOfInput(source);
}

/// Gives each group that reads a view of an input one of its own.
void StepOutliner::sinkViews() {
  Block &block = step.front();
  // Views of views come after them.
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
    if (!isViewOfInput(&op))
      continue;
    llvm::StringMap<Operation *> copies;
    for (OpOperand &use : llvm::make_early_inc_range(op.getUses())) {
      Operation *user = block.findAncestorOpInBlock(*use.getOwner());
      StringRef group = getStageGroup(user->getLoc());
      if (group.empty() || group == getStageGroup(op.getLoc()))
        continue;
      Operation *&copy = copies[group];
      if (!copy) {
        copy = op.clone();
        copy->setLoc(user->getLoc());
        block.getOperations().insert(user->getIterator(), copy);
      } else if (user->isBeforeInBlock(copy)) {
        copy->moveBefore(user);
      }
      use.set(copy->getResult(0));
    }
    if (op.use_empty())
      op.erase();
  }
}

SmallVector<Group> StepOutliner::collectGroups() {
  SmallVector<Group> groups;
  // A call stands where the last stage of its group stood. An op between that
  // reads an earlier stage, or has effects, would come too early: it ends the
  // group.
  bool open = false;
  for (Operation &op : step.front().without_terminator()) {
    bool stays = isScheduleInput(&op) || isScalarOp(&op);
    StringRef name = stays || isa<func::CallOp>(op)
                         ? StringRef()
                         : getStageGroup(op.getLoc());
    if (name.empty()) {
      bool effects = !stays && !isMemoryEffectFree(&op);
      open = open && !effects && !readsFrom(&op, groups.back());
      continue;
    }
    if (!open || groups.back().name != name)
      groups.push_back({name, {}});
    open = true;
    groups.back().ops.push_back(&op);
  }
  return groups;
}

/// Fills the function of a group: stages, and what they need from outside.
class FunctionFiller {
public:
  explicit FunctionFiller(Block *entry)
      : entry(entry), b(OpBuilder::atBlockBegin(entry)) {}

  void add(Operation *stage) {
    llvm::SetVector<Value> inputs(stage->operand_begin(), stage->operand_end());
    getUsedValuesDefinedAbove(stage->getRegions(), inputs);
    for (Value input : inputs)
      import(input);
    b.clone(*stage, mapping);
  }
  Value lookup(Value value) const { return mapping.lookup(value); }

  /// The values to call with, in the order of the arguments.
  SmallVector<Value> arguments;

private:
  void addArgument(Value value) {
    arguments.push_back(value);
    mapping.map(value, entry->addArgument(value.getType(), value.getLoc()));
  }
  void import(Value value);

  Block *entry;
  OpBuilder b;
  IRMapping mapping;
};

/// Makes `value` known inside: scalar arithmetic by cloning it, down to values
/// that the schedule hands over.
void FunctionFiller::import(Value value) {
  SmallVector<Value> pending{value};
  while (!pending.empty()) {
    Value next = pending.back();
    Operation *op = next.getDefiningOp();
    if (mapping.contains(next)) {
      pending.pop_back();
      continue;
    }
    if (!op || !isScalarArithmetic(op)) {
      addArgument(next);
      pending.pop_back();
      continue;
    }
    size_t known = pending.size();
    for (Value operand : llvm::reverse(op->getOperands()))
      if (!mapping.contains(operand))
        pending.push_back(operand);
    if (pending.size() == known)
      b.clone(*op, mapping);
  }
}

Outlined StepOutliner::outline(const Group &group) {
  Location loc = group.ops.front()->getLoc();
  OpBuilder b(step->getContext());
  auto function =
      func::FuncOp::create(loc, (step.getName() + "_" + group.name).str(),
                           b.getFunctionType({}, {}));
  function.setPrivate();
  function->setAttr("flow.class", b.getStringAttr(group.name));
  Block *entry = b.createBlock(&function.getBody());
  FunctionFiller filler(entry);

  Outlined outlined{function, {}, {}};
  for (Operation *op : group.ops)
    filler.add(op);
  llvm::SmallPtrSet<Operation *, 32> inside(group.ops.begin(), group.ops.end());
  auto isOutside = [&](Operation *user) {
    return !inside.count(step.front().findAncestorOpInBlock(*user));
  };
  // A cache is written in place: it leaves the function whether or not a later
  // stage of the step reads it, and always last, so that a layer whose cache
  // others share is of the class of those whose cache is their own.
  SmallVector<Value> caches;
  for (Operation *op : group.ops) {
    auto results = op->getResults();
    if (isa<KvAppendOp, QkvRopeAppendOp>(op)) {
      llvm::append_range(caches, results.take_back(2));
      results = results.drop_back(2);
    }
    for (Value result : results)
      if (llvm::any_of(result.getUsers(), isOutside))
        outlined.results.push_back(result);
  }
  llvm::append_range(outlined.results, caches);

  SmallVector<Value> returned;
  for (Value result : outlined.results)
    returned.push_back(filler.lookup(result));
  b.setInsertionPointToEnd(entry);
  func::ReturnOp::create(b, loc, returned);
  function.setFunctionType(b.getFunctionType(entry->getArgumentTypes(),
                                             ValueRange(returned).getTypes()));
  outlined.arguments = std::move(filler.arguments);
  return outlined;
}

/// The function that serves `group`: an equal one that is there already, or
/// `function`, which is then in the module.
func::FuncOp StepOutliner::addToClass(func::FuncOp function, StringRef group) {
  for (LayerClass &known : classes)
    if (known.function.getFunctionType() == function.getFunctionType() &&
        OperationEquivalence::isRegionEquivalentTo(
            &known.function.getBody(), &function.getBody(),
            OperationEquivalence::IgnoreLocations)) {
      known.members.push_back(group);
      function.erase();
      return known.function;
    }
  symbols.insert(function, ++Block::iterator(lastFunction));
  lastFunction = function;
  classes.push_back({function, {group}});
  return function;
}

void StepOutliner::run() {
  sinkViews();
  SmallVector<Group> groups = collectGroups();
  if (groups.empty()) {
    remark::missed(step.getLoc(), named("layers-not-shared")) << remark::reason(
        "@{0} has no stages with the name of a layer", step.getName());
    return;
  }
  for (const Group &group : groups) {
    Outlined outlined = outline(group);
    func::FuncOp function = addToClass(outlined.function, group.name);
    OpBuilder b(step->getContext());
    b.setInsertionPointAfter(group.ops.back());
    auto call =
        func::CallOp::create(b, NameLoc::get(b.getStringAttr(group.name)),
                             function, outlined.arguments);
    for (auto [old, fresh] :
         llvm::zip_equal(outlined.results, call.getResults()))
      old.replaceAllUsesWith(fresh);
    for (Operation *op : llvm::reverse(group.ops))
      op->erase();
  }
  for (LayerClass &known : classes)
    remark::passed(known.function.getLoc(), named("layers-shared"))
        << remark::add("@{0} serves {1}", known.function.getName(),
                       llvm::join(known.members, ", "));
  for (Operation &op : step.front())
    if (isa_and_nonnull<FlowDialect>(op.getDialect()) && !isScheduleInput(&op))
      remark::missed(op.getLoc(), named("stage-not-shared"))
          << remark::reason("{0} has no layer's name: it stays in @{1}",
                            op.getName().getStringRef(), step.getName());
  remark::analysis(step.getLoc(), named("layer-classes"))
      << remark::metric("layers", static_cast<int64_t>(groups.size()))
      << remark::metric("classes", static_cast<int64_t>(classes.size()));
}

struct ShareLayers : flow::impl::ShareLayersBase<ShareLayers> {
  void runOnOperation() override {
    SmallVector<func::FuncOp> steps;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal() && !function->hasAttr("flow.class"))
        steps.push_back(function);
    mlir::SymbolTable symbols(getOperation());
    for (func::FuncOp step : steps) {
      if (!llvm::hasSingleElement(step.getBody())) {
        remark::missed(step.getLoc(), named("layers-not-shared"))
            << remark::reason("@{0} has branches", step.getName());
        continue;
      }
      StepOutliner(symbols, step).run();
      eraseDeadOps(step);
    }
  }

  /// References and scalars that only the outlined stages needed.
  static void eraseDeadOps(func::FuncOp step) {
    for (Operation &op :
         llvm::make_early_inc_range(llvm::reverse(step.front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  }
};
} // namespace
