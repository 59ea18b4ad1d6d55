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

def Flow_Float : AnyTypeOf<[F32, BF16, F16], "f32, bf16 or f16">;

// An encoding is a layout that only products can read, so every type says
// which encodings it allows.
class Flow_EncodingPred<string test>
    : CPred<test # "(::llvm::cast<::mlir::RankedTensorType>($_self)"
                   ".getEncoding())">;
class Flow_EncodedBy<string attributes>
    : Flow_EncodingPred<"::llvm::isa<" # attributes # ">">;
def Flow_HasNoEncoding : Flow_EncodingPred<"!">;

class Flow_Plain<Type type>
    : ConfinedType<type, [Flow_HasNoEncoding],
                   type.summary # " without encoding">;
class Flow_PlainOr<Type type, string attributes, string mnemonics>
    : ConfinedType<type, [Or<[Flow_HasNoEncoding, Flow_EncodedBy<attributes>]>],
                   type.summary # " without encoding or in " # mnemonics>;

def Flow_Rows : Flow_Plain<RankedTensorOf<[Flow_Float]>>;
// Rows as a stage hands them on: as they are, or in the layout of a product.
def Flow_LaidOutRows
    : Flow_PlainOr<RankedTensorOf<[Flow_Float]>,
                   "::flow::QuantizedRowsAttr, ::flow::Bf16RowsAttr",
                   "#flow.quantized_rows or #flow.bf16_rows">;
def Flow_Vector : Flow_Plain<1DTensorOf<[Flow_Float]>>;
def Flow_Matrix : Flow_Plain<2DTensorOf<[Flow_Float]>>;
def Flow_F32Matrix : Flow_Plain<2DTensorOf<[F32]>>;
def Flow_Heads : Flow_Plain<3DTensorOf<[Flow_Float]>>;
def Flow_Angles : Flow_Plain<3DTensorOf<[F32]>>;
def Flow_Tokens : Flow_Plain<1DTensorOf<[I32]>>;
def Flow_Spans : Flow_Plain<2DTensorOf<[I32]>>;

// Keys or values: of one sequence, or of several in slots.
def Flow_CacheRows : Flow_Plain<TensorRankOf<[Flow_Float], [3, 4]>>;

// The table of a step that holds rows of several sequences. There is one type,
// so that assembly need not spell it.
def Flow_Sequences
    : Type<CPred<"$_self == ::flow::getSequencesType($_self.getContext())">,
           "tensor<?x4xi32>", "::mlir::RankedTensorType">,
      BuildableType<"::flow::getSequencesType($_builder.getContext())">;

// The two sides of a product.
def Flow_ProductRows
    : Flow_PlainOr<2DTensorOf<[Flow_Float]>,
                   "::flow::QuantizedRowsAttr, ::flow::Bf16RowsAttr",
                   "#flow.quantized_rows or #flow.bf16_rows">;
def Flow_ProductWeight
    : Flow_PlainOr<2DTensorOf<[Flow_Float]>,
                   "::flow::PanelsAttr, ::flow::WeightBlocksAttr",
                   "#flow.panels or #flow.weight_blocks">;
// A weight of which rows are looked up.
def Flow_TableWeight
    : Flow_PlainOr<2DTensorOf<[Flow_Float]>, "::flow::WeightBlocksAttr",
                   "#flow.weight_blocks">;

#endif // FLOW_IR_FLOWBASE_TD
