// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The code cache: what it takes for equal, and what it does when its folder
// is not as it left it.

#include "TestFolders.h"
#include "TestRecipes.h"

#include "flow/Compiler/CodeCache.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace flow;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::SizeIs;
using testing::StartsWith;

namespace {

/// What a compilation says that was stopped before it began.
const char *const kMiss = "no entry";

/// Options that stop a compilation before it begins: a miss costs no time.
CompileOptions onlyLookUp() {
  CompileOptions options;
  options.configurePasses = [](mlir::PassManager &) {
    return llvm::createStringError(kMiss);
  };
  return options;
}

/// A compilation as far as tests look at it.
struct Outcome {
  /// "cached", "compiled" or the error.
  std::string how;
  std::string plan;
  std::vector<std::string> objects;
};

Outcome compile(const std::string &folder, TestRecipe &recipe,
                const CpuTarget &target = testTarget(),
                const CompileOptions &options = {}) {
  llvm::Expected<CachedCompilation> result =
      compileCached(*recipe, target, options, folder);
  if (!result)
    return {llvm::toString(result.takeError()), "", {}};
  return {result->wasCached ? "cached" : "compiled",
          runtime::toJson(result->artifact.plan), result->artifact.objects};
}

class CodeCacheTest : public testing::Test {
protected:
  Outcome compileHere() { return compile(folder.path(), recipe); }
  std::string lookUp(const CompileOptions &options = onlyLookUp()) {
    return compile(folder.path(), recipe, testTarget(), options).how;
  }

  /// The path of the only entry.
  std::string entry() {
    std::vector<std::string> names = folder.list();
    EXPECT_THAT(names, SizeIs(1));
    return names.empty() ? "" : folder.path(names.front());
  }

  TestFolder folder;
  TestRecipe recipe{testRecipe(/*layers=*/1)};
};

/// Gives an environment variable another value, or none, for a while.
class TestVariable {
public:
  TestVariable(const char *name, const char *value) : name(name) {
    if (const char *old = std::getenv(name))
      before = old;
    set(value);
  }
  ~TestVariable() { set(before ? before->c_str() : nullptr); }
  TestVariable(const TestVariable &) = delete;
  TestVariable &operator=(const TestVariable &) = delete;

private:
  void set(const char *value) {
    if (value)
      setenv(name, value, /*overwrite=*/1);
    else
      unsetenv(name);
  }

  const char *name;
  std::optional<std::string> before;
};

} // namespace

TEST_F(CodeCacheTest, MissesOnceThenHits) {
  Outcome first = compileHere();
  EXPECT_EQ(first.how, "compiled");
  EXPECT_THAT(folder.list(), ElementsAre(MatchesRegex("[0-9a-f]{32}\\.flow")));
  std::string stored = readBytes(entry());
  Outcome second = compileHere();
  EXPECT_EQ(second.how, "cached");
  EXPECT_EQ(second.plan, first.plan);
  EXPECT_EQ(second.objects, first.objects);
  EXPECT_EQ(readBytes(entry()), stored);
}

TEST_F(CodeCacheTest, HitsWithAnEqualRecipeOfAnotherContext) {
  EXPECT_EQ(compileHere().how, "compiled");
  TestRecipe equal(testRecipe(/*layers=*/1));
  EXPECT_EQ(compile(folder.path(), equal).how, "cached");
}

TEST_F(CodeCacheTest, GivesWhatWasCompiledForTheSameInputs) {
  CompileOptions all;
  all.logitsAll = true;
  Outcome last = compileHere();
  Outcome every = compile(folder.path(), recipe, testTarget(), all);
  EXPECT_NE(last.plan, every.plan);
  EXPECT_EQ(compileHere().plan, last.plan);
  EXPECT_EQ(compile(folder.path(), recipe, testTarget(), all).plan, every.plan);
}

