// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emits the ops behind the short forms.

#include "KernelBuilder.h"

#include "KernelFunction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace flow::cuda;

/// The folded result of an op on values of a kernel.
template <typename Op, typename... Args>
static Val fold(KernelBuilder &k, Args &&...args) {
  return k.wrap(k.createOrFold<Op>(std::forward<Args>(args)...));
}

template <typename IntOp, typename FloatOp>
static Val arithmetic(Val a, Val b) {
  return a.isFloat() ? fold<FloatOp>(a.builder(), a, b)
                     : fold<IntOp>(a.builder(), a, b);
}

Val Val::operator+(Val other) const {
  return arithmetic<arith::AddIOp, arith::AddFOp>(*this, other);
}
Val Val::operator-(Val other) const {
  return arithmetic<arith::SubIOp, arith::SubFOp>(*this, other);
}
Val Val::operator*(Val other) const {
  return arithmetic<arith::MulIOp, arith::MulFOp>(*this, other);
}
Val Val::operator/(Val other) const {
  return arithmetic<arith::DivUIOp, arith::DivFOp>(*this, other);
}
Val Val::operator%(Val other) const {
  return fold<arith::RemUIOp>(*k, value, other);
}
Val Val::operator&(Val other) const {
  return fold<arith::AndIOp>(*k, value, other);
}
Val Val::operator|(Val other) const {
  return fold<arith::OrIOp>(*k, value, other);
}
Val Val::operator^(Val other) const {
  return fold<arith::XOrIOp>(*k, value, other);
}
Val Val::operator<<(Val other) const {
  return fold<arith::ShLIOp>(*k, value, other);
}
Val Val::operator>>(Val other) const {
  return fold<arith::ShRUIOp>(*k, value, other);
}

static Val compare(Val a, Val b, arith::CmpIPredicate ints,
                   arith::CmpFPredicate floats) {
  return a.isFloat() ? fold<arith::CmpFOp>(a.builder(), floats, a, b)
                     : fold<arith::CmpIOp>(a.builder(), ints, a, b);
}

Val Val::operator<(Val other) const {
  return compare(*this, other, arith::CmpIPredicate::slt,
                 arith::CmpFPredicate::OLT);
}
Val Val::operator<=(Val other) const {
  return compare(*this, other, arith::CmpIPredicate::sle,
                 arith::CmpFPredicate::OLE);
}
Val Val::operator>(Val other) const {
  return compare(*this, other, arith::CmpIPredicate::sgt,
                 arith::CmpFPredicate::OGT);
}
Val Val::operator>=(Val other) const {
  return compare(*this, other, arith::CmpIPredicate::sge,
                 arith::CmpFPredicate::OGE);
}
Val Val::equals(Val other) const {
  return compare(*this, other, arith::CmpIPredicate::eq,
                 arith::CmpFPredicate::OEQ);
}
// Of floats not the ops of arith, which become calls of CUDA's library.
Val Val::max(Val other) const {
  return arithmetic<arith::MaxSIOp, LLVM::MaxNumOp>(*this, other);
}
Val Val::min(Val other) const {
  return arithmetic<arith::MinSIOp, LLVM::MinNumOp>(*this, other);
}

Val Val::constant(double number) const {
  if (isFloat())
    return type().isF64() ? k->f64(number) : k->f32(number);
  return k->wrap(arith::ConstantOp::create(
      *k, k->getIntegerAttr(type(), static_cast<int64_t>(number))));
}

Val KernelBuilder::i32(int64_t number) {
  return wrap(arith::ConstantOp::create(
      *this, getI32IntegerAttr(static_cast<int32_t>(number))));
}
Val KernelBuilder::i64(int64_t number) {
  return wrap(arith::ConstantOp::create(*this, getI64IntegerAttr(number)));
}
Val KernelBuilder::f32(double number) {
  return wrap(arith::ConstantOp::create(
      *this, getF32FloatAttr(static_cast<float>(number))));
}
Val KernelBuilder::f64(double number) {
  return wrap(arith::ConstantOp::create(*this, getF64FloatAttr(number)));
}

