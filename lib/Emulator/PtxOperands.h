// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The operands of PTX instructions.

#ifndef FLOW_LIB_EMULATOR_PTXOPERANDS_H
#define FLOW_LIB_EMULATOR_PTXOPERANDS_H

#include "PtxParser.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace flow::emulator {

using FindRegister =
    llvm::function_ref<std::optional<unsigned>(llvm::StringRef name)>;

/// Reads operands that commas separate. The error names the operand.
llvm::Expected<std::vector<Operand>> parseOperands(llvm::StringRef text,
                                                   FindRegister findRegister);

/// True for what names are made of.
inline bool isWordCharacter(char c) {
  return llvm::isAlnum(c) || c == '_' || c == '$' || c == '%';
}

/// The text on one line, with single spaces.
std::string onOneLine(llvm::StringRef text);

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_PTXOPERANDS_H