TEST_F(CodeCacheTest, EveryInputThatMattersChangesTheKey) {
  EXPECT_EQ(compileHere().how, "compiled");
  EXPECT_EQ(lookUp(), "cached");
  auto lookUpWith = [&](auto change) {
    CompileOptions options = onlyLookUp();
    change(options);
    return lookUp(options);
  };
  EXPECT_EQ(lookUpWith([](CompileOptions &o) { o.numerics = "f32"; }), kMiss);
  EXPECT_EQ(lookUpWith([](CompileOptions &o) { o.logitsAll = true; }), kMiss);
  EXPECT_EQ(lookUpWith([](CompileOptions &o) { o.topK = 8; }), kMiss);
  EXPECT_EQ(lookUpWith([](CompileOptions &o) { o.batch = true; }), kMiss);
  EXPECT_EQ(lookUpWith([](CompileOptions &o) { o.verify = true; }), kMiss);
  EXPECT_EQ(lookUpWith([](CompileOptions &o) { o.context = 64; }), kMiss);
  EXPECT_EQ(lookUpWith([](CompileOptions &o) { o.chunk = 24; }), kMiss);

  CpuTarget cpu = testTarget(), features = cpu, triple = cpu;
  cpu.cpu = "x86-64-v2";
  features.features = "+prefer-128-bit";
  triple.triple += "-elf";
  for (const CpuTarget &other : {cpu, features, triple})
    EXPECT_EQ(compile(folder.path(), recipe, other, onlyLookUp()).how, kMiss)
        << other.triple << ' ' << other.cpu << ' ' << other.features;

  TestRecipe other(testRecipe(/*layers=*/1, /*window=*/20));
  EXPECT_EQ(compile(folder.path(), other, testTarget(), onlyLookUp()).how,
            kMiss);
}

TEST_F(CodeCacheTest, WordsOfTheKeyDoNotRunTogether) {
  EXPECT_EQ(compileHere().how, "compiled");
  // Context 0 and chunk 512, the defaults, with their digits in other places.
  CompileOptions options = onlyLookUp();
  options.context = 5;
  options.chunk = 12;
  EXPECT_EQ(lookUp(options), kMiss);
  CpuTarget target = testTarget();
  target.features = target.cpu.substr(6);
  target.cpu.resize(6);
  EXPECT_EQ(compile(folder.path(), recipe, target, onlyLookUp()).how, kMiss);
}

TEST_F(CodeCacheTest, AnEmptyFolderNameIsNoCache) {
  EXPECT_EQ(compile("", recipe).how, "compiled");
  EXPECT_EQ(compile("", recipe).how, "compiled");
}

TEST_F(CodeCacheTest, MakesItsFolder) {
  std::string deep = folder.path("a/b/c");
  EXPECT_EQ(compile(deep, recipe).how, "compiled");
  EXPECT_EQ(compile(deep, recipe).how, "cached");
}

TEST_F(CodeCacheTest, AFailedCompilationLeavesNothing) {
  CompileOptions options;
  options.numerics = "f16";
  EXPECT_THAT(compile(folder.path(), recipe, testTarget(), options).how,
              HasSubstr("f16"));
  EXPECT_THAT(folder.list(), IsEmpty());
}

TEST_F(CodeCacheTest, AFolderThatIsAFileIsAnError) {
  std::string file = folder.path("file");
  writeBytes(file, "mine");
  // It says so before it compiles what has nowhere to go.
  for (const std::string &path : {file, file + "/below"})
    EXPECT_EQ(compile(path, recipe, testTarget(), onlyLookUp()).how,
              "the code cache " + path + " cannot be made: Not a directory");
  EXPECT_EQ(readBytes(file), "mine");
}

TEST_F(CodeCacheTest, AFolderThatCannotBeWrittenIsAnError) {
  // In /proc not even root can make files.
  EXPECT_THAT(compile("/proc/gemma-flow", recipe).how,
              StartsWith("the code cache /proc/gemma-flow cannot be made: "));
  EXPECT_THAT(
      compile("/proc/self/fdinfo", recipe).how,
      StartsWith("the code cache /proc/self/fdinfo cannot be written: "));
}

