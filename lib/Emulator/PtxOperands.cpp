// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads the operands of PTX instructions.

#include "PtxOperands.h"

#include "llvm/ADT/STLExtras.h"

using namespace flow::emulator;
using llvm::StringRef;

std::string flow::emulator::onOneLine(StringRef text) {
  llvm::SmallVector<StringRef> words;
  llvm::SplitString(text, words, " \t\n\r\v\f");
  return llvm::join(words, " ");
}

/// The parts of `text` between commas that stand in no brackets.
static llvm::SmallVector<StringRef> splitAtCommas(StringRef text) {
  llvm::SmallVector<StringRef> parts;
  int depth = 0;
  size_t start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    depth += text[i] == '{' || text[i] == '[' || text[i] == '(';
    depth -= text[i] == '}' || text[i] == ']' || text[i] == ')';
    if (text[i] == ',' && !depth) {
      parts.push_back(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  parts.push_back(text.substr(start).trim());
  return parts;
}

/// A number with an optional sign.
static llvm::Expected<uint64_t> parseNumber(StringRef text) {
  StringRef digits = text.trim();
  bool isNegative = digits.consume_front("-");
  digits = digits.trim();
  // PTX may write unsigned numbers as `16U`.
  digits.consume_back("U");
  uint64_t value = 0;
  if (digits.getAsInteger(0, value))
    return llvm::createStringError("cannot read the number '" +
                                   onOneLine(text) + "'");
  return isNegative ? -value : value;
}

/// `0f3f800000` and `0d…`, the bits of a float.
static std::optional<Operand> parseFloat(StringRef text) {
  for (auto [letter, bits] : {std::pair('f', 32u), {'d', 64u}}) {
    StringRef digits = text;
    if (text.size() != 2 + bits / 4 || !digits.consume_front("0") ||
        llvm::toLower(digits.front()) != letter)
      continue;
    Operand operand;
    operand.kind = Operand::Kind::Immediate;
    operand.floatBits = bits;
    if (!digits.drop_front().getAsInteger(16, operand.value))
      return operand;
  }
  return std::nullopt;
}

/// An operand that is no combination of others.
static llvm::Expected<Operand> parseSimple(StringRef text,
                                           FindRegister findRegister) {
  Operand operand;
  if (text == "_")
    return operand;
  if (text.empty())
    return llvm::createStringError("an operand is missing");
  StringRef name = text;
  operand.negated = name.consume_front("!");
  if (std::optional<unsigned> reg = findRegister(name)) {
    operand.kind = Operand::Kind::Register;
    operand.reg = *reg;
    return operand;
  }
  if (std::optional<Operand> number = parseFloat(text))
    return *number;
  if (llvm::isDigit(text.front()) || text.front() == '-') {
    auto value = parseNumber(text);
    if (!value)
      return value.takeError();
    operand.kind = Operand::Kind::Immediate;
    operand.value = *value;
    return operand;
  }
  if (!llvm::all_of(text,
                    [](char c) { return isWordCharacter(c) || c == '.'; }))
    return llvm::createStringError("cannot read the operand '" +
                                   onOneLine(text) + "'");
  operand.kind = Operand::Kind::Symbol;
  operand.name = text;
  return operand;
}

static llvm::Expected<Operand> parseElements(Operand::Kind kind,
                                             llvm::ArrayRef<StringRef> texts,
                                             FindRegister findRegister);

/// `[base+offset]`, or `[base, {coordinates}]`, without the brackets.
static llvm::Expected<Operand> parseAddress(StringRef inside,
                                            FindRegister findRegister) {
  llvm::SmallVector<StringRef> parts = splitAtCommas(inside);
  if (parts.size() == 2 && parts[1].consume_front("{") &&
      parts[1].consume_back("}")) {
    auto address = parseAddress(parts[0], findRegister);
    if (!address)
      return address.takeError();
    auto coordinates = parseElements(Operand::Kind::List,
                                     splitAtCommas(parts[1]), findRegister);
    if (!coordinates)
      return coordinates.takeError();
    address->elements.push_back(std::move(*coordinates));
    return address;
  }
  size_t sign = inside.find_first_of("+-", 1);
  auto base = parseSimple(inside.take_front(sign).trim(), findRegister);
  if (!base)
    return base.takeError();
  Operand operand;
  operand.kind = Operand::Kind::Address;
  operand.elements = {*base};
  if (sign == StringRef::npos)
    return operand;
  StringRef offset = inside.substr(sign);
  offset.consume_front("+");
  auto value = parseNumber(offset);
  if (!value)
    return value.takeError();
  operand.value = *value;
  return operand;
}

static llvm::Expected<Operand> parseElements(Operand::Kind kind,
                                             llvm::ArrayRef<StringRef> texts,
                                             FindRegister findRegister) {
  Operand operand;
  operand.kind = kind;
  for (StringRef text : texts) {
    auto element = parseSimple(text.trim(), findRegister);
    if (!element)
      return element.takeError();
    operand.elements.push_back(std::move(*element));
  }
  return operand;
}

static llvm::Expected<Operand> parseOperand(StringRef text,
                                            FindRegister findRegister) {
  if (text.starts_with("{") && text.ends_with("}"))
    return parseElements(Operand::Kind::List,
                         splitAtCommas(text.drop_front().drop_back()),
                         findRegister);
  if (text.starts_with("[") && text.ends_with("]"))
    return parseAddress(text.drop_front().drop_back().trim(), findRegister);
  if (text.contains('|'))
    return parseElements(Operand::Kind::Pair,
                         {text.split('|').first, text.split('|').second},
                         findRegister);
  return parseSimple(text, findRegister);
}

llvm::Expected<std::vector<Operand>>
flow::emulator::parseOperands(StringRef text, FindRegister findRegister) {
  std::vector<Operand> operands;
  for (StringRef part : splitAtCommas(text)) {
    auto operand = parseOperand(part, findRegister);
    if (!operand)
      return operand.takeError();
    operands.push_back(std::move(*operand));
  }
  return operands;
}
