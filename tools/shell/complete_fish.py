# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the completion of a tool for fish."""

import arguments


def quote(text):
    """`text` as a word of fish."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def value_of(argument):
    """The switches of `complete` that say what values there are."""
    if not argument:
        return ""
    required = "" if argument.is_optional else " -r"
    if argument.choices and argument.is_list:
        return f"{required} -f -a " + quote(
            f"(__fish_append , {' '.join(argument.choices)})")
    if argument.choices:
        return f"{required} -f -a " + quote(" ".join(argument.choices))
    if argument.is_file or argument.is_folder:
        return f"{required} -F"
    return f"{required} -f"


def line_of(tool, option):
    length = "-l" if option.flag.startswith("--") else "-s"
    value = value_of(arguments.argument_of(option))
    return (f"complete -c {tool} {length} {option.flag.lstrip('-')}{value}"
            f" -d {quote(arguments.summary_of(option))}")


def write(tool, text):
    """The script for `tool`, whose Help is `text`."""
    lines = [f"# Completion of {tool} for fish, written from its --help."]
    return "\n".join(lines + [line_of(tool, option) for option in text.options]) + "\n"