Val KernelBuilder::threadId() {
  return wrap(NVVM::ThreadIdXOp::create(*this, getI32Type()));
}
Val KernelBuilder::blockIdX() {
  return wrap(NVVM::BlockIdXOp::create(*this, getI32Type()));
}
Val KernelBuilder::blockIdY() {
  return wrap(NVVM::BlockIdYOp::create(*this, getI32Type()));
}
Val KernelBuilder::blockIdZ() {
  return wrap(NVVM::BlockIdZOp::create(*this, getI32Type()));
}
Val KernelBuilder::gridDimX() {
  return wrap(NVVM::GridDimXOp::create(*this, getI32Type()));
}
Val KernelBuilder::gridDimZ() {
  return wrap(NVVM::GridDimZOp::create(*this, getI32Type()));
}
Val KernelBuilder::sharedMemory() {
  return wrap(LLVM::AddressOfOp::create(
      *this, LLVM::LLVMPointerType::get(getContext(), kSharedSpace),
      kSharedMemorySymbol));
}

Val KernelBuilder::at(Val pointer, Val bytes) {
  if (std::optional<int64_t> number = getConstantIntValue(OpFoldResult(bytes)))
    return at(pointer, *number);
  return wrap(LLVM::GEPOp::create(*this, pointer.type(), getI8Type(), pointer,
                                  ArrayRef<LLVM::GEPArg>{Value(bytes)}));
}
Val KernelBuilder::at(Val pointer, int64_t bytes) {
  if (bytes == 0)
    return pointer;
  return wrap(
      LLVM::GEPOp::create(*this, pointer.type(), getI8Type(), pointer,
                          ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes)}));
}
Val KernelBuilder::wide(Val value) {
  return fold<arith::ExtUIOp>(*this, getI64Type(), value);
}
Val KernelBuilder::load(Type type, Val pointer, int64_t align) {
  return wrap(
      LLVM::LoadOp::create(*this, type, pointer, static_cast<unsigned>(align)));
}
void KernelBuilder::store(Val value, Val pointer, int64_t align) {
  LLVM::StoreOp::create(*this, value, pointer, static_cast<unsigned>(align));
}

/// `count` elements of 4 bytes in one access.
static Vals loadVector(KernelBuilder &k, Type element, int64_t count,
                       Val pointer) {
  Val vector = k.load(VectorType::get({count}, element), pointer, 4 * count);
  Vals values;
  for (int64_t i = 0; i != count; ++i)
    values.push_back(
        k.wrap(LLVM::ExtractElementOp::create(k, vector, k.i32(i))));
  return values;
}

Vals KernelBuilder::load4(Type element, Val pointer) {
  return loadVector(*this, element, 4, pointer);
}
Vals KernelBuilder::load2(Type element, Val pointer) {
  return loadVector(*this, element, 2, pointer);
}

/// `values` as one vector.
static Val joined(KernelBuilder &k, ArrayRef<Val> values) {
  auto type = VectorType::get({static_cast<int64_t>(values.size())},
                              values.front().type());
  Val vector = k.wrap(LLVM::PoisonOp::create(k, type));
  for (auto [i, value] : llvm::enumerate(values))
    vector = k.wrap(LLVM::InsertElementOp::create(k, vector, value, k.i32(i)));
  return vector;
}

void KernelBuilder::store4(const Vals &values, Val pointer) {
  store(joined(*this, values), pointer, 16);
}
void KernelBuilder::store2(Val first, Val second, Val pointer) {
  store(joined(*this, {first, second}), pointer, 8);
}

Val KernelBuilder::atomicAdd(Val pointer, Val value) {
  // LLVM's NVPTX drops the order of an atomic, but not that of a fence.
  auto fence = [&] {
    LLVM::FenceOp::create(*this, LLVM::AtomicOrdering::acq_rel, "device");
  };
  fence();
  Val old = wrap(
      LLVM::AtomicRMWOp::create(*this, LLVM::AtomicBinOp::add, pointer, value,
                                LLVM::AtomicOrdering::monotonic, "device"));
  fence();
  return old;
}

