// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What every op file of the dialect shares: base class and type constraints.

#ifndef FLOW_IR_FLOWBASE_TD
#define FLOW_IR_FLOWBASE_TD

include "flow/IR/FlowAttributes.td"
include "flow/IR/FlowInterfaces.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Flow_Op<string mnemonic, list<Trait> traits = []>
    : Op<Flow_Dialect, mnemonic, traits>;

def Flow_Float : AnyTypeOf<[F32, BF16, F16]>;
def Flow_Rows : RankedTensorOf<[Flow_Float]>;
def Flow_Vector : 1DTensorOf<[Flow_Float]>;
def Flow_Matrix : 2DTensorOf<[Flow_Float]>;
def Flow_Heads : 3DTensorOf<[Flow_Float]>;
def Flow_Tokens : 1DTensorOf<[I32]>;


#endif // FLOW_IR_FLOWBASE_TD
