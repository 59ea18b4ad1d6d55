// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Recipes become artefacts whose code and plan agree, or one error.

#include "TestFolders.h"
#include "TestRecipes.h"

#include "flow/Compiler/LoadedCode.h"
#include "llvm/TargetParser/Triple.h"

#include <gmock/gmock.h>

#include <set>

using namespace flow;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

namespace {

Artifact mustCompile(TestRecipe &recipe, const CompileOptions &options = {}) {
  llvm::Expected<Artifact> artifact =
      compileModel(*recipe, testTarget(), options);
  if (artifact)
    return std::move(*artifact);
  ADD_FAILURE() << llvm::toString(artifact.takeError());
  return {};
}

std::string emit(TestRecipe &recipe, llvm::StringRef step, EmitKind kind,
                 const CpuTarget &target = testTarget(),
                 const CompileOptions &options = {}) {
  llvm::Expected<std::string> text =
      emitStep(*recipe, step, kind, target, options);
  return text ? *text : "error: " + llvm::toString(text.takeError());
}

CompileOptions withNumerics(const std::string &numerics) {
  CompileOptions options;
  options.numerics = numerics;
  return options;
}

} // namespace

TEST(Compiler, CompilesBothSteps) {
  TestRecipe recipe;
  Artifact artifact = mustCompile(recipe);
  EXPECT_EQ(artifact.cpu, "x86-64-v3");
  EXPECT_EQ(artifact.triple, testTarget().triple);
  EXPECT_THAT(artifact.objects, SizeIs(2));
  ASSERT_THAT(artifact.plan.schedules, SizeIs(2));
  const runtime::Schedule &prefill = artifact.plan.schedules[0],
                          &decode = artifact.plan.schedules[1];
  EXPECT_EQ(prefill.name, "prefill");
  EXPECT_EQ(prefill.rows, 0);
  EXPECT_EQ(decode.name, "decode");
  EXPECT_EQ(decode.rows, 1);
  // What an artefact remembers of its weights' file is its caller's matter.
  EXPECT_EQ(artifact.modelPath, "");
}

TEST(Compiler, TheRuntimeTakesThePlan) {
  TestRecipe recipe;
  Artifact artifact = mustCompile(recipe);
  flow::Result<runtime::Plan> plan =
      runtime::planFromJson(runtime::toJson(artifact.plan));
  EXPECT_TRUE(plan) << plan.error();
  EXPECT_EQ(artifact.plan.context, 128);
  EXPECT_THAT(artifact.plan.caches, SizeIs(2));
}

TEST(Compiler, EveryCallOfThePlanHasAnEntry) {
  TestRecipe recipe;
  Artifact artifact = mustCompile(recipe);
  llvm::Expected<std::unique_ptr<LoadedCode>> code =
      LoadedCode::load(artifact.objects);
  ASSERT_TRUE(bool(code)) << llvm::toString(code.takeError());
  int calls = 0;
  for (const runtime::Schedule &schedule : artifact.plan.schedules)
    for (const runtime::Step &step : schedule.steps)
      if (step.kind == runtime::StepKind::Call) {
        ++calls;
        EXPECT_TRUE((*code)->lookupEntry(step.function)) << step.function;
      }
  // Two layers and a head for each step.
  EXPECT_EQ(calls, 6);
}

TEST(Compiler, ThreadsDoNotShowInTheCode) {
  TestRecipe recipe;
  Artifact many = mustCompile(recipe);
  (*recipe)->getContext()->disableMultithreading();
  EXPECT_EQ(mustCompile(recipe).objects, many.objects);
}

TEST(Compiler, StepsShareTheirWeights) {
  TestRecipe recipe;
  Artifact artifact = mustCompile(recipe);
  std::set<std::string> names;
  for (const runtime::PackedWeight &weight : artifact.plan.weights)
    // The embedding is there for the head and as the file has it.
    EXPECT_TRUE(weight.packing == runtime::Packing::Raw ||
                names.insert(weight.name).second)
        << weight.name;
  EXPECT_THAT(artifact.plan.weights, SizeIs(3 + 2 * 6));
}