Val KernelBuilder::select(Val condition, Val yes, Val no) {
  return fold<arith::SelectOp>(*this, condition, yes, no);
}
Val KernelBuilder::bitcast(Type type, Val value) {
  return wrap(LLVM::BitcastOp::create(*this, type, value));
}
Val KernelBuilder::lowHalf(Val bits) {
  return fold<arith::TruncIOp>(*this, getI16Type(), bits);
}
Val KernelBuilder::selectBytes(Val low, Val high, Val selector) {
  return wrap(LLVM::CallIntrinsicOp::create(*this, getI32Type(),
                                            getStringAttr("llvm.nvvm.prmt"),
                                            ValueRange{low, high, selector})
                  .getResult(0));
}
Val KernelBuilder::fma(Val a, Val b, Val c) {
  return wrap(LLVM::FMAOp::create(*this, a, b, c));
}

Val KernelBuilder::toF64(Val value) {
  return fold<arith::UIToFPOp>(*this, getF64Type(), value);
}
Val KernelBuilder::toF32(Val value) {
  return fold<arith::TruncFOp>(*this, getF32Type(), value);
}
Val KernelBuilder::lowWord(Val value) {
  return fold<arith::TruncIOp>(*this, getI32Type(),
                               bitcast(getI64Type(), value));
}

/// An intrinsic of one f32, which needs no library of CUDA's.
static Val intrinsic(KernelBuilder &k, StringRef name, Val x) {
  return k.wrap(LLVM::CallIntrinsicOp::create(
                    k, k.getF32Type(), k.getStringAttr(name), ValueRange{x})
                    .getResult(0));
}

Val KernelBuilder::exp2(Val x) {
  return intrinsic(*this, "llvm.nvvm.ex2.approx.ftz.f32", x);
}
Val KernelBuilder::reciprocal(Val x) {
  return wrap(NVVM::RcpApproxFtzF32Op::create(*this, getF32Type(), x));
}
Val KernelBuilder::reciprocalSqrt(Val x) {
  return intrinsic(*this, "llvm.nvvm.rsqrt.approx.ftz.f", x);
}
Val KernelBuilder::tanh(Val x) {
  constexpr double kTwoLog2E = 2.8853900817779268;
  return f32(1) - reciprocal(exp2(x * kTwoLog2E) + 1) * 2;
}
Val KernelBuilder::gelu(Val x) {
  constexpr double kSqrtTwoOverPi = 0.7978845608028654;
  Val inner = x * kSqrtTwoOverPi * fma(x * x, f32(0.044715), f32(1));
  Val half = x * 0.5;
  return fma(half, tanh(inner), half);
}

Val KernelBuilder::packBf16(Val low, Val high) {
  Val pair = wrap(NVVM::ConvertF32x2ToBF16x2Op::create(
      *this, VectorType::get({2}, getBF16Type()), high, low, Value(),
      NVVM::FPRoundingMode::RN));
  return bitcast(getI32Type(), pair);
}
std::pair<Val, Val> KernelBuilder::unpackBf16(Val pair) {
  Type f32Type = getF32Type();
  return {bitcast(f32Type, pair << 16), bitcast(f32Type, pair & i32(-65536))};
}

Val KernelBuilder::addBf16(Val a, Val b) {
  // As a product with 1, the only form before sm_90.
  Type pair = VectorType::get({2}, getBF16Type());
  Val one = bitcast(pair, i32(0x3f803f80));
  return bitcast(getI32Type(), fma(bitcast(pair, a), one, bitcast(pair, b)));
}
Val KernelBuilder::widenF16(Val bits) {
  Val half = bitcast(getF16Type(), lowHalf(bits));
  return wrap(LLVM::FPExtOp::create(*this, getF32Type(), half));
}

Vals KernelBuilder::loop(Val lower, Val upper, int64_t step,
                         const Vals &carried, LoopBody body) {
  SmallVector<Value> inits(carried.begin(), carried.end());
  auto loop = scf::ForOp::create(*this, lower, upper, i32(step), inits);
  OpBuilder::InsertionGuard guard(*this);
  if (inits.empty())
    setInsertionPoint(loop.getBody()->getTerminator());
  else
    setInsertionPointToStart(loop.getBody());
  Vals arguments;
  for (Value argument : loop.getRegionIterArgs())
    arguments.push_back(wrap(argument));
  Vals next = body(wrap(loop.getInductionVar()), arguments);
  if (!inits.empty())
    scf::YieldOp::create(*this, SmallVector<Value>(next.begin(), next.end()));
  Vals results;
  for (Value result : loop.getResults())
    results.push_back(wrap(result));
  return results;
}

