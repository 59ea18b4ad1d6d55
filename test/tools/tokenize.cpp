// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Prints the ids of strings as a model's tokenizer gives them:
//   flow-test-tokenize MODEL ADD_SPECIAL PARSE_SPECIAL
// The two switches are 0 or 1. The strings come from stdin, each ended by a NUL
// byte; the ids of each go to a line of stdout, separated by commas.

#include "flow/Compiler/LoadedModel.h"
#include "flow/Text/Tokenizer.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace flow;

static llvm::Error printIds(llvm::StringRef path, text::EncodeOptions options,
                            llvm::StringRef strings) {
  llvm::Expected<ImportedModel> model = importModel(path);
  if (!model)
    return model.takeError();
  llvm::Expected<text::Vocabulary> vocabulary = loadVocabulary(*model);
  if (!vocabulary)
    return vocabulary.takeError();
  text::Tokenizer tokenizer(*vocabulary);
  while (!strings.empty()) {
    size_t end = strings.find('\0');
    if (end == llvm::StringRef::npos)
      return llvm::createStringError("the last string has no NUL byte");
    Result<std::vector<text::TokenId>> ids =
        tokenizer.encode({strings.data(), end}, options);
    if (!ids)
      return llvm::createStringError(ids.error());
    llvm::interleave(*ids, llvm::outs(), ",");
    llvm::outs() << '\n';
    strings = strings.drop_front(end + 1);
  }
  return llvm::Error::success();
}

/// The meaning of a switch; nothing if it is neither 0 nor 1.
static std::optional<bool> parseSwitch(llvm::StringRef text) {
  if (text != "0" && text != "1")
    return std::nullopt;
  return text == "1";
}

int main(int argc, char **argv) {
  std::optional<bool> addSpecial, parseSpecial;
  if (argc == 4) {
    addSpecial = parseSwitch(argv[2]);
    parseSpecial = parseSwitch(argv[3]);
  }
  if (!addSpecial || !parseSpecial) {
    llvm::errs() << "error: expected MODEL and two switches, each 0 or 1\n";
    return 2;
  }
  auto strings = llvm::MemoryBuffer::getSTDIN();
  if (!strings) {
    llvm::errs() << "error: stdin: " << strings.getError().message() << '\n';
    return 1;
  }
  if (llvm::Error error = printIds(argv[1], {*addSpecial, *parseSpecial},
                                   (*strings)->getBuffer())) {
    llvm::errs() << "error: " << llvm::toString(std::move(error)) << '\n';
    return 1;
  }
  return 0;
}