TEST(Compiler, BatchesAreAnotherStep) {
  TestRecipe recipe;
  CompileOptions options;
  Artifact two = llvm::cantFail(compileModel(*recipe, testTarget(), options));
  options.batch = true;
  Artifact four = llvm::cantFail(compileModel(*recipe, testTarget(), options));
  // What is there for one sequence stays as it is.
  ASSERT_EQ(four.objects.size(), 4u);
  EXPECT_EQ(four.objects[0], two.objects[0]);
  EXPECT_EQ(four.objects[1], two.objects[1]);
  EXPECT_TRUE(four.plan.findSchedule("batch_decode"));
  const runtime::Schedule *batch = four.plan.findSchedule("batch");
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->rows, 0);
  EXPECT_TRUE(batch->logitsAll);
  // The layers know whose their rows are, and the head does not.
  const auto &steps = batch->steps;
  auto readsTable = [](const runtime::Step &step) {
    return llvm::any_of(step.args, [](const runtime::Argument &argument) {
      return argument.kind == runtime::Argument::Kind::Sequences;
    });
  };
  ASSERT_LT(batch->headBegin, static_cast<int64_t>(steps.size()));
  EXPECT_TRUE(readsTable(steps[batch->headBegin - 1]));
  EXPECT_FALSE(readsTable(steps.back()));
  EXPECT_EQ(four.plan.weights.size(), two.plan.weights.size());
  EXPECT_EQ(four.plan.caches.size(), two.plan.caches.size());
  flow::Result<runtime::Plan> read =
      runtime::planFromJson(runtime::toJson(four.plan));
  EXPECT_TRUE(read) << read.error();
}

TEST(Compiler, DraftsAreAnotherStep) {
  TestRecipe recipe;
  CompileOptions options;
  Artifact two = llvm::cantFail(compileModel(*recipe, testTarget(), options));
  EXPECT_FALSE(two.plan.findSchedule("verify"));
  options.verify = true;
  Artifact three = llvm::cantFail(compileModel(*recipe, testTarget(), options));
  // What is there without drafts stays as it is.
  ASSERT_EQ(three.objects.size(), 3u);
  EXPECT_EQ(three.objects[0], two.objects[0]);
  EXPECT_EQ(three.objects[1], two.objects[1]);
  const runtime::Schedule *verify = three.plan.findSchedule("verify");
  ASSERT_TRUE(verify);
  EXPECT_EQ(verify->rows, 0);
  EXPECT_TRUE(verify->logitsAll);
  EXPECT_FALSE(three.plan.findSchedule("prefill")->logitsAll);
  EXPECT_EQ(three.plan.weights.size(), two.plan.weights.size());
  EXPECT_EQ(three.plan.caches.size(), two.plan.caches.size());
  flow::Result<runtime::Plan> read =
      runtime::planFromJson(runtime::toJson(three.plan));
  EXPECT_TRUE(read) << read.error();
}

TEST(Compiler, LeavesTheRecipeAsItIs) {
  TestRecipe recipe;
  std::string before = recipe.print();
  mustCompile(recipe);
  EXPECT_EQ(recipe.print(), before);
  emit(recipe, "decode", EmitKind::Llvm);
  EXPECT_EQ(recipe.print(), before);
  // Also where it fails half-way.
  EXPECT_THAT(
      emit(recipe, "decode", EmitKind::Flow, testTarget(), withNumerics("f16")),
      HasSubstr("error: "));
  EXPECT_EQ(recipe.print(), before);
}

TEST(Compiler, EqualCompilationsAreEqual) {
  TestRecipe first(testRecipe(/*layers=*/1)), second(testRecipe(/*layers=*/1));
  Artifact a = mustCompile(first), b = mustCompile(second);
  EXPECT_EQ(a.objects, b.objects);
  EXPECT_EQ(runtime::toJson(a.plan), runtime::toJson(b.plan));
}