void KernelBuilder::when(Val condition, llvm::function_ref<void()> body) {
  auto branch = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  body();
}

Vals KernelBuilder::when(Val condition, const Vals &otherwise,
                         llvm::function_ref<Vals()> body) {
  SmallVector<Type> types;
  for (Val value : otherwise)
    types.push_back(value.type());
  auto branch =
      scf::IfOp::create(*this, types, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  Vals results = body();
  scf::YieldOp::create(*this,
                       SmallVector<Value>(results.begin(), results.end()));
  setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(*this,
                       SmallVector<Value>(otherwise.begin(), otherwise.end()));
  Vals joinedResults;
  for (Value result : branch.getResults())
    joinedResults.push_back(wrap(result));
  return joinedResults;
}

void KernelBuilder::barrier() { NVVM::BarrierOp::create(*this); }
void KernelBuilder::barrier(Val id, int64_t threads) {
  NVVM::BarrierOp::create(*this, TypeRange{}, id, i32(threads),
                          NVVM::BarrierReductionAttr(), Value());
}
void KernelBuilder::copyAsync16(Val shared, Val global, Val bytes) {
  NVVM::CpAsyncOp::create(*this, shared, global, 16,
                          NVVM::LoadCacheModifierKind::CG, bytes);
}
void KernelBuilder::copyAsyncCached(Val shared, Val global, int64_t size,
                                    Val bytes) {
  NVVM::CpAsyncOp::create(*this, shared, global, static_cast<uint32_t>(size),
                          NVVM::LoadCacheModifierKind::CA, bytes);
}
void KernelBuilder::commitCopies() {
  NVVM::CpAsyncCommitGroupOp::create(*this);
}
void KernelBuilder::waitForCopies(int64_t groups) {
  NVVM::CpAsyncWaitGroupOp::create(*this, static_cast<uint32_t>(groups));
}

Val KernelBuilder::shuffleXor(Val value, int64_t mask) {
  return wrap(NVVM::ShflOp::create(*this, value.type(), i32(-1), value,
                                   i32(mask), i32(31), NVVM::ShflKind::bfly,
                                   UnitAttr()));
}
Val KernelBuilder::warpSum(Val value) {
  for (int64_t mask : {16, 8, 4, 2, 1})
    value = value + shuffleXor(value, mask);
  return value;
}
Val KernelBuilder::warpMax(Val value) {
  for (int64_t mask : {16, 8, 4, 2, 1})
    value = value.max(shuffleXor(value, mask));
  return value;
}

/// The members of a struct.
static Vals membersOf(KernelBuilder &k, Value aggregate, int64_t count) {
  Vals values;
  for (int64_t i = 0; i != count; ++i)
    values.push_back(k.wrap(LLVM::ExtractValueOp::create(k, aggregate, i)));
  return values;
}

Vals KernelBuilder::loadMatrices(Val shared, bool transposed) {
  SmallVector<Type> types(4, getI32Type());
  auto type = LLVM::LLVMStructType::getLiteral(getContext(), types);
  Value loaded = NVVM::LdMatrixOp::create(
      *this, Type(type), shared, 4u,
      transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
      NVVM::LdStMatrixShapeAttr::get(getContext(), 8, 8),
      NVVM::LdStMatrixEltType::B16);
  return membersOf(*this, loaded, 4);
}

Vals KernelBuilder::mma(ArrayRef<Val> a, ArrayRef<Val> b, ArrayRef<Val> c) {
  auto values = [](ArrayRef<Val> list) {
    return SmallVector<Value, 4>(list.begin(), list.end());
  };
  SmallVector<Type> types(4, getF32Type());
  auto type = LLVM::LLVMStructType::getLiteral(getContext(), types);
  constexpr int64_t shape[] = {16, 8, 16};
  Value product = NVVM::MmaOp::create(
      *this, Type(type), values(a), values(b), values(c), shape, std::nullopt,
      std::nullopt,
      std::array<NVVM::MMATypes, 2>{NVVM::MMATypes::bf16, NVVM::MMATypes::bf16},
      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row,
                                     NVVM::MMALayout::col});
  return membersOf(*this, product, 4);
}

