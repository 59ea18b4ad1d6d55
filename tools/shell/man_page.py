# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes what a tool says of itself after --help as a page of the manual."""

import re
import textwrap

# Input of roff is best kept below 80 columns; a backslash ends a line that the
# next one continues.
COLUMNS = 78
ESCAPES = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha",
           "~": "\\(ti", '"': "\\(dq", "…": "..."}
EXIT_STATUS = [("0", "success"),
               ("1", "bad input, or a run that failed"),
               ("2", "wrong usage")]


def escape(text):
    """`text` as roff shows it unchanged, in ASCII alone."""
    return "".join(ESCAPES.get(c) or (c if c.isascii() else f"\\[u{ord(c):04X}]")
                   for c in text)


def protect(line):
    """A line of text that does not pass for a request."""
    return "\\&" + line if line.startswith((".", "'")) else line


def inline(text):
    """`text` escaped, with what it has between backquotes in bold."""
    parts = re.split(r"`([^`]+)`", text)
    return "".join(f"\\fB{escape(part)}\\fR" if place % 2 else escape(part)
                   for place, part in enumerate(parts))


def filled(text):
    """Lines of running text."""
    return [protect(line) for line in textwrap.wrap(
        inline(text), COLUMNS, break_long_words=False, break_on_hyphens=False)]


def literal(line):
    """One line that is shown as it is, over as many lines as that takes."""
    pieces, rest = [], escape(line)
    while len(rest) > COLUMNS:
        # A space is no part of an escape sequence.
        cut = rest.rfind(" ", 1, COLUMNS)
        if cut < 0:
            break
        pieces.append(rest[:cut] + "\\")
        rest = rest[cut:]
    pieces.append(rest)
    # What continues a line is never a request, whatever it begins with.
    return [protect(pieces[0])] + pieces[1:]


def heading(title):
    return f'.SH "{escape(title.upper())}"'


def option_lines(option):
    """An option, its values and, of a pass, its own options."""
    # A list of values may be broken after a comma.
    value = escape(option.value).replace(",", ",\\:")
    lines = [".TP", f"\\fB{escape(option.flag)}\\fR{value}"]
    texts = option.text.split("\n")
    lines += filled(texts[0]) or ["\\&"]
    for more in texts[1:]:
        lines += [".br"] + filled(more)
    inner = [(f"\\fB{escape(name)}\\fR", text) for name, text in option.values]
    if not inner and not option.options:
        return lines
    lines.append(".RS")
    for tag, text in inner:
        lines += [".TP", tag] + (filled(text) or ["\\&"])
    for own in option.options:
        lines += option_lines(own)
    return lines + [".RE"]


def options_lines(sections):
    """All options, those that every tool has at the end."""
    lines = [heading("options")]
    for section in sorted(sections, key=lambda one: one.title == "Generic Options"):
        lines.append(f'.SS "{escape(section.title)}"')
        for note in section.notes:
            lines += filled(note)
        for option in section.options:
            lines += option_lines(option)
    return lines


def code_lines(block):
    lines = [".PP", ".RS", ".nf"]
    for line in block:
        lines += literal(line)
    return lines + [".fi", ".RE"]


def list_lines(block):
    items = re.split(r"\n- ", "\n" + "\n".join(block))[1:]
    lines = []
    for item in items:
        lines += [".IP \\(bu 2"] + filled(" ".join(item.split()))
    return lines


def blocks_of(markdown):
    """(kind, lines) of each heading, paragraph, list and code block."""
    block, fenced = [], False
    for line in markdown.splitlines() + [""]:
        if line.startswith("```"):
            if fenced:
                yield "code", block
            elif block:
                yield "text", block
            block, fenced = [], not fenced
        elif fenced or (line.strip() and not line.startswith("#")):
            block.append(line)
        else:
            if block:
                yield ("list" if block[0].startswith("- ") else "text"), block
            block = []
            if line.startswith("#"):
                yield "heading", [line.lstrip("# ").replace("`", "")]


def pages_lines(markdown):
    """The pages of the passes: headings, paragraphs, lists and code."""
    lines = []
    for kind, block in blocks_of(markdown):
        if kind == "heading":
            # A pass, or what its options say once more.
            tag = escape(block[0])
            lines += [f'.SS "{tag}"'] if block[0].startswith("-") else [
                ".PP", f"\\fI{tag}\\fR"]
        elif kind == "code":
            lines += code_lines(block)
        elif kind == "list":
            lines += list_lines(block)
        else:
            text = " ".join(line.strip() for line in block)
            # The summary is in italics there and stands below a heading here.
            if not lines[-1].startswith(".SS"):
                lines.append(".PP")
            lines += filled(re.sub(r"^_(.*)_$", r"\1", text))
    return lines


def write(tool, text, version, date, others):
    """The page of `tool`, whose Help is `text`, beside the tools `others`."""
    options = text.usage.removeprefix(tool).strip()
    summary = text.overview[:1].lower() + text.overview[1:]
    lines = [f'.TH {escape(tool.upper())} 1 {date} "gemma\\-flow {version}"',
             ".nh", ".ad l", heading("name"), f"{escape(tool)} \\- {escape(summary)}",
             heading("synopsis"), f".B {escape(tool)}"] + filled(options)
    if text.description:
        lines.append(heading("description"))
        for paragraph in text.description:
            lines += [".PP"] * (paragraph != text.description[0])
            lines += filled(paragraph)
    lines += options_lines(text.sections)
    if text.pages:
        lines += [heading("passes")] + pages_lines(text.pages)
    lines.append(heading("exit status"))
    for code, meaning in EXIT_STATUS:
        lines += [".TP", f"\\fB{code}\\fR", meaning]
    lines += [".PP", "An error is a line \\fBerror: \\fR... on standard error.",
              heading("see also")]
    lines += [f".BR {escape(other)} (1)" + "," * (other != others[-1])
              for other in others]
    return "\n".join(lines) + "\n"
