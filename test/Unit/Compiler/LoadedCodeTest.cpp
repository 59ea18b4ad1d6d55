// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Objects in memory: run when they are right, refused when they are not.

#include "TestRecipes.h"

#include "flow/Compiler/LoadedCode.h"
#include "llvm/Support/Endian.h"

#include <gmock/gmock.h>

using namespace flow;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

/// An object whose entry `name` stores its second argument plus `addend` where
/// the first points; `body` may do more.
std::string objectOf(const std::string &name, int64_t addend = 0,
                     const std::string &declarations = "",
                     const std::string &body = "") {
  TestRecipe module(declarations + "llvm.func @_mlir_ciface_" + name +
                    "(%out: !llvm.ptr, %value: i64) {\n"
                    "  %addend = llvm.mlir.constant(" +
                    std::to_string(addend) + " : i64) : i64\n" + body +
                    "  %sum = llvm.add %value, %addend : i64\n"
                    "  llvm.store %sum, %out : i64, !llvm.ptr\n"
                    "  llvm.return\n"
                    "}\n");
  return llvm::cantFail(
      generateCode(*module, testTarget("x86-64"), CodeKind::Object));
}

/// What entry `name` of `code` makes of `value`; -1 when there is none.
int64_t callEntry(LoadedCode &code, const std::string &name, int64_t value) {
  auto entry = reinterpret_cast<void (*)(void **)>(code.lookupEntry(name));
  if (!entry)
    return -1;
  int64_t result = 0;
  void *arguments[] = {&result, &value};
  entry(arguments);
  return result;
}

std::unique_ptr<LoadedCode> mustLoad(std::vector<std::string> objects) {
  llvm::Expected<std::unique_ptr<LoadedCode>> code = LoadedCode::load(objects);
  if (code)
    return std::move(*code);
  ADD_FAILURE() << llvm::toString(code.takeError());
  return nullptr;
}

std::string loadError(std::vector<std::string> objects) {
  llvm::Expected<std::unique_ptr<LoadedCode>> code = LoadedCode::load(objects);
  return code ? "no error" : llvm::toString(code.takeError());
}

} // namespace

TEST(LoadedCode, RunsAnEntry) {
  auto code = mustLoad({objectOf("add_seven", 7)});
  ASSERT_TRUE(code);
  EXPECT_EQ(callEntry(*code, "add_seven", 35), 42);
}

TEST(LoadedCode, LinksSeveralObjects) {
  auto code = mustLoad({objectOf("one", 1), objectOf("two", 2)});
  ASSERT_TRUE(code);
  EXPECT_EQ(callEntry(*code, "one", 10), 11);
  EXPECT_EQ(callEntry(*code, "two", 10), 12);
}

// Kernels are internal to their object; a profile has nothing but their
// addresses.
TEST(LoadedCode, NamesFunctionsByTheirAddress) {
  std::string hidden =
      "llvm.func @some_kernel(%x: i64) -> i64 attributes {no_inline} {\n"
      "  llvm.return %x : i64\n"
      "}\n";
  std::string store = "  %f = llvm.mlir.addressof @some_kernel : !llvm.ptr\n"
                      "  %p = llvm.ptrtoint %f : !llvm.ptr to i64\n"
                      "  %q = llvm.getelementptr %out[8] : (!llvm.ptr) -> "
                      "!llvm.ptr, i8\n"
                      "  llvm.store %p, %q : i64, !llvm.ptr\n";
  auto code = mustLoad({objectOf("one"), objectOf("two", 0, hidden, store)});
  ASSERT_TRUE(code);
  void *entry = code->lookupEntry("two");
  uint64_t out[2] = {}, value = 0;
  void *arguments[] = {out, &value};
  reinterpret_cast<void (*)(void **)>(entry)(arguments);
  auto *kernel = reinterpret_cast<const char *>(out[1]);
  EXPECT_EQ(code->nameOf(kernel), "some_kernel");
  EXPECT_EQ(code->nameOf(kernel + 1), "");
  EXPECT_EQ(code->nameOf(entry), "flow_entry_two");
  EXPECT_EQ(code->nameOf(code->lookupEntry("one")), "flow_entry_one");
  EXPECT_EQ(code->nameOf(&value), "");
}