void KernelBuilder::initBarrier(Val barrier, int64_t arrivals) {
  NVVM::MBarrierInitOp::create(*this, barrier, i32(arrivals), Value());
}
void KernelBuilder::fenceAsyncProxy() {
  NVVM::FenceProxyOp::create(
      *this,
      NVVM::ProxyKindAttr::get(getContext(), NVVM::ProxyKind::async_shared),
      NVVM::SharedSpaceAttr::get(getContext(), NVVM::SharedSpace::shared_cta));
}
void KernelBuilder::expectBytes(Val barrier, int64_t bytes) {
  NVVM::MBarrierArriveExpectTxOp::create(*this, Type(), barrier, i32(bytes),
                                         NVVM::MemScopeKind::CTA, false,
                                         Value());
}
void KernelBuilder::arrive(Val barrier) {
  NVVM::MBarrierArriveOp::create(*this, getI64Type(), barrier, Value(),
                                 NVVM::MemScopeKind::CTA, false);
}
void KernelBuilder::waitForPhase(Val barrier, Val parity) {
  // How long the hardware may sleep between two looks, in nanoseconds.
  constexpr int64_t kTicks = 10000000;
  NVVM::MBarrierTryWaitParityOp::create(*this, barrier, parity, i32(kTicks));
}

void KernelBuilder::fetchBox(Val shared, Val map, Val row, Val column,
                             Val barrier) {
  constexpr unsigned kClusterSpace = 7;
  Value target = LLVM::AddrSpaceCastOp::create(
      *this, LLVM::LLVMPointerType::get(getContext(), kClusterSpace), shared);
  Value coordinates[] = {column, row};
  NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
      *this, target, map, coordinates, barrier, ValueRange(), Value(), Value(),
      NVVM::TMALoadMode::TILE, /*isCTAOnly=*/false, NVVM::CTAGroupKindAttr(),
      Value());
}

/// The descriptor of a matrix whose lines of 128 bytes are swizzled. Bits 0-13
/// are the address, 16-29 and 32-45 the distances of blocks and of 8 lines, all
/// in units of 16 bytes; bits 62-63 the swizzle.
static Val descriptor(KernelBuilder &k, Val shared, int64_t blockBytes) {
  constexpr uint64_t kSwizzle128 = uint64_t(1) << 62;
  constexpr uint64_t kLineGroups = uint64_t(8 * 128 / 16) << 32;
  uint64_t blocks = static_cast<uint64_t>(blockBytes / 16) << 16;
  Val address = k.wrap(LLVM::PtrToIntOp::create(k, k.getI32Type(), shared));
  Val fixed = k.wrap(
      arith::ConstantOp::create(k, k.getI64IntegerAttr(static_cast<int64_t>(
                                       kSwizzle128 | kLineGroups | blocks))));
  return k.wide((address & k.i32(0x3ffff)) >> 4) | fixed;
}

Val KernelBuilder::matrixDescriptor(Val shared) {
  // Of rows as long as the swizzle there is no other block: 1 means nothing.
  return descriptor(*this, shared, 16);
}
Val KernelBuilder::transposedDescriptor(Val shared, int64_t blockBytes) {
  return descriptor(*this, shared, blockBytes);
}

/// A struct of so many f32.
static LLVM::LLVMStructType structOf(KernelBuilder &k, size_t count) {
  return LLVM::LLVMStructType::getLiteral(
      k.getContext(), SmallVector<Type>(count, k.getF32Type()));
}

