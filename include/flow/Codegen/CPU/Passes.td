// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Passes of the CPU strategy. They know linalg, vector, scf and memref, and
// nothing of flow.

#ifndef FLOW_CODEGEN_CPU_PASSES_TD
#define FLOW_CODEGEN_CPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def TileContractions : Pass<"cpu-tile-contractions", "::mlir::func::FuncOp"> {
  let summary = "Turn products on packed panels into loops over register tiles";
  let description = [{
    Rewrites each product of rows with packed panels into an `scf.forall` over
    panels, a loop over tiles of rows and a loop over the depth that carries the
    tile's accumulators. Three products are known:

    - f32: one `linalg.generic` with `math.fma`, rows `[M, K]`, panels
      `[N/32, K, 32]`;
    - bf16: one `linalg.generic` with `math.fma` of widened operands over pairs
      of `k`, rows `[M, K]`, panels `[N/32, K/2, 64]`;
    - 8-bit blocks: an integer `linalg.generic` over each block, started from
      the rows' block sums or a part of them, and a second one that scales and
      adds the blocks (with or without minima). Weights are bytes, or are made
      bytes by a `linalg.generic` without reduction: of half bytes `[N/32, K/8,
      128]` and, for 5 and 6 bits, the bits above them `[N/32, K/32, 128]` or
      `[N/32, K/16, 128]`. A single row unpacks them in registers, several rows
      share a panel that was unpacked into memory. A second such op may add low
      bits `[N/32, l K/32, 128]` to leading ones.

    A product of a single row that has low bits apart and the attribute
    `flow.screen_count` is screened: of its results the largest, as many as the
    attribute says, are exact, and others may be minus infinity. With
    `flow.screen_cap` it is their `cap * tanh(result / cap)` that is compared.
    One loop over panels bounds the results of each by the leading bits, and a
    second multiplies the panels that may have one of the largest with all bits.

    A tile is `rows` by `columns`, of a panel's 32; a single row takes whole
    panels, and asks for the weights that it is about to read, a kilobyte ahead. The order of addition is ascending in the depth, whatever the tile,
    so a row's result does not depend on it. A dynamic number of rows is a
    multiple of `row-unit`. Where that is none of a tile, the rows that whole
    tiles leave over are computed one by one, or as a smaller tile of bytes that
    are widened or added in 16 bits.

    A target without dot products of bytes or of bf16 multiplies wider numbers.
    With `widen-i8` and `widen-bf16` rows are widened once, in a loop in front
    of the product, rather than by each tile that reads them: bytes to 16 bits,
    which meet the even and the odd bytes of weights in pairs, bf16 to f32.
    Weights of 6 bits or less need no wider rows: four products, of two and two
    numbers, are added to two sums of 16 bits, which 2, 4 or 8 such steps (of 6,
    5 or 4 bits) cannot leave, and then to sums of 32 bits. Their tiles are
    `rows-narrow` by `columns-narrow`.

    A target that multiplies by a lane of a register sets `row-lanes`: numbers
    of a row are read 16 bytes at a time, and in a tile of several rows the
    bytes of weights that meet them stay in registers while the rows pass by.
    One that multiplies signed bytes alone sets `signed-i8`: what was unpacked
    from fewer bits is taken as signed, which it fits, and bytes that stand for
    a number plus 128 are made that number, so that their dots start from zero
    rather than from the sums of the row.

    With `amx` dot products become AMX tiles. Tiles are in memory before and
    after they are in registers, so this pass leaves a `linalg.fill` and a
    `linalg.generic` for `cpu-amx-tiles`, which lowers them once they have
    buffers: of bf16 one for each panel, if the depth is a multiple of 32; of
    bytes one for each block of 12 rows by a panel, made signed, if there are 12
    rows or more. A product of a single panel is no loop and has none. The scales
    of a block are multiplied as elsewhere, with sums that were stored.

    Example:

    ```mlir
    // Before
    %c = linalg.generic {indexing_maps = [#rows, #panels, #out],
                         iterator_types = ["parallel", "parallel", "reduction", "parallel"]}
        ins(%a, %w : tensor<?x64xf32>, tensor<2x64x32xf32>) outs(%zero : tensor<?x2x32xf32>) {
    ^bb0(%x: f32, %y: f32, %z: f32):
      %s = math.fma %x, %y, %z : f32
      linalg.yield %s : f32
    } -> tensor<?x2x32xf32>
    // After
    %c = scf.forall (%panel) in (2) shared_outs(%o = %init) -> (tensor<?x2x32xf32>) {
      // for each 12 rows: for each k: 12 vector.fma on vector<32xf32>
    }
    ```

    Refuses with an error: any linalg op that is left, since it would become
    scalar loops in silence.
  }];
  let options = [
    Option<"rowsF32", "rows-f32", "int64_t", "12",
           "rows of a register tile of f32">,
    Option<"columnsF32", "columns-f32", "int64_t", "32", "columns of it">,
    Option<"rowsBf16", "rows-bf16", "int64_t", "12",
           "rows of a register tile of bf16">,
    Option<"columnsBf16", "columns-bf16", "int64_t", "32", "columns of it">,
    Option<"rowsI8", "rows-i8", "int64_t", "6",
           "rows of an 8-bit register tile">,
    Option<"columnsI8", "columns-i8", "int64_t", "32", "columns of it">,
    Option<"rowsNarrow", "rows-narrow", "int64_t", "6",
           "rows of a register tile of narrow weights, with `widen-i8`">,
    Option<"columnsNarrow", "columns-narrow", "int64_t", "32",
           "columns of it">,
    Option<"widenBf16", "widen-bf16", "bool", "false",
           "widen rows of bf16 to f32">,
    Option<"widenI8", "widen-i8", "bool", "false",
           "widen rows of bytes to 16 bits">,
    Option<"rowLanes", "row-lanes", "bool", "false",
           "read rows 16 bytes at a time">,
    Option<"signedI8", "signed-i8", "bool", "false",
           "multiply signed bytes by signed bytes">,
    Option<"rowUnit", "row-unit", "int64_t", "12",
           "what a dynamic number of rows is a multiple of">,
    Option<"amx", "amx", "bool", "false",
           "leave dot products to cpu-amx-tiles">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect",
    "::mlir::bufferization::BufferizationDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect", "::mlir::vector::VectorDialect"];
}

