// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From LLVM IR to code of this machine.

#ifndef FLOW_LIB_EMULATOR_NATIVECODE_H
#define FLOW_LIB_EMULATOR_NATIVECODE_H

#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/Module.h"

namespace flow::emulator {

/// A JIT for this machine that knows the functions of the runtime.
llvm::Expected<std::unique_ptr<llvm::orc::LLJIT>> createJit();

/// Optimises `module`, as far as it pays, and adds it to the JIT.
llvm::Error addModule(llvm::orc::LLJIT &jit,
                      std::unique_ptr<llvm::LLVMContext> context,
                      std::unique_ptr<llvm::Module> module);

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_NATIVECODE_H
