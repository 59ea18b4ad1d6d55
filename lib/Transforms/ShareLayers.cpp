// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Outlines one function for each class of layers.

#include "StageNames.h"
#include "flow/IR/FlowOps.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/MapVector.h"
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

/// Ops that stay in the schedule: what the runtime does itself.
bool isScheduleOp(Operation *op) {
  return isa<WeightRefOp, CacheRefOp, EmbedOp, RopeAnglesOp, func::ReturnOp,
             func::CallOp>(op);
}

/// Scalar arithmetic and constants, which each function makes for itself.
bool isScalarOp(Operation *op) {
  return op->getNumRegions() == 0 && isMemoryEffectFree(op) &&
         llvm::all_of(op->getResultTypes(),
                      [](Type type) { return type.isIntOrIndexOrFloat(); });
}

/// Neighbouring stages of one layer.
struct Group {
  StringRef name;
  SmallVector<Operation *> ops;
};

/// What outlining made: the function, and the values to call it with.
struct Outlined {
  func::FuncOp function;
  SmallVector<Value> arguments, results;
};

class StepOutliner {
public:
  StepOutliner(ModuleOp module, func::FuncOp step)
      : module(module), step(step) {}

  void run();

private:
  SmallVector<Group> collectGroups();
  Outlined outline(const Group &group);
  void cloneScalar(OpBuilder &b, Value value, IRMapping &mapping,
                   llvm::SetVector<Value> &arguments, Block *entry);

  ModuleOp module;
  func::FuncOp step;
};

SmallVector<Group> StepOutliner::collectGroups() {
  SmallVector<Group> groups;
  for (Operation &op : step.front()) {
    if (isScheduleOp(&op) || isScalarOp(&op))
      continue;
    StringRef name = getStageGroup(op.getLoc());
    if (name.empty())
      continue;
    if (groups.empty() || groups.back().name != name)
      groups.push_back({name, {}});
    groups.back().ops.push_back(&op);
  }
  return groups;
}

/// Makes `value`, a scalar, inside the function: by cloning what computes it,
/// down to values that the schedule hands over.
void StepOutliner::cloneScalar(OpBuilder &b, Value value, IRMapping &mapping,
                               llvm::SetVector<Value> &arguments,
                               Block *entry) {
  if (mapping.contains(value))
    return;
  Operation *op = value.getDefiningOp();
  if (!op || isa<tensor::DimOp>(op)) {
    arguments.insert(value);
    mapping.map(value, entry->addArgument(value.getType(), value.getLoc()));
    return;
  }
  for (Value operand : op->getOperands())
    cloneScalar(b, operand, mapping, arguments, entry);
  b.clone(*op, mapping);
}

Outlined StepOutliner::outline(const Group &group) {
  llvm::SmallPtrSet<Operation *, 32> inside(group.ops.begin(), group.ops.end());
  OpBuilder b(step->getContext());
  b.setInsertionPointAfter(step);
  auto function = func::FuncOp::create(
      b, group.ops.front()->getLoc(), (step.getName() + "_" + group.name).str(),
      b.getFunctionType({}, {}));
  function.setPrivate();
  function->setAttr("flow.class", b.getStringAttr(group.name));
  Block *entry = b.createBlock(&function.getBody());
  b.setInsertionPointToStart(entry);

  Outlined outlined{function, {}, {}};
  IRMapping mapping;
  llvm::SetVector<Value> arguments;
  for (Operation *op : group.ops) {
    for (Value operand : op->getOperands()) {
      if (mapping.contains(operand) ||
          (operand.getDefiningOp() && inside.count(operand.getDefiningOp())))
        continue;
      if (operand.getType().isIntOrIndexOrFloat()) {
        cloneScalar(b, operand, mapping, arguments, entry);
        continue;
      }
      arguments.insert(operand);
      mapping.map(operand,
                  entry->addArgument(operand.getType(), operand.getLoc()));
    }
    b.clone(*op, mapping);
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(),
                       [&](Operation *user) { return !inside.count(user); }))
        outlined.results.push_back(result);
  }
  // A cache is written in place: it leaves the function even if no later stage
  // of the step reads it.
  for (Operation *op : group.ops)
    if (isa<KvAppendOp, QkvRopeAppendOp>(op))
      for (Value cache : op->getResults().take_back(2))
        if (!llvm::is_contained(outlined.results, cache))
          outlined.results.push_back(cache);

  SmallVector<Value> returned;
  for (Value result : outlined.results)
    returned.push_back(mapping.lookup(result));
  func::ReturnOp::create(b, function.getLoc(), returned);
  function.setFunctionType(b.getFunctionType(entry->getArgumentTypes(),
                                             ValueRange(returned).getTypes()));
  outlined.arguments = arguments.takeVector();
  return outlined;
}

void StepOutliner::run() {
  SmallVector<Group> groups = collectGroups();
  if (groups.empty()) {
    remark::missed(step.getLoc(), named("layers-not-shared")) << remark::reason(
        "@{0} has no stages with the name of a layer", step.getName());
    return;
  }
  // By the text of the function without its name and class.
  llvm::MapVector<StringRef, std::pair<func::FuncOp, SmallVector<StringRef>>>
      classes;
  llvm::StringMap<char> texts;
  for (const Group &group : groups) {
    Outlined outlined = outline(group);
    func::FuncOp function = outlined.function;
    std::string name = function.getName().str(), text;
    Attribute className = function->removeAttr("flow.class");
    function.setName("class");
    llvm::raw_string_ostream stream(text);
    function->print(stream, OpPrintingFlags().useLocalScope());
    StringRef key = texts.try_emplace(text, 0).first->getKey();
    auto &[shared, members] = classes[key];
    members.push_back(group.name);
    if (shared) {
      function.erase();
    } else {
      function.setName(name);
      function->setAttr("flow.class", className);
      shared = function;
    }
    OpBuilder b(group.ops.back());
    b.setInsertionPointAfter(group.ops.back());
    auto call =
        func::CallOp::create(b, NameLoc::get(b.getStringAttr(group.name)),
                             shared, outlined.arguments);
    for (auto [old, fresh] :
         llvm::zip_equal(outlined.results, call.getResults()))
      old.replaceAllUsesWith(fresh);
    for (Operation *op : llvm::reverse(group.ops))
      op->erase();
  }
  int64_t layers = 0;
  for (auto &[text, entry] : classes) {
    auto &[function, members] = entry;
    layers += members.size();
    remark::passed(function.getLoc(), named("layers-shared")) << remark::add(
        "@{0} serves {1}", function.getName(), llvm::join(members, ", "));
  }
  remark::analysis(step.getLoc(), named("layer-classes"))
      << remark::metric("layers", layers)
      << remark::metric("classes", static_cast<int64_t>(classes.size()));
}

struct ShareLayers : flow::impl::ShareLayersBase<ShareLayers> {
  void runOnOperation() override {
    SmallVector<func::FuncOp> steps;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal() &&
          llvm::hasSingleElement(function.getBody()) &&
          !function->hasAttr("flow.class"))
        steps.push_back(function);
    for (func::FuncOp step : steps) {
      StepOutliner(getOperation(), step).run();
      eraseDeadScalars(step);
    }
  }

  /// Scalars that only the outlined stages needed.
  static void eraseDeadScalars(func::FuncOp step) {
    for (Operation &op :
         llvm::make_early_inc_range(llvm::reverse(step.front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  }
};
} // namespace
