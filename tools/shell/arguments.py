# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tells from an option's --help what a shell may offer as its value."""

import dataclasses
import re

# What stands for its value in the description of an option: `a, b or c`, at the
# start or after a colon, and nothing behind it but an aside.
WORD = r"[A-Za-z0-9][\w.-]*"
CHOICES = re.compile(rf"(?:^|: )({WORD}(?:, {WORD})* or {WORD})(?=$|[,;]| \()")
FILES = re.compile(r"\b(path|file|filename)\b")
FOLDERS = re.compile(r"\b(folder|directory)\b")


@dataclasses.dataclass
class Argument:
    """Nothing of this is set where any text may stand."""
    # May be left out, and then follows `=`.
    is_optional: bool = False
    # Several values, with commas between them.
    is_list: bool = False
    is_file: bool = False
    is_folder: bool = False
    # The words that it may be; those of a pass end in `=`.
    choices: tuple = ()


def choices_of(option):
    if option.values:
        # <empty> stands for an option without a value.
        return tuple(name for name, _ in option.values if not name.startswith("<"))
    found = CHOICES.search(option.text)
    return tuple(re.split(r", | or ", found[1])) if found else ()


def argument_of(option):
    """The Argument of a help_text.Option, or None of a switch."""
    if option.options:
        names = tuple(own.flag.lstrip("-") + "=" for own in option.options)
        return Argument(is_optional=True, choices=names)
    if not option.value:
        return None
    return Argument(is_optional=option.value.startswith("["),
                    is_list=option.value.endswith(",...>"),
                    is_file=bool(FILES.search(option.value)),
                    is_folder=bool(FOLDERS.search(option.value)),
                    choices=choices_of(option))


def summary_of(option):
    """The first line of its description."""
    return option.text.split("\n")[0]
