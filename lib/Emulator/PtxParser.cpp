// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads PTX: statements end at semicolons, and braces open scopes.

#include "PtxParser.h"

#include "PtxOperands.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace flow::emulator;
using llvm::StringRef;

bool Instruction::has(StringRef suffix) const {
  return llvm::is_contained(llvm::drop_begin(parts), suffix);
}

/// Memory that a text may ask for in one variable.
static constexpr uint64_t kMaxVariable = 1 << 26;
static constexpr unsigned kMaxRegisters = 1 << 20;

namespace {

/// Blanks comments; newlines stay, so that lines can be counted.
std::string withoutComments(StringRef ptx) {
  std::string text = ptx.str();
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '/')
      continue;
    size_t end = StringRef::npos;
    if (text[i + 1] == '/')
      end = text.find('\n', i);
    else if (text[i + 1] == '*')
      end = text.find("*/", i + 2);
    else
      continue;
    end = end == std::string::npos ? text.size()
                                   : end + (text[i + 1] == '*' ? 2 : 0);
    for (; i < end; ++i)
      if (text[i] != '\n')
        text[i] = ' ';
  }
  // The driver wants a terminating zero, which is no part of the text.
  while (!text.empty() && text.back() == '\0')
    text.pop_back();
  return text;
}

/// The size of a type such as `.b32` in bits; predicates have one.
std::optional<unsigned> bitsOfType(StringRef type) {
  if (type == "pred")
    return 1;
  if (type == "f16x2" || type == "bf16x2")
    return 32;
  StringRef digits = type.drop_while([](char c) { return !llvm::isDigit(c); });
  unsigned bits = 0;
  StringRef prefix = type.drop_back(digits.size());
  if (!llvm::is_contained({"b", "u", "s", "f", "bf"}, prefix) ||
      digits.getAsInteger(10, bits) ||
      !llvm::is_contained({8u, 16u, 32u, 64u, 128u}, bits))
    return std::nullopt;
  return bits;
}

/// What a declaration says before the name, and after it.
struct Declaration {
  unsigned bits = 0;
  uint64_t align = 0, count = 1;
  bool isArray = false;
  StringRef name, initializer;
};

class Parser {
public:
  explicit Parser(PtxModule &module) : module(module), text(*module.text) {}

  llvm::Error parse();

private:
  llvm::Error fail(const llvm::Twine &what) const {
    return llvm::createStringError("PTX line " + llvm::Twine(line) + ": " +
                                   what);
  }

  void advance(size_t count) {
    line += StringRef(text).substr(at, count).count('\n');
    at += count;
  }
  void skipSpace() {
    while (at < text.size() && llvm::isSpace(text[at]))
      advance(1);
  }
  StringRef rest() const { return StringRef(text).drop_front(at); }
  /// The next word, with its leading dot if it has one; not consumed.
  StringRef peekWord() const {
    StringRef r = rest();
    size_t end = r.starts_with(".") ? 1 : 0;
    while (end < r.size() && isWordCharacter(r[end]))
      ++end;
    return r.take_front(end);
  }
  /// Everything up to `end`, which is consumed but not returned.
  llvm::Expected<StringRef> takeUntil(char end, StringRef what) {
    size_t found = rest().find(end);
    if (found == StringRef::npos)
      return fail("the text ends in " + what);
    StringRef taken = rest().take_front(found);
    advance(found + 1);
    return taken;
  }

  llvm::Error parseModuleStatement();
  llvm::Error parseEntry();
  llvm::Error parseParameters();
  llvm::Error skipFunction();
  llvm::Error parseBodyStatement();
  llvm::Error parseLaunchBounds();
  llvm::Error parseRegisters(StringRef declaration);
  llvm::Expected<Declaration> parseDeclaration(StringRef text) const;
  llvm::Error parseVariable(StringRef space, StringRef text);
  llvm::Error parseGlobal(const Declaration &declaration, bool readOnly);
  llvm::Error parseInstruction(StringRef text, unsigned startLine);
  void closeScope();
  llvm::Error addRegister(StringRef name, unsigned bits);
  std::optional<unsigned> findRegister(StringRef name) const;
  /// The operands of an instruction, with the line in their errors.
  llvm::Expected<std::vector<Operand>> readOperands(StringRef text) const;

