// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The one seam that knows a CPU target: its features, and object code for it.

#ifndef FLOW_TARGET_CPUTARGET_H
#define FLOW_TARGET_CPUTARGET_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace flow {

/// A CPU by LLVM's name, with the features that choose kernels.
struct CpuTarget {
  std::string triple;
  /// LLVM's `-mcpu` name, never "native".
  std::string cpu;
  /// LLVM's feature string, for what the name does not say.
  std::string features;
  bool avx2 = false, avx512 = false, vnni = false;
  /// Dot products of bytes on 256 bits (AVX-VNNI), and AMX tiles.
  bool vnni256 = false, amx = false;
  /// AArch64, whose registers are those of NEON.
  bool neon = false, dotprod = false, i8mm = false;
  /// Products of bf16: vdpbf16ps, or bfmlalb and bfmlalt.
  bool bf16 = false;

  /// What `cpu-x86-contract` and `cpu-aarch64-contract` call the instructions
  /// of this target.
  llvm::StringRef getIsa() const {
    if (neon)
      return i8mm ? "i8mm" : dotprod ? "dotprod" : "neon";
    return vnni      ? "vnni"
           : avx512  ? "avx512"
           : vnni256 ? "vnni256"
           : avx2    ? "avx2"
                     : "generic";
  }
};

/// The target called `name`: a CPU name that LLVM knows, of this machine's
/// architecture or else of x86-64 or AArch64 Linux, or `native` for the machine
/// at hand, without AMX tiles where the kernel refuses them to this process. An
/// unknown name is an error that says so.
llvm::Expected<CpuTarget> resolveCpuTarget(llvm::StringRef name);

/// An error that names what this machine lacks, if it cannot run code that was
/// generated for `target`. Only the triple, name and features are looked at.
/// Where the target has AMX tiles, this process may use them after success.
llvm::Error checkRunsHere(const CpuTarget &target);

/// Forms in which code can leave the compiler.
enum class CodeKind { LlvmIr, Assembly, Object };

/// Prefix of the entry symbols: function `f` is entered by
/// `void flow_entry_f(void **args)` as flow/Runtime/Abi.h says.
constexpr llvm::StringLiteral kEntryPrefix = "flow_entry_";

/// Translates a module of the LLVM dialect, optimises it for `target` and
/// returns the code. Functions with `llvm.emit_c_interface` get an entry.
llvm::Expected<std::string>
generateCode(mlir::ModuleOp module, const CpuTarget &target, CodeKind kind);

} // namespace flow

#endif // FLOW_TARGET_CPUTARGET_H