TEST(Compiler, NumericsChooseThePackings) {
  TestRecipe recipe(testRecipe(/*layers=*/1));
  auto count = [&](const std::string &numerics, runtime::Packing packing) {
    Artifact artifact = mustCompile(recipe, withNumerics(numerics));
    return llvm::count_if(artifact.plan.weights,
                          [&](const runtime::PackedWeight &weight) {
                            return weight.packing == packing;
                          });
  };
  // qkv, o, gate_up, down and the head.
  EXPECT_EQ(count("int8", runtime::Packing::PanelsI8), 5);
  EXPECT_EQ(count("f32", runtime::Packing::PanelsF32), 5);
  EXPECT_EQ(count("f32", runtime::Packing::PanelsI8), 0);
}

TEST(Compiler, RefusesUnknownNumerics) {
  TestRecipe recipe;
  llvm::Expected<Artifact> artifact =
      compileModel(*recipe, testTarget(), withNumerics("f16"));
  EXPECT_THAT(
      errorOf(std::move(artifact)),
      AllOf(HasSubstr("f16"), HasSubstr("numerics"), Not(HasSubstr("\n"))));
}

TEST(Compiler, PlansForTheContextThatItCompiledFor) {
  TestRecipe recipe(testRecipe(/*layers=*/1, /*window=*/16));
  CompileOptions options;
  options.context = 12;
  // The window hides nothing in so short a context and is dropped: to run it
  // for longer would be wrong.
  EXPECT_THAT(
      emit(recipe, "decode", EmitKind::Flow, testTarget(), options),
      AllOf(HasSubstr("mask <causal> blocks"), Not(HasSubstr("16> blocks"))));
  EXPECT_EQ(mustCompile(recipe, options).plan.context, 12);
}

TEST(Compiler, RefusesAContextBeyondTheModel) {
  TestRecipe recipe;
  CompileOptions options;
  options.context = 129;
  EXPECT_EQ(errorOf(compileModel(*recipe, testTarget(), options)),
            "a context of 129 positions is more than the model's 128");
}

TEST(Compiler, RefusesNegativeSizes) {
  TestRecipe recipe(testRecipe(/*layers=*/1));
  CompileOptions context, chunk;
  context.context = -1;
  chunk.chunk = 0;
  for (const CompileOptions &options : {context, chunk}) {
    llvm::Expected<Artifact> artifact =
        compileModel(*recipe, testTarget(), options);
    EXPECT_NE(errorOf(std::move(artifact)), "no error");
  }
}

TEST(Compiler, RefusesWhatIsNoRecipe) {
  TestRecipe none("func.func private @f()");
  EXPECT_EQ(errorOf(compileModel(*none, testTarget(), {})),
            "a recipe holds one flow.model, found 0");
  std::string two = testRecipe(1), second = testRecipe(1);
  second.replace(second.find("@gemma"), 6, "@other");
  TestRecipe both(two + second);
  EXPECT_EQ(errorOf(compileModel(*both, testTarget(), {})),
            "a recipe holds one flow.model, found 2");
  EXPECT_THAT(emit(both, "decode", EmitKind::Flow), HasSubstr("flow.model"));
}

TEST(Compiler, RefusesAnUnknownStep) {
  TestRecipe recipe;
  EXPECT_THAT(emit(recipe, "train", EmitKind::Flow),
              AllOf(HasSubstr("error: "), HasSubstr("'train'")));
}