  PtxModule &module;
  const std::string &text;
  size_t at = 0;
  unsigned line = 1;
  /// The kernel whose body is read, and the names of its registers by scope.
  Kernel *kernel = nullptr;
  std::vector<llvm::StringMap<unsigned>> scopes;
  /// Braces within the body: the first instruction, and the names that labels
  /// have among those of the kernel.
  struct Scope {
    unsigned number;
    size_t first;
    llvm::StringMap<StringRef> labels;
  };
  llvm::SmallVector<Scope> openScopes;
  unsigned lastScope = 0;
  /// Shared variables outside kernels: every kernel has all of them.
  std::vector<Declaration> moduleShared;
};

llvm::Error Parser::parse() {
  for (skipSpace(); at < text.size(); skipSpace())
    if (llvm::Error error =
            kernel ? parseBodyStatement() : parseModuleStatement())
      return error;
  if (kernel)
    return fail("the text ends inside kernel '" + kernel->name + "'");
  return llvm::Error::success();
}

llvm::Error Parser::parseModuleStatement() {
  StringRef word = peekWord();
  if (word == ".version" || word == ".target" || word == ".address_size" ||
      word == ".file" || word == ".loc") {
    // These end with their line.
    size_t end = rest().find('\n');
    advance(end == StringRef::npos ? rest().size() : end);
    return llvm::Error::success();
  }
  if (word == ".visible" || word == ".weak" || word == ".extern" ||
      word == ".common" || word == ".alias") {
    advance(word.size());
    return llvm::Error::success();
  }
  if (word == ".entry") {
    advance(word.size());
    return parseEntry();
  }
  if (word == ".func")
    return skipFunction();
  if (word == ".section") {
    auto taken = takeUntil('}', "a section");
    return taken ? llvm::Error::success() : taken.takeError();
  }
  if (word == ".shared" || word == ".global" || word == ".const") {
    advance(word.size());
    auto declaration = takeUntil(';', "a variable");
    if (!declaration)
      return declaration.takeError();
    return parseVariable(word, *declaration);
  }
  return fail("expected a kernel or a variable, found '" +
              onOneLine(rest().take_front(20)) + "'");
}

/// Functions other than kernels are left out: a call to one is an instruction
/// that is not supported.
llvm::Error Parser::skipFunction() {
  size_t open = rest().find('{'), semicolon = rest().find(';');
  if (semicolon < open) {
    advance(semicolon + 1);
    return llvm::Error::success();
  }
  if (open == StringRef::npos)
    return fail("the text ends in a function");
  advance(open);
  int depth = 0;
  do {
    if (at == text.size())
      return fail("the text ends in a function");
    depth += text[at] == '{' ? 1 : text[at] == '}' ? -1 : 0;
    advance(1);
  } while (depth);
  return llvm::Error::success();
}

llvm::Error Parser::parseEntry() {
  skipSpace();
  StringRef name = peekWord();
  if (name.empty())
    return fail("a kernel has no name");
  advance(name.size());
  for (const Kernel &other : module.kernels)
    if (other.name == name)
      return fail("kernel '" + name + "' is defined twice");
  kernel = &module.kernels.emplace_back();
  kernel->name = name.str();
  scopes.assign(1, {});
  for (const Declaration &declaration : moduleShared) {
    uint64_t align = declaration.align;
    if (declaration.isArray && declaration.count == 0) {
      kernel->dynamicShared[declaration.name] = {0, 0, align};
      continue;
    }
    uint64_t size = declaration.bits / 8 * declaration.count;
    kernel->sharedBytes = llvm::alignTo(kernel->sharedBytes, align);
    kernel->shared[declaration.name] = {kernel->sharedBytes, size, align};
    kernel->sharedBytes += size;
  }
  skipSpace();
  if (rest().starts_with("("))
    if (llvm::Error error = parseParameters())
      return error;
  for (skipSpace(); !rest().starts_with("{"); skipSpace()) {
    if (at == text.size())
      return fail("kernel '" + kernel->name + "' has no body");
    if (llvm::Error error = parseLaunchBounds())
      return error;
  }
  advance(1);
  return llvm::Error::success();
}

