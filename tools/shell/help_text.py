# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reads what LLVM's command line library prints after --help."""

import dataclasses
import re

OPTION = re.compile(r"^(?P<indent> +)(?P<flag>--?[^\s=\[<]+)"
                    r"(?P<value>(?:\[?=| )<[^>]*>\]?(?:\.\.\.)?)?"
                    r"\s+-(?: \s*(?P<text>.*)|)$")
VALUE = re.compile(r"^    =(?P<name>\S+)(?:\s+-\s*(?P<text>.*))?$")
SECTION = re.compile(r"^(?P<title>\S.*):$")
SUBSECTION = re.compile(r"^ {2,4}(?P<title>[A-Z].*?):?$")
CONTINUATION = re.compile(r"^ {20,}(?P<text>\S.*)$")
# The library's indentation of an option, of a pass and of an option of a pass.
OF_TOOL, OF_PASS = 2, 8


class HelpError(Exception):
    """A line that is not as the library prints one."""


@dataclasses.dataclass
class Option:
    """An option of a tool or of a pass, with the values that have a line."""
    flag: str
    # As it is shown, such as `=<path>`; empty for a switch.
    value: str
    text: str
    values: list = dataclasses.field(default_factory=list)
    # Of a pass: its own options, given as `--pass="name=value"`.
    options: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Section:
    title: str
    notes: list = dataclasses.field(default_factory=list)
    options: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Help:
    overview: str
    # Paragraphs after the overview.
    description: list
    usage: str
    sections: list
    # Markdown after the options.
    pages: str

    @property
    def options(self):
        return [option for section in self.sections for option in section.options]


def parse_head(text):
    """(overview, paragraphs after it, usage) of what is before OPTIONS."""
    found = re.match(r"OVERVIEW: (?P<overview>.*)\n(?P<rest>(?:.*\n)*?)"
                     r"USAGE: (?P<usage>.*)\n", text)
    if not found:
        raise HelpError("expected OVERVIEW and USAGE, found "
                        + repr(text.split("\n", 1)[0]))
    paragraphs = re.split(r"\n\s*\n", found["rest"].strip())
    return (found["overview"],
            [" ".join(part.split()) for part in paragraphs if part.strip()],
            found["usage"])


class SectionReader:
    """Takes the lines after OPTIONS, one by one."""

    def __init__(self):
        self.sections = []
        # Where options of the tool go: passes stand in the midst of a section.
        self.outer = None
        self.option = self.of_pass = None

    def begin(self, title):
        self.sections.append(Section(title))
        self.option = self.of_pass = None

    def add_option(self, found):
        if not self.sections:
            raise HelpError(f"option before a section: {found[0].strip()!r}")
        self.option = Option(found["flag"], found["value"] or "",
                             (found["text"] or "").strip())
        indent = len(found["indent"])
        if indent >= OF_PASS and self.of_pass:
            self.of_pass.options.append(self.option)
            return
        section = self.outer if indent == OF_TOOL else self.sections[-1]
        section.options.append(self.option)
        self.of_pass = self.option

    def read(self, line):
        if not line.strip():
            return
        if found := OPTION.match(line):
            self.add_option(found)
        elif (found := VALUE.match(line)) and self.option:
            self.option.values.append((found["name"], found["text"] or ""))
        elif (found := CONTINUATION.match(line)) and self.option:
            self.option.text += "\n" + found["text"].rstrip()
        elif found := SECTION.match(line):
            self.begin(found["title"])
            self.outer = self.sections[-1]
        elif found := SUBSECTION.match(line):
            self.begin(found["title"])
        elif self.sections and not line.startswith(" "):
            self.sections[-1].notes.append(line.strip())
        else:
            raise HelpError(f"expected an option, found {line.strip()!r}")


def resolve_aliases(options):
    """Gives an option that is described by the name of another what that takes."""
    known = {option.flag: option for option in options}
    for option in options:
        if other := known.get(option.text):
            option.value = "=" + other.value.lstrip("= ") if other.value else ""
            option.values = other.values
            option.text = f"{other.flag}: {other.text}"


def parse(text):
    """The Help that `text`, of a tool's --help, says. Raises HelpError."""
    head, found, rest = text.partition("\nOPTIONS:\n")
    if not found:
        raise HelpError("expected OPTIONS, found none")
    overview, description, usage = parse_head(head + "\n")
    listed, mark, pages = rest.partition("\n### ")
    reader = SectionReader()
    for line in listed.splitlines():
        reader.read(line)
    sections = [section for section in reader.sections if section.options]
    resolve_aliases([option for section in sections for option in section.options])
    return Help(overview, description, usage, sections, (mark + pages).strip())