TEST(Compiler, EmitsEveryPhase) {
  TestRecipe recipe(testRecipe(/*layers=*/1));
  EXPECT_EQ(emit(recipe, "decode", EmitKind::Recipe), recipe.print() + "\n");
  std::string flowText = emit(recipe, "decode", EmitKind::Flow);
  EXPECT_THAT(flowText, HasSubstr("func.func @decode("));
  EXPECT_THAT(flowText, Not(HasSubstr("@prefill")));
  EXPECT_THAT(emit(recipe, "prefill", EmitKind::Flow),
              HasSubstr("func.func @prefill("));
  std::string linalg = emit(recipe, "decode", EmitKind::Linalg);
  EXPECT_THAT(linalg, HasSubstr("linalg.generic"));
  EXPECT_THAT(linalg, Not(HasSubstr("flow.attention")));
  EXPECT_THAT(emit(recipe, "decode", EmitKind::Llvm), HasSubstr("llvm.func"));
  EXPECT_THAT(emit(recipe, "decode", EmitKind::Assembly),
              HasSubstr("flow_entry_decode_layer0:"));
  EXPECT_THAT(emit(recipe, "decode", EmitKind::Object),
              testing::StartsWith("\x7f"
                                  "ELF"));
}

TEST(Compiler, TheTargetChoosesInstructions) {
  TestRecipe recipe(testRecipe(/*layers=*/1));
  auto assembly = [&](llvm::StringRef cpu) {
    return emit(recipe, "prefill", EmitKind::Assembly, testTarget(cpu));
  };
  EXPECT_THAT(assembly("x86-64"), Not(HasSubstr("%ymm")));
  EXPECT_THAT(assembly("x86-64-v3"),
              AllOf(HasSubstr("%ymm"), Not(HasSubstr("%zmm"))));
  EXPECT_THAT(assembly("znver4"), HasSubstr("vpdpbusd"));
  EXPECT_THAT(assembly("neoverse-v2"), HasSubstr("\tusdot\t"));
  EXPECT_THAT(assembly("neoverse-n1"),
              AllOf(HasSubstr("\tsdot\t"), Not(HasSubstr("\tusdot\t"))));
}

TEST(Compiler, ConfiguresEveryPassManager) {
  TestRecipe recipe(testRecipe(/*layers=*/1));
  int managers = 0;
  CompileOptions options;
  options.configurePasses = [&](mlir::PassManager &passes) -> llvm::Error {
    ++managers;
    EXPECT_EQ(passes.size(), 0u);
    return llvm::Error::success();
  };
  mustCompile(recipe, options);
  // Three phases of two steps.
  EXPECT_EQ(managers, 6);
  options.configurePasses = [&](mlir::PassManager &) {
    return llvm::createStringError("not today");
  };
  EXPECT_EQ(errorOf(compileModel(*recipe, testTarget(), options)), "not today");
}

TEST(Compiler, ResolvesTargets) {
  EXPECT_TRUE(testTarget("x86-64-v3").avx2);
  EXPECT_FALSE(testTarget("x86-64-v3").avx512);
  EXPECT_EQ(testTarget("x86-64-v3").features, "");
  EXPECT_THAT(errorOf(resolveCpuTarget("abacus")),
              testing::StartsWith("unknown CPU 'abacus'"));
}

TEST(Compiler, ResolvesTargetsOfOtherMachines) {
  auto isaOf = [](llvm::StringRef cpu) {
    CpuTarget target = testTarget(cpu);
    return std::string(llvm::Triple(target.triple).getArchName()) + " " +
           target.getIsa().str() + (target.bf16 ? " bf16" : "");
  };
  EXPECT_EQ(isaOf("x86-64-v3"), "x86_64 avx2");
  EXPECT_EQ(isaOf("neoverse-v2"), "aarch64 i8mm bf16");
  EXPECT_EQ(isaOf("neoverse-v1"), "aarch64 i8mm bf16");
  EXPECT_EQ(isaOf("neoverse-n1"), "aarch64 dotprod");
  EXPECT_EQ(isaOf("apple-m1"), "aarch64 dotprod");
  EXPECT_EQ(isaOf("cortex-a72"), "aarch64 neon");
  // A name that several architectures have is this machine's.
  EXPECT_EQ(testTarget("generic").triple, testTarget("native").triple);
}
