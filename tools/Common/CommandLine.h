// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the command lines of our tools have in common.

#ifndef FLOW_TOOLS_COMMANDLINE_H
#define FLOW_TOOLS_COMMANDLINE_H

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <tuple>
#include <unistd.h>

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

/// Takes what is written to stderr. LLVM prints what is wrong with the value of
/// an option itself, whatever stream its parser was given, and our one line
/// would be the second.
class CapturedStderr {
public:
  CapturedStderr() : file(memfd_create("stderr", MFD_CLOEXEC)) {
    if (file < 0)
      return;
    original = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    if (original >= 0)
      dup2(file, STDERR_FILENO);
  }
  CapturedStderr(const CapturedStderr &) = delete;
  CapturedStderr &operator=(const CapturedStderr &) = delete;

  /// Gives stderr back and ends the capture, which is why it is called once.
  std::string take() {
    std::string text;
    if (original >= 0) {
      dup2(original, STDERR_FILENO);
      close(original);
      text.resize(lseek(file, 0, SEEK_CUR));
      text.resize(
          std::max<ssize_t>(0, pread(file, text.data(), text.size(), 0)));
    }
    if (file >= 0)
      close(file);
    return text;
  }

private:
  int file, original = -1;
};

/// The first of LLVM's messages about a command line, without what it puts
/// around them: the name of the program, and where to find help.
inline std::string describeUsageProblem(llvm::StringRef program,
                                        llvm::StringRef messages) {
  std::string prefix = (llvm::sys::path::filename(program) + ": ").str();
  auto [first, rest] = messages.split('\n');
  // What follows an option of one letter is first tried as more such options.
  if (first.contains("may not occur within a group!"))
    std::tie(first, rest) = rest.split('\n');
  first.consume_front(prefix);
  first.consume_front("for the ");
  first = first.split("  Try: ").first;
  if (first.empty())
    return "the command line is wrong";
  rest.consume_front(prefix);
  llvm::StringRef second = rest.split('\n').first;
  if (second.starts_with("Did you mean "))
    return (first + " " + second).str();
  return first.str();
}

/// Parses the command line. False after a wrong one, which has been reported.
inline bool parseOptions(int argc, char **argv, llvm::StringRef overview) {
  std::string messages;
  llvm::raw_string_ostream out(messages);
  CapturedStderr printed;
  bool isRight = llvm::cl::ParseCommandLineOptions(argc, argv, overview, &out);
  std::string values = printed.take();
  if (isRight)
    llvm::errs() << values;
  else
    reportUsage(describeUsageProblem(argv[0], values + messages));
  return isRight;
}

/// The first line of what is wrong with a pipeline of passes, without the place
/// in its text that its parser puts before it.
inline llvm::StringRef firstPipelineMessage(llvm::StringRef text) {
  llvm::StringRef line = text.split('\n').first;
  auto [place, message] = line.split(": error: ");
  return message.empty() ? line : message;
}

inline void printFlowVersion(llvm::raw_ostream &out) {
  out << "gemma-flow " FLOW_VERSION "\n";
}

/// Parses the command line with only the options of `category` shown in --help.
/// False after a wrong one, which has been reported.
inline bool parseCommandLine(int argc, char **argv,
                             llvm::cl::OptionCategory &category,
                             llvm::StringRef overview) {
  llvm::cl::HideUnrelatedOptions(category);
  llvm::cl::SetVersionPrinter(printFlowVersion);
  return parseOptions(argc, argv, overview);
}

/// What is wrong with an option that has to be one of at least two `choices`,
/// or nothing.
inline std::string checkChoice(llvm::StringRef option, llvm::StringRef value,
                               llvm::ArrayRef<llvm::StringRef> choices) {
  if (llvm::is_contained(choices, value))
    return {};
  return (option + " must be " + llvm::join(choices.drop_back(), ", ") +
          " or " + choices.back() + ", got '" + value + "'")
      .str();
}

/// The same of `--numerics` and `--cache-type`.
inline std::string checkArithmetic(llvm::StringRef numerics,
                                   llvm::StringRef cacheType) {
  std::string problem =
      checkChoice("--numerics", numerics, {"auto", "f32", "bf16", "int8"});
  return problem.empty() ? checkChoice("--cache-type", cacheType,
                                       {"auto", "f32", "bf16", "f16"})
                         : problem;
}

} // namespace flow

#endif // FLOW_TOOLS_COMMANDLINE_H
