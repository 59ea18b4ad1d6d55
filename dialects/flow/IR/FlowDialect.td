// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The dialect itself: name, purpose and what it registers.

#ifndef FLOW_IR_FLOWDIALECT_TD
#define FLOW_IR_FLOWDIALECT_TD

include "mlir/IR/DialectBase.td"

def Flow_Dialect : Dialect {
  let name = "flow";
  let cppNamespace = "::flow";
  let summary = "Gemma decoder layers as recipes and stages";
  let description = [{
    The vocabulary of a Gemma decoder, in three groups.

    *Structure* says what a model is: `flow.model` holds weights, rotary
    tables, caches and one `flow.layer` recipe for each decoder layer. A recipe
    prints like a spec sheet and computes nothing.

    *Stages* say what is computed: a recipe expands into `flow.rms_norm`,
    `flow.linear`, `flow.rope`, `flow.attention` and so on, on tensors, with
    value semantics. Prefill and decode are the same stages with another number
    of rows.

    *Fused stages* are what passes make of neighbouring stages; they may be
    written by hand too, and each says which stages it equals.

    Rows are the leading dimension everywhere: row `t` of a step belongs to the
    absolute position `start + t`. Layouts of packed weights and quantised rows
    are encodings of the tensor type (`#flow.panels`, `#flow.quantized_rows`,
    `#flow.bf16_rows`):
    the shape stays the logical one. A tensor has an encoding only where its op
    says so.
  }];
  let useDefaultAttributePrinterParser = 1;
}

#endif // FLOW_IR_FLOWDIALECT_TD