TEST(LoadedCode, ReachesTheLibraryOfTheProcess) {
  auto code = mustLoad({objectOf("clear", 5, "llvm.func @labs(i64) -> i64\n",
                                 "  %x = llvm.mlir.constant(-3 : i64) : i64\n"
                                 "  %y = llvm.call @labs(%value) : "
                                 "(i64) -> i64\n"
                                 "  llvm.store %y, %out : i64, !llvm.ptr\n")});
  ASSERT_TRUE(code);
  EXPECT_EQ(callEntry(*code, "clear", 1), 6);
}

TEST(LoadedCode, AnUnknownEntryIsNull) {
  auto code = mustLoad({objectOf("known")});
  ASSERT_TRUE(code);
  EXPECT_EQ(code->lookupEntry("unknown"), nullptr);
  EXPECT_EQ(code->lookupEntry(""), nullptr);
  // Symbols that are no entries: one with the prefix, one of the C library.
  EXPECT_EQ(code->lookupEntry("flow_entry_known"), nullptr);
  EXPECT_EQ(code->lookupEntry("malloc"), nullptr);
  // A failed look-up breaks nothing.
  EXPECT_EQ(callEntry(*code, "known", 3), 3);
}

TEST(LoadedCode, NoObjectsHaveNoEntries) {
  auto code = mustLoad({});
  ASSERT_TRUE(code);
  EXPECT_EQ(code->lookupEntry("any"), nullptr);
}

TEST(LoadedCode, CodesLiveSideBySide) {
  auto first = mustLoad({objectOf("f", 1)}),
       second = mustLoad({objectOf("f", 2)});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(callEntry(*first, "f", 0), 1);
  EXPECT_EQ(callEntry(*second, "f", 0), 2);
  first.reset();
  EXPECT_EQ(callEntry(*second, "f", 40), 42);
}

TEST(LoadedCode, RefusesTwoEntriesOfAName) {
  EXPECT_THAT(loadError({objectOf("f", 1), objectOf("f", 2)}),
              HasSubstr("flow_entry_f"));
}

TEST(LoadedCode, RefusesWhatIsNoObject) {
  std::string object = objectOf("f");
  auto isNone = StartsWith("the code is no object: ");
  EXPECT_THAT(loadError({""}), isNone);
  EXPECT_THAT(loadError({"a shopping list"}), isNone);
  EXPECT_THAT(loadError({object, "one wrong of several"}), isNone);
}

TEST(LoadedCode, RefusesObjectsForOtherMachines) {
  std::string foreign = objectOf("f");
  llvm::support::endian::write16le(&foreign[18], /*EM_AARCH64=*/183);
  EXPECT_THAT(loadError({foreign}),
              StartsWith("the code is an object for aarch64"));
  // Zeroes are an empty object of Windows.
  EXPECT_THAT(loadError({std::string(1000, '\0')}),
              StartsWith("the code is an object for "));
}

TEST(LoadedCode, RefusesAnObjectThatIsCutOff) {
  std::string object = objectOf("f");
  for (size_t size = 0; size < object.size(); size += size < 80 ? 1 : 29)
    EXPECT_NE(loadError({object.substr(0, size)}), "no error")
        << size << " of " << object.size() << " bytes";
}

TEST(LoadedCode, AnEntryThatCannotBeLinkedIsNull) {
  auto code =
      mustLoad({objectOf("broken", 0, "llvm.func @no_such_function()\n",
                         "  llvm.call @no_such_function() : () -> ()\n"),
                objectOf("whole", 1)});
  ASSERT_TRUE(code);
  testing::internal::CaptureStderr();
  EXPECT_EQ(code->lookupEntry("broken"), nullptr);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(callEntry(*code, "whole", 1), 2);
}
