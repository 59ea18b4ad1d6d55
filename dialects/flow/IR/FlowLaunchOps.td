// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a stage becomes on a GPU: the launch of a kernel.

#ifndef FLOW_IR_FLOWLAUNCHOPS_TD
#define FLOW_IR_FLOWLAUNCHOPS_TD

include "flow/IR/FlowBase.td"

def Flow_LaunchOp : Flow_Op<"launch",
    [Pure, AttrSizedOperandSegments,
     DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Run a kernel on the rows of a step";
  let description = [{
    Calls a kernel with these parameters, in this order:

    ```
    a pointer to each of `inputs`, which the kernel reads
    a pointer to each of `updates`, caches that it writes rows of
    a pointer to each result that is no updated cache
    a pointer to the step's table, with `step`: its `start`, its `rows` and the
        number of its spans, as i32
    the positions of a cache, an i32, with `capacity`
    ```

    on a grid of `grid[0] * grid[1] * grid[2]` blocks of `threads` threads with
    `shared` bytes of dynamic shared memory each. A dimension of the grid is a
    number, or `rows * m per n`: the rows of the step times `m`, divided by `n`
    and rounded up. The last results are what became of `updates`. Tensors are
    row-major and have no layout: this is what stages are when they have been
    lowered, and a launch means what its kernel does.

    Example:

    ```mlir
    %y = flow.launch @kernels::@norm(%x) grid [rows, 1, 1] threads 128 shared 16 : (tensor<?x64xf32>) -> tensor<?x64xbf16>
    %z = flow.launch @kernels::@product(%y) step(%start, %rows) grid [4, rows per 128, 1] threads 128 shared 49152 : (tensor<?x64xbf16>) -> tensor<?x512xf32>
    %q, %c = flow.launch @kernels::@append(%z) updates(%cache : tensor<?x1x32xbf16>) step(%start, %rows) capacity grid [1, rows * 2 per 3, 1] threads 32 : (tensor<?x512xf32>) -> (tensor<?x2x32xbf16>, tensor<?x1x32xbf16>)
    ```

    Constraints:

    - (C1) the symbol is a function with as many parameters as the launch has
      arguments.
    - (C2) there are at least as many results as `updates`, and the last ones
      have their types.
    - (C3) `grid` has a positive number or multiple of rows and no negative
      divisor in each of its three dimensions.
    - (C4) `threads` is from 1 to 1024, `shared` not negative.
    - (C5) there are both `start` and `rows` or neither.
  }];
  let arguments = (ins SymbolRefAttr:$kernel, Variadic<AnyRankedTensor>:$inputs,
    Variadic<Flow_CacheRows>:$updates, Optional<Index>:$start,
    Optional<Index>:$rows, UnitAttr:$capacity, DenseI64ArrayAttr:$grid,
    I64Attr:$threads, DefaultValuedAttr<I64Attr, "0">:$shared);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $kernel `(` $inputs `)` (`updates` `(` $updates^ `:` type($updates) `)`)?
    (`step` `(` $start^ `,` $rows `)`)? (`capacity` $capacity^)?
    `grid` custom<Grid>($grid) `threads` $threads (`shared` $shared^)?
    attr-dict `:` functional-type($inputs, results)
  }];
  let extraClassDeclaration = [{
    /// The results that are no updated caches.
    ::mlir::ResultRange getNewResults() {
      return getResults().drop_back(getUpdates().size());
    }
    /// `ceil(rows * times per n)`, or `times` where `per` is 0.
    std::pair<int64_t, int64_t> getGridSize(int64_t dimension) {
      return {getGrid()[2 * dimension], getGrid()[2 * dimension + 1]};
    }
  }];
  let hasVerifier = 1;
}

#endif // FLOW_IR_FLOWLAUNCHOPS_TD