Vals KernelBuilder::multiplyMatrices(Val a, Val b, const Vals &sums) {
  LLVM::LLVMStructType type = structOf(*this, sums.size());
  Value joinedSums = LLVM::PoisonOp::create(*this, type);
  for (auto [i, sum] : llvm::enumerate(sums))
    joinedSums = LLVM::InsertValueOp::create(*this, joinedSums, Value(sum),
                                             static_cast<int64_t>(i));
  MLIRContext *context = getContext();
  auto scaleIn = NVVM::WGMMAScaleInAttr::get(context, NVVM::WGMMAScaleIn::one);
  auto bf16 = NVVM::WGMMATypesAttr::get(context, NVVM::WGMMATypes::bf16);
  // A lane has two of each 8 columns in two rows.
  auto shape = NVVM::MMAShapeAttr::get(context, 64,
                                       static_cast<int>(2 * sums.size()), 16);
  Value product = NVVM::WgmmaMmaAsyncOp::create(
      *this, type, joinedSums, a, b, shape, bf16, bf16,
      NVVM::WGMMATypesAttr::get(context, NVVM::WGMMATypes::f32),
      NVVM::WGMMAScaleOutAttr::get(context, NVVM::WGMMAScaleOut::one), scaleIn,
      scaleIn, NVVM::MMALayoutAttr::get(context, NVVM::MMALayout::row),
      NVVM::MMALayoutAttr::get(context, NVVM::MMALayout::col),
      NVVM::MMAIntOverflowAttr());
  return membersOf(*this, product, static_cast<int64_t>(sums.size()));
}

void KernelBuilder::commitProducts() {
  NVVM::WgmmaGroupSyncAlignedOp::create(*this);
}

/// The constraint of an operand of inline assembly.
static StringRef constraintOf(Val value) {
  return value.isFloat() ? "f" : value.type().isInteger(64) ? "l" : "r";
}

/// An instruction that changes `values`, the first operands of its `text`, and
/// reads `inputs`, which follow.
static Vals assembly(KernelBuilder &k, StringRef text, const Vals &values,
                     const Vals &inputs) {
  std::string constraints;
  SmallVector<Type> types;
  SmallVector<Value> operands(values.begin(), values.end());
  operands.append(inputs.begin(), inputs.end());
  for (Val value : values) {
    types.push_back(value.type());
    constraints += ("=" + constraintOf(value) + ",").str();
  }
  for (size_t i = 0; i != values.size(); ++i)
    constraints += std::to_string(i) + ",";
  for (Val input : inputs)
    constraints += (constraintOf(input) + ",").str();
  constraints.pop_back();
  Value result =
      LLVM::InlineAsmOp::create(
          k, LLVM::LLVMStructType::getLiteral(k.getContext(), types), operands,
          text, constraints, /*has_side_effects=*/true,
          /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None,
          LLVM::AsmDialectAttr(), ArrayAttr())
          .getResult(0);
  return membersOf(k, result, static_cast<int64_t>(values.size()));
}

/// An instruction that `values` go through. The ops of the dialect say nothing
/// of sums, and LLVM would move what touches them across.
static Vals through(KernelBuilder &k, StringRef text, const Vals &values) {
  return assembly(k, text, values, {});
}

Vals KernelBuilder::multiplyFragments(ArrayRef<Val> a, Val b,
                                      const Vals &sums) {
  // The op of the dialect takes no registers for a. Each of the values that
  // change is an operand twice, as a result and as what it was.
  auto operandsFrom = [](size_t first, size_t count) {
    std::string list;
    for (size_t i = first; i != first + count; ++i)
      list += (i == first ? "$" : ",$") + std::to_string(i);
    return list;
  };
  // So many columns, and so many operands before a.
  size_t columns = 2 * sums.size();
  std::string text = "{ .reg .pred adds; setp.ne.b32 adds, 1, 0; "
                     "wgmma.mma_async.sync.aligned.m64n" +
                     std::to_string(columns) + "k16.f32.bf16.bf16 {" +
                     operandsFrom(0, sums.size()) + "}, {" +
                     operandsFrom(columns, a.size()) + "}, " +
                     operandsFrom(columns + a.size(), 1) + ", adds, 1, 1, 1; }";
  Vals inputs(a);
  inputs.push_back(b);
  return assembly(*this, text, sums, inputs);
}

Vals KernelBuilder::fenceProducts(const Vals &values) {
  return through(*this, "wgmma.fence.sync.aligned;", values);
}

Vals KernelBuilder::waitForProducts(int64_t groups, const Vals &sums) {
  return through(
      *this, "wgmma.wait_group.sync.aligned " + std::to_string(groups) + ";",
      sums);
}
