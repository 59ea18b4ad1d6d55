// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs instructions that this machine lacks.

#ifndef FLOW_TEST_UNIT_CODEGEN_INSTRUCTIONEMULATOR_H
#define FLOW_TEST_UNIT_CODEGEN_INSTRUCTIONEMULATOR_H

namespace flow {

/// Makes this process run the instructions of AMX tiles that products are
/// made of, and `vpdpbusd` on 256 bits, where the machine has none, as
/// Intel's Software Developer's Manual defines them: the signal of an illegal
/// instruction is answered by what it should have done. An instruction that
/// the machine would refuse (a tile without configuration, shapes that do not
/// fit each other) still ends the process. False where this is not possible.
bool emulateMissingInstructions();

} // namespace flow

#endif // FLOW_TEST_UNIT_CODEGEN_INSTRUCTIONEMULATOR_H