llvm::Error Parser::parseParameters() {
  advance(1);
  auto list = takeUntil(')', "a list of parameters");
  if (!list)
    return list.takeError();
  if (list->trim().empty())
    return llvm::Error::success();
  llvm::SmallVector<StringRef> parameters;
  list->split(parameters, ',');
  for (StringRef parameter : parameters) {
    parameter = parameter.trim();
    if (!parameter.consume_front(".param"))
      return fail("expected '.param', found '" + onOneLine(parameter) + "'");
    auto declaration = parseDeclaration(parameter);
    if (!declaration)
      return declaration.takeError();
    uint64_t size = declaration->bits / 8 * declaration->count;
    Variable variable = {
        llvm::alignTo(kernel->parameterBytes, declaration->align), size,
        declaration->align};
    kernel->parameterBytes = variable.offset + size;
    kernel->parameters.push_back(variable);
    kernel->parameterNames[declaration->name] = variable;
  }
  return llvm::Error::success();
}

llvm::Error Parser::parseLaunchBounds() {
  StringRef word = peekWord();
  if (!word.starts_with("."))
    return fail("expected the body of kernel '" + kernel->name + "', found '" +
                onOneLine(rest().take_front(20)) + "'");
  advance(word.size());
  size_t end = rest().find_first_of(".{");
  StringRef numbers = rest().take_front(end);
  advance(numbers.size());
  if (word != ".maxntid" && word != ".reqntid")
    return llvm::Error::success();
  kernel->exactThreads = word == ".reqntid";
  llvm::SmallVector<StringRef> parts;
  numbers.split(parts, ',');
  for (unsigned i = 0; i < 3; ++i) {
    kernel->maxThreads[i] = 1;
    if (i < parts.size() &&
        parts[i].trim().getAsInteger(10, kernel->maxThreads[i]))
      return fail("'" + word + "' expects numbers, found '" +
                  onOneLine(numbers) + "'");
  }
  return llvm::Error::success();
}

llvm::Error Parser::parseBodyStatement() {
  if (rest().starts_with("{")) {
    advance(1);
    scopes.emplace_back();
    openScopes.push_back({++lastScope, kernel->instructions.size(), {}});
    return llvm::Error::success();
  }
  if (rest().starts_with("}")) {
    advance(1);
    scopes.pop_back();
    if (scopes.empty())
      kernel = nullptr;
    else
      closeScope();
    return llvm::Error::success();
  }
  if (rest().starts_with(";")) {
    advance(1);
    return llvm::Error::success();
  }
  StringRef word = peekWord();
  if (word == ".loc" || word == ".file") {
    size_t end = rest().find('\n');
    advance(end == StringRef::npos ? rest().size() : end);
    return llvm::Error::success();
  }
  StringRef afterWord = rest().drop_front(word.size()).ltrim();
  if (!word.empty() && !word.starts_with(".") && afterWord.starts_with(":") &&
      !afterWord.starts_with("::")) {
    std::string name = word.str();
    // Those of an inner scope may be there again in the next.
    if (scopes.size() > 1)
      name += "@" + std::to_string(openScopes.back().number);
    auto [label, isNew] =
        kernel->labels.try_emplace(name, kernel->instructions.size());
    if (!isNew)
      return fail("label '" + word + "' is defined twice");
    if (scopes.size() > 1)
      openScopes.back().labels[word] = label->getKey();
    advance(rest().find(':') + 1);
    return llvm::Error::success();
  }
  unsigned startLine = line;
  auto statement =
      takeUntil(';', "a statement of kernel '" + kernel->name + "'");
  if (!statement)
    return statement.takeError();
  if (!word.starts_with("."))
    return parseInstruction(*statement, startLine);
  StringRef declaration = statement->drop_front(word.size());
  if (word == ".reg")
    return parseRegisters(declaration);
  if (word == ".shared" || word == ".local" || word == ".global" ||
      word == ".const")
    return parseVariable(word, declaration);
  // Of calls, and of their prototypes: the call itself is refused.
  if (word == ".param" || word == ".pragma" || word == ".callprototype" ||
      word == ".branchtargets")
    return llvm::Error::success();
  return fail("unknown directive '" + word + "'");
}

