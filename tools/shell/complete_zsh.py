# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the completion of a tool for zsh."""

import re
import shlex

import arguments


def escape(text):
    """`text` in a specification of _arguments."""
    return re.sub(r"([\\:\[\]])", r"\\\1", text)


def action_of(argument):
    """How _arguments finds values: its own words, or a call."""
    words = " ".join(argument.choices)
    if argument.choices and argument.choices[0].endswith("="):
        # Behind the space a call is left as it is: no space after these.
        return f" compadd -S '' - {words}"
    if argument.choices and argument.is_list:
        return f"_values -s , value {words}"
    if argument.choices:
        return f"({words})"
    if argument.is_file:
        return "_files"
    return "_files -/" if argument.is_folder else " "


def specification_of(option):
    """What _arguments is told of an option, as a word of the shell."""
    argument = arguments.argument_of(option)
    summary = f"[{escape(arguments.summary_of(option))}]"
    # Passes run as often as they are given.
    often = "*" if option.options else ""
    if not argument:
        return shlex.quote(f"{option.flag}{summary}")
    if argument.is_optional:
        return shlex.quote(f"{often}{option.flag}=-{summary}::value:"
                           f"{action_of(argument)}")
    joint = "=" if option.flag.startswith("--") else ""
    return shlex.quote(f"{option.flag}{joint}{summary}:value:{action_of(argument)}")


def write(tool, text):
    """The function for `tool`, whose Help is `text`."""
    lines = [f"#compdef {tool}", f"# Completion of {tool} for zsh, written from its --help.",
             "", "_arguments \\"]
    lines += [f"  {specification_of(option)} \\" for option in text.options]
    return "\n".join(lines + ["  '*:file:_files'"]) + "\n"