def AmxTiles : Pass<"cpu-amx-tiles"> {
  let summary = "Make products on buffers loops over AMX tiles";
  let description = [{
    A `linalg.generic` that multiplies rows `[M, K/2, 2]` of bf16, or one row
    `[K/2, 2]`, with the panel `[K/2, 32, 2]` onto zeros, as
    `cpu-tile-contractions` with `amx` leaves it, becomes loops over LLVM's
    intrinsics for AMX tiles: 16 rows by 16 columns of sums, two by two of them
    beside each other, from tiles of 16 rows by 32 numbers and of 32 numbers by
    16 columns. Where rows are no multiple of 16 the last tiles overlap those
    before; up to 16 rows are one tile with as many rows. One of signed bytes
    has four numbers in the place of two, and a tile of up to 64.

    A `tdpbf16ps` adds, from zero, the products of the 16 even and of the 16 odd
    numbers by fused multiply-adds in ascending order, then the two sums, then
    this to the accumulator; it rounds to nearest even and takes numbers below
    2^-126 as zeros. A row's result does not depend on the tile it is in. A
    `tdpbssd` is exact.

    Example:

    ```mlir
    // Before
    linalg.fill ins(%zero : f32) outs(%out : memref<?x32xf32>)
    linalg.generic {indexing_maps = [#rows, #panel, #out], iterator_types = ["reduction", "parallel", "reduction", "parallel"]}
        ins(%x, %w : memref<?x16x2xbf16>, memref<16x32x2xbf16>) outs(%out : memref<?x32xf32>) { … }
    // After: for each 32 rows, for each 32 numbers of them
    %x0 = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"(%rows, %c64, %px, %stride) : (i16, i16, !llvm.ptr, i64) -> !llvm.x86_amx
    %w0 = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"(%c16, %c64, %pw, %c128) : (i16, i16, !llvm.ptr, i64) -> !llvm.x86_amx
    %s0 = llvm.call_intrinsic "llvm.x86.tdpbf16ps.internal"(%rows, %c64, %c64, %acc0, %x0, %w0)
        : (i16, i16, i16, !llvm.x86_amx, !llvm.x86_amx, !llvm.x86_amx) -> !llvm.x86_amx
    ```

    Refuses with an error: any linalg op that is left, since nothing behind it
    lowers one.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect"];
}

def X86Contract : Pass<"cpu-x86-contract"> {
  let summary = "Lower dot products to the machine's instructions";
  let description = [{
    A `vector.contract` of `u8 [n, 4]` by `s8 [4]` onto `i32 [n]` becomes, by
    `isa`, for each register:

    - `vnni` and `vnni256`: `vpdpbusd` on 512 and 256 bits;
    - `avx512` and `avx2`: `vpmaddwd` on the even and the odd bytes of each word,
      on 512 and 256 bits;
    - `generic`: multiplications in i32.

    One of `s16 [n, 2]` by `s16 [2]` onto `i32 [n]` becomes a `vpmaddwd`; it is
    not for `generic`. One of two pairs of bytes, `u8 [n, 2, 2]` by `s8 [2, 2]`
    onto `i16 [n, 2]`, becomes a `vpmaddubsw`, which saturates: no sum may leave
    16 bits, for which whoever made the contraction answers, with weights below
    128. It is not for `generic` either. All are exact. One of `bf16 [n, 2]` by `bf16 [2]` onto
    `f32 [n]` becomes a `vdpbf16ps` for 512 bits with `bf16`, and otherwise two
    fused multiply-adds in f32, of the odd numbers first. `n` must be a multiple
    of the words of a register.

    Example:

    ```mlir
    // Before
    %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>}
        %w, %x, %acc : vector<32x4xi32>, vector<4xi32> into vector<32xi32>
    // After
    %lo = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%acc0, %w0, %xs)
        : (vector<16xi32>, vector<64xi8>, vector<64xi8>) -> vector<16xi32>
    ```

    Refuses with an error: a contraction of any other form, since it would run
    many times slower in silence; an unknown `isa`.
  }];
  let options = [
    Option<"isa", "isa", "std::string", "\"generic\"",
           "instructions of the target: vnni, avx512, vnni256, avx2 or generic">,
    Option<"bf16", "bf16", "bool", "false", "the target has vdpbf16ps">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::vector::VectorDialect"];
}

def AArch64Contract : Pass<"cpu-aarch64-contract"> {
  let summary = "Lower dot products to instructions of AArch64";
  let description = [{
    A `vector.contract` of bytes `[n, 4]` by `s8 [4]` onto `i32 [n]` becomes, by
    `isa`, for each register of four words:

    - `i8mm`: `usdot` if the first bytes are unsigned, `sdot` if they are signed;
    - `dotprod`: `sdot` for signed bytes;
    - `neon`: multiplications in i32, for unsigned bytes.

    All are exact. One of `bf16 [n, 2]` by `bf16 [2]` onto `f32 [n]` becomes, with
    `bf16`, a `bfmlalt` and a `bfmlalb`, and otherwise two fused multiply-adds in
    f32, of the odd numbers first. Both give the same bits. `n` must be a
    multiple of four where there are instructions.

    Example:

    ```mlir
    // Before
    %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>}
        %w, %x, %acc : vector<8x4xi32>, vector<4xi32> into vector<8xi32>
    // After
    %lo = llvm.call_intrinsic "llvm.aarch64.neon.usdot.v4i32.v16i8"(%acc0, %w0, %xs)
        : (vector<4xi32>, vector<16xi8>, vector<16xi8>) -> vector<4xi32>
    ```

    Refuses with an error: a contraction of any other form, since it would run
    many times slower in silence; an unknown `isa`.
  }];
  let options = [
    Option<"isa", "isa", "std::string", "\"neon\"",
           "instructions of the target: i8mm, dotprod or neon">,
    Option<"bf16", "bf16", "bool", "false", "the target has bfmlalb and bfmlalt">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::vector::VectorDialect"];
}

def ExpandMath : Pass<"cpu-expand-math"> {
  let summary = "Replace math functions on vectors by polynomials";
  let description = [{
    `math.exp` and `math.tanh` become MLIR's polynomial approximations, since a
    call for each lane would dominate attention and the gated activation.

    Example:

    ```mlir
    // Before
    %e = math.exp %x : vector<32xf32>
    // After
    %r = math.fma %x, %c0, %c1 : vector<32xf32>
    ```

    Refuses nothing: other functions are left as they are.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
    "::mlir::math::MathDialect", "::mlir::vector::VectorDialect"];
}

def VerifyBuffers : Pass<"cpu-verify-buffers", "::mlir::func::FuncOp"> {
  let summary = "Fail if bufferization made copies";
  let description = [{
    Read-only. Every result is meant to be computed in its own buffer and every
    cache updated in place; a `memref.copy` means that the analysis gave up,
    and a copied cache would cost more than the layer.

    Example:

    ```mlir
    // Before
    memref.copy %a, %b : memref<4xf32> to memref<4xf32>
    // After: the same, and an error at the copy
    memref.copy %a, %b : memref<4xf32> to memref<4xf32>
    ```

    Refuses with an error: a `memref.copy`.
  }];
}

def OutlineParallel : Pass<"cpu-outline-parallel", "::mlir::ModuleOp"> {
  let summary = "Give each parallel loop a function that the thread pool calls";
  let description = [{
    The body of each `scf.forall` becomes a private function of a closure and
    the bounds of a range; the loop becomes a call through the runtime context,
    which is the first argument of the function that holds it. Loops with the
    same body share one function, so layer classes that differ elsewhere share
    their kernels. Buffers of static shape that an iteration allocates become
    stack memory of the function. The kernel is named after the function that
    has the loop and, if the location has a name such as `layer0/ffn/down`, what
    follows the first slash there, so that profiles show stages.

    Example:

    ```mlir
    // Before
    scf.forall (%i) in (%n) { memref.store %v, %a[%i] : memref<?xf32> }
    // After
    func.func private @f_kernel(%closure: !llvm.ptr, %begin: i64, %end: i64)
    // and in the caller: fill the closure, then
    llvm.call %parallel_for(%context, %count, %kernel, %closure) : !llvm.ptr, (!llvm.ptr, i64, !llvm.ptr, !llvm.ptr) -> ()
    ```

    Refuses with an error: a loop that still has results, and one in a function
    whose first argument is no `!llvm.ptr`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::func::FuncDialect"];
}

#endif // FLOW_CODEGEN_CPU_PASSES_TD