/// Branches within the scope go to its own labels.
void Parser::closeScope() {
  const Scope scope = openScopes.pop_back_val();
  for (size_t i = scope.first; i < kernel->instructions.size(); ++i) {
    Instruction &instruction = kernel->instructions[i];
    if (instruction.family() != "bra" || instruction.operands.size() != 1)
      continue;
    auto label = scope.labels.find(instruction.operands[0].name);
    if (label != scope.labels.end())
      instruction.operands[0].name = label->second;
  }
}

llvm::Error Parser::addRegister(StringRef name, unsigned bits) {
  if (kernel->registers.size() >= kMaxRegisters)
    return fail("more than " + llvm::Twine(kMaxRegisters) + " registers");
  if (!scopes.back().try_emplace(name, kernel->registers.size()).second)
    return fail("register '" + name + "' is declared twice");
  kernel->registers.push_back({name.str(), bits});
  return llvm::Error::success();
}

std::optional<unsigned> Parser::findRegister(StringRef name) const {
  for (const auto &scope : llvm::reverse(scopes))
    if (auto found = scope.find(name); found != scope.end())
      return found->second;
  return std::nullopt;
}

/// `.b32 %r<8>`, `.pred p, q`.
llvm::Error Parser::parseRegisters(StringRef declaration) {
  declaration = declaration.trim();
  StringRef type = declaration.take_front(declaration.find_if(llvm::isSpace));
  StringRef names = declaration.drop_front(type.size());
  std::optional<unsigned> bits =
      type.starts_with(".") ? bitsOfType(type.drop_front()) : std::nullopt;
  if (!bits)
    return fail("unknown type of registers '" + type + "'");
  llvm::SmallVector<StringRef> list;
  names.split(list, ',');
  for (StringRef name : list) {
    name = name.trim();
    size_t angle = name.find('<');
    if (angle == StringRef::npos) {
      if (llvm::Error error = addRegister(name, *bits))
        return error;
      continue;
    }
    unsigned count = 0;
    if (!name.ends_with(">") ||
        name.slice(angle + 1, name.size() - 1).getAsInteger(10, count))
      return fail("cannot read the registers '" + name + "'");
    for (unsigned i = 0; i < count; ++i)
      if (llvm::Error error = addRegister(
              (name.take_front(angle) + llvm::Twine(i)).str(), *bits))
        return error;
  }
  return llvm::Error::success();
}

/// `.align 16 .b8 name[64] = {…}`; qualifiers such as `.ptr .global` are
/// skipped.
llvm::Expected<Declaration> Parser::parseDeclaration(StringRef source) const {
  Declaration declaration;
  auto [head, initializer] = source.split('=');
  declaration.initializer = initializer.trim();
  size_t bracket = head.find('[');
  StringRef dimensions = bracket == StringRef::npos ? "" : head.substr(bracket);
  llvm::SmallVector<StringRef> words;
  llvm::SplitString(head.take_front(bracket), words, " \t\n\r\v\f");
  if (words.empty())
    return fail("a variable has no name");
  declaration.name = words.pop_back_val();
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == ".align" || words[i] == ".ptr") {
      bool ofPointee = llvm::is_contained(llvm::ArrayRef(words).take_front(i),
                                          StringRef(".ptr"));
      uint64_t align = 0;
      if (words[i] == ".ptr")
        continue;
      if (i + 1 == words.size() || words[i + 1].getAsInteger(10, align) ||
          !llvm::isPowerOf2_64(align) || align > 4096)
        return fail("cannot read the alignment of '" + declaration.name + "'");
      // `.ptr .global .align 1` speaks of what a parameter points to.
      if (!ofPointee)
        declaration.align = align;
      ++i;
    } else if (std::optional<unsigned> bits =
                   bitsOfType(words[i].drop_front())) {
      declaration.bits = *bits;
    }
  }
  if (declaration.bits < 8)
    return fail("variable '" + declaration.name + "' has no type");
  declaration.align =
      std::max<uint64_t>(declaration.align, declaration.bits / 8);
  declaration.isArray = !dimensions.empty();
  while (!dimensions.empty()) {
    auto [number, more] = dimensions.drop_front().split(']');
    uint64_t extent = 0;
    if (!number.trim().empty() && number.trim().getAsInteger(0, extent))
      return fail("cannot read the size of '" + declaration.name + "'");
    if (extent > kMaxVariable ||
        declaration.count * std::max<uint64_t>(extent, 1) > kMaxVariable)
      return fail("variable '" + declaration.name + "' is too large");
    declaration.count *= extent;
    dimensions = more.ltrim();
    if (!dimensions.empty() && !dimensions.starts_with("["))
      return fail("cannot read the size of '" + declaration.name + "'");
  }
  return declaration;
}

