// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The plain interpreter of flow ops: what everything else is compared with.

#ifndef FLOW_REFERENCE_INTERPRETER_H
#define FLOW_REFERENCE_INTERPRETER_H

#include "flow/Reference/Tensor.h"
#include "flow/Reference/WeightProvider.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"

#include <memory>
#include <variant>

namespace flow {

/// An argument or result of an interpreted function: an index, a tensor of
/// numbers (f32, bf16 or f16, with or without an encoding) or one of tokens.
using InterpretedValue = std::variant<int64_t, TensorRef, TokenTensorRef>;

/// Positions, and rows of one step, stay below this.
constexpr int64_t kMaxPositions = int64_t(1) << 24;

/// The keys and values of one sequence, or of several in slots, by
/// `flow.kv_cache`. A cache that no step has written yet is all zeros.
class CacheState {
public:
  /// All caches get `capacity` rows, whatever their `ring` says, from 1 to
  /// `kMaxPositions`. With as many rows as positions no row is ever reused.
  /// With `slots` they have as many times that, for steps of `@batch`.
  explicit CacheState(int64_t capacity, int64_t slots = 0)
      : capacity(capacity), slots(slots) {}

  int64_t getCapacity() const { return capacity; }
  /// 0 for the caches of one sequence, which have no dimension of slots.
  int64_t getSlots() const { return slots; }

  /// What a cache holds, `[capacity, kv_heads, head_dim]` each, or `[slots,
  /// capacity, kv_heads, head_dim]`; null before the first step that writes it.
  struct Rows {
    TensorRef key, value;
  };
  Rows lookup(mlir::SymbolRefAttr cache) const { return rows.lookup(cache); }
  void store(mlir::SymbolRefAttr cache, Rows written) {
    rows[cache] = std::move(written);
  }

private:
  int64_t capacity, slots;
  llvm::DenseMap<mlir::Attribute, Rows> rows;
};

/// Evaluates functions of flow stages, fused or not, with the `arith`, `tensor`
/// and `func` ops that stand between them; bodies have one block.
///
/// Values are those of the ops' own descriptions: computed in f64 from f32
/// operands, each result rounded once to its element type. Encodings change no
/// value but that of quantised rows, which hold `scale * quant`. Results depend
/// on neither the number of threads nor the width of vectors. Inner products
/// run on the threads of the module's context.
class Interpreter {
public:
  /// `module` must have been verified; it and `weights` must outlive the
  /// interpreter. Weights are loaded when first read and then kept as f32.
  Interpreter(mlir::ModuleOp module, WeightProvider &weights);
  ~Interpreter();

  /// Calls @`function`. Each cache that the call appends to is stored back to
  /// `caches` when it has succeeded; a failed call leaves them as they were.
  /// An error names the op, its location and what was expected and found.
  llvm::Expected<std::vector<InterpretedValue>>
  call(llvm::StringRef function, llvm::ArrayRef<InterpretedValue> arguments,
       CacheState &caches);

  mlir::ModuleOp getModule() const { return module; }

private:
  struct Impl;
  mlir::ModuleOp module;
  std::unique_ptr<Impl> impl;
};

} // namespace flow

#endif // FLOW_REFERENCE_INTERPRETER_H