TEST_F(CodeCacheTest, MakesDamagedEntriesAnew) {
  EXPECT_EQ(compileHere().how, "compiled");
  std::string path = entry(), whole = readBytes(path);
  std::string flipped = whole, older = whole;
  flipped[whole.size() / 2] ^= 1;
  older[7] = 0;
  for (const std::string &damaged :
       {whole.substr(0, whole.size() / 2), flipped, older, std::string(),
        std::string("a shopping list")}) {
    writeBytes(path, damaged);
    EXPECT_EQ(lookUp(), kMiss) << damaged.size();
  }
  EXPECT_EQ(compileHere().how, "compiled");
  EXPECT_EQ(readBytes(entry()), whole);
  EXPECT_EQ(lookUp(), "cached");
}

TEST_F(CodeCacheTest, AnEntryThatIsAFolderIsAnError) {
  EXPECT_EQ(compileHere().how, "compiled");
  std::string path = entry();
  ASSERT_FALSE(llvm::sys::fs::remove(path));
  ASSERT_FALSE(llvm::sys::fs::create_directory(path));
  EXPECT_THAT(compileHere().how, HasSubstr("cannot be written: "));
  EXPECT_THAT(folder.list(), SizeIs(1));
}

TEST_F(CodeCacheTest, IgnoresWhatAKilledWriterLeft) {
  // A child that is killed in the middle of its entry.
  pid_t child = fork();
  ASSERT_NE(child, -1);
  if (child == 0) {
    TestRecipe own(testRecipe(/*layers=*/1));
    rlimit limit = {4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, SIG_DFL);
    (void)compile(folder.path(), own);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the child was to die of its write";

  // Where it had no time to tidy up, half an entry lies under another name.
  writeBytes(folder.path("0.flow.1234abcd.tmp"), "FLOWART\x01 and half");
  for (const std::string &name : folder.list())
    EXPECT_THAT(name, testing::Not(testing::EndsWith(".flow")));
  EXPECT_EQ(compileHere().how, "compiled");
  EXPECT_EQ(lookUp(), "cached");
}

TEST_F(CodeCacheTest, AFullDiskIsAnErrorAndLeavesNothing) {
  std::string how;
  {
    FullDisk full(4096);
    how = compileHere().how;
  }
  EXPECT_THAT(how, StartsWith("the code cache " + folder.path() +
                              " cannot be written: "));
  EXPECT_THAT(how, HasSubstr("File too large"));
  EXPECT_THAT(folder.list(), IsEmpty());
  EXPECT_EQ(compileHere().how, "compiled");
}

TEST_F(CodeCacheTest, ManyMayCompileTheSameAtOnce) {
  Outcome alone = compile("", recipe);
  std::vector<Outcome> outcomes(4);
  std::vector<std::thread> threads;
  for (Outcome &outcome : outcomes)
    threads.emplace_back([&] {
      TestRecipe own(testRecipe(/*layers=*/1));
      outcome = compile(folder.path(), own);
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const Outcome &outcome : outcomes) {
    EXPECT_THAT(outcome.how, testing::AnyOf("compiled", "cached"));
    EXPECT_EQ(outcome.plan, alone.plan);
    EXPECT_EQ(outcome.objects, alone.objects);
  }
  EXPECT_THAT(folder.list(), SizeIs(1));
  EXPECT_EQ(compileHere().how, "cached");
}

TEST(UserCacheFolder, FollowsTheEnvironment) {
  TestVariable home("HOME", "/home/me");
  {
    TestVariable xdg("XDG_CACHE_HOME", "/caches");
    EXPECT_EQ(getUserCacheFolder(), "/caches/gemma-flow");
  }
  for (const char *unset : {static_cast<const char *>(nullptr), ""}) {
    TestVariable xdg("XDG_CACHE_HOME", unset);
    EXPECT_EQ(getUserCacheFolder(), "/home/me/.cache/gemma-flow");
    TestVariable homeless("HOME", unset);
    EXPECT_EQ(getUserCacheFolder(), "");
  }
}
