# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reads the words of the dialect from its page, docs/Dialect.md."""

import dataclasses
import re

OP = re.compile(r"^### `flow\.(\w+)` ", re.MULTILINE)
SYNTAX = re.compile(r"^operation ::= .*?^```$", re.MULTILINE | re.DOTALL)
CLAUSE = re.compile(r"`([a-z]\w*)`")
ATTRIBUTE = re.compile(r"^Syntax:\s+```\s+#flow\.(\w+)", re.MULTILINE)
MNEMONIC = re.compile(r"#flow(?:\.|<)(\w+)")
PARAMETERS = re.compile(r"^#### Parameters:\n\n\|.*\n\|.*\n((?:\|.*\n)+)", re.MULTILINE)
CASES = re.compile(r"^#### Cases:\n\n\|.*\n\|.*\n((?:\|.*\n)+)", re.MULTILINE)


@dataclasses.dataclass
class Words:
    ops: list
    attributes: list
    # What stands between the operands of an op, such as `softcap`.
    clauses: list
    # What stands before `=` in an attribute.
    parameters: list
    # What an attribute chooses among.
    cases: list


def column(tables, place):
    """The cells of one column of all `tables`."""
    rows = [row.split("|") for table in tables for row in table.splitlines()]
    return sorted({row[place].strip() for row in rows})


def attributes_of(section):
    """The mnemonics of the attributes; one without parameters has no syntax."""
    names = set()
    for part in re.split(r"^### ", section, flags=re.MULTILINE)[1:]:
        found = ATTRIBUTE.search(part) or MNEMONIC.search(part)
        if not found:
            raise ValueError(f"no syntax and no example of {part.split()[0]}")
        names.add(found[1])
    return sorted(names)


def parse(page):
    """The Words of the page. Raises ValueError where it is not as expected."""
    ops_text, found, rest = page.partition("\n## Attributes\n")
    if not found:
        raise ValueError("expected a section Attributes, found none")
    attributes_text = rest.partition("\n## Enums\n")[0]
    clauses = {word for syntax in SYNTAX.findall(ops_text)
               for word in CLAUSE.findall(syntax)}
    return Words(ops=sorted(OP.findall(ops_text)),
                 attributes=attributes_of(attributes_text),
                 clauses=sorted(clauses),
                 parameters=column(PARAMETERS.findall(attributes_text), 1),
                 cases=column(CASES.findall(rest), 3))