llvm::Error Parser::parseVariable(StringRef space, StringRef source) {
  auto declaration = parseDeclaration(source);
  if (!declaration)
    return declaration.takeError();
  uint64_t size = declaration->bits / 8 * declaration->count;
  if (space == ".global" || space == ".const")
    return parseGlobal(*declaration, space == ".const");
  if (!kernel) {
    moduleShared.push_back(*declaration);
    return llvm::Error::success();
  }
  bool isLocal = space == ".local";
  if (!isLocal && declaration->isArray && !declaration->count) {
    kernel->dynamicShared[declaration->name] = {0, 0, declaration->align};
    return llvm::Error::success();
  }
  uint64_t &used = isLocal ? kernel->localBytes : kernel->sharedBytes;
  used = llvm::alignTo(used, declaration->align);
  (isLocal ? kernel->local : kernel->shared)[declaration->name] = {
      used, size, declaration->align};
  used += size;
  return llvm::Error::success();
}

llvm::Error Parser::parseGlobal(const Declaration &declaration, bool readOnly) {
  GlobalVariable variable;
  variable.name = declaration.name.str();
  variable.align = declaration.align;
  variable.readOnly = readOnly;
  unsigned bytes = declaration.bits / 8;
  variable.bytes.assign(bytes * declaration.count, '\0');
  llvm::SmallVector<StringRef> values;
  llvm::SplitString(declaration.initializer, values, "{}, \t\n\r\v\f");
  if (values.size() > declaration.count)
    return fail("variable '" + declaration.name + "' has too many values");
  for (auto [i, value] : llvm::enumerate(values)) {
    auto operands = readOperands(value);
    if (!operands)
      return operands.takeError();
    const Operand &operand = operands->front();
    if (operand.kind != Operand::Kind::Immediate)
      return fail("variable '" + declaration.name +
                  "' starts with an address, which is not supported");
    for (unsigned b = 0; b < std::min(bytes, 8u); ++b)
      variable.bytes[i * bytes + b] = static_cast<char>(operand.value >> 8 * b);
  }
  module.globals.push_back(std::move(variable));
  return llvm::Error::success();
}

llvm::Expected<std::vector<Operand>>
Parser::readOperands(StringRef source) const {
  auto operands = parseOperands(
      source, [this](StringRef name) { return findRegister(name); });
  if (!operands)
    return fail(llvm::toString(operands.takeError()));
  return operands;
}

llvm::Error Parser::parseInstruction(StringRef source, unsigned startLine) {
  Instruction instruction;
  instruction.line = startLine;
  instruction.text = onOneLine(source);
  source = source.trim();
  if (source.consume_front("@")) {
    instruction.guardNegated = source.consume_front("!");
    size_t end = source.find_if(llvm::isSpace);
    StringRef name = source.take_front(end);
    instruction.guard = findRegister(name);
    if (!instruction.guard || kernel->registers[*instruction.guard].bits != 1)
      return fail("the guard '" + name + "' is no predicate");
    source = source.drop_front(name.size()).ltrim();
  }
  instruction.opcode = source.take_front(source.find_if(llvm::isSpace));
  source = source.drop_front(instruction.opcode.size()).trim();
  instruction.opcode.split(instruction.parts, '.');
  if (!source.empty() && instruction.family() != "call") {
    auto operands = readOperands(source);
    if (!operands)
      return operands.takeError();
    instruction.operands = std::move(*operands);
  }
  kernel->instructions.push_back(std::move(instruction));
  return llvm::Error::success();
}

} // namespace

llvm::Expected<PtxModule> flow::emulator::parsePtx(StringRef ptx) {
  PtxModule module;
  module.text = std::make_unique<std::string>(withoutComments(ptx));
  if (llvm::Error error = Parser(module).parse())
    return error;
  return module;
}
