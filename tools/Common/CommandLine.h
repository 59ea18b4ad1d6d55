// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the command lines of our tools have in common.

#ifndef FLOW_TOOLS_COMMANDLINE_H
#define FLOW_TOOLS_COMMANDLINE_H

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

namespace flow {

constexpr int kExitFailure = 1, kExitUsage = 2;

/// Prints the one line of a failed run and returns its exit code.
inline int reportFailure(llvm::Error error) {
  // A message of several lines is one line of reason and then context.
  llvm::errs() << "error: " << llvm::toString(std::move(error)) << '\n';
  return kExitFailure;
}

/// Takes option names that LLVM's libraries have registered for themselves, so
/// that a tool can give them its own meaning: a second registration aborts. A
/// static object of this type stands above the options of a tool.
struct TakenOptionNames {
  explicit TakenOptionNames(std::initializer_list<llvm::StringRef> names) {
    auto &known = llvm::cl::getRegisteredOptions();
    for (llvm::StringRef name : names)
      if (auto found = known.find(name); found != known.end())
        found->second->removeArgument();
  }
};

inline int reportUsage(const llvm::Twine &what) {
  llvm::errs() << "error: " << what << " (see --help)\n";
  return kExitUsage;
}

/// Parses the command line with the options of `category` shown in --help.
/// False after a wrong one, which has been reported.
inline bool parseCommandLine(int argc, char **argv,
                             llvm::cl::OptionCategory &category,
                             llvm::StringRef overview) {
  llvm::cl::HideUnrelatedOptions(category);
  llvm::cl::SetVersionPrinter(
      [](llvm::raw_ostream &out) { out << "gemma-flow " FLOW_VERSION "\n"; });
  std::string problem;
  llvm::raw_string_ostream out(problem);
  if (llvm::cl::ParseCommandLineOptions(argc, argv, overview, &out))
    return true;
  // LLVM prefixes its messages with the name of the program. What is wrong
  // with the value of an option it has printed itself, in a line of its own.
  llvm::StringRef line = llvm::StringRef(problem).split('\n').first;
  line.consume_front(argv[0]);
  line.consume_front(": ");
  if (line.empty())
    line = "the command line is wrong";
  reportUsage(line);
  return false;
}

} // namespace flow

#endif // FLOW_TOOLS_COMMANDLINE_H
