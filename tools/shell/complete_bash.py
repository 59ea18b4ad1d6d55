# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the completion of a tool for bash."""

import shlex
import textwrap

import arguments

SCRIPT = """\
# Completion of {tool} for bash, written from its --help.

{function}() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  local key= prefix= words=
  COMPREPLY=()
  # `key` is the option whose value is asked for, with `=` if that follows one.
  # For readline `=` is a word of its own, unless COMP_WORDBREAKS lacks it.
  if [[ $word == -*=* ]]; then
    prefix=${{word%%=*}}=
    key=$prefix word=${{word#*=}}
  elif [[ $word == = ]]; then
    key=$before= word=
  elif [[ $before == = && COMP_CWORD -gt 2 ]]; then
    key=${{COMP_WORDS[COMP_CWORD-2]}}=
  elif [[ $before == -* ]]; then
    key=$before
  fi
  key=${{key#-}}
  case ${{key#-}} in
{cases}
    *=) return ;;
    *)
      if [[ $word != -* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
      fi
      words={options}
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -P "$prefix" -W "$words" -- "$word")
  # A value follows at once.
  [[ ${{COMPREPLY[0]-}} != *= ]] || compopt -o nospace 2>/dev/null
}}

complete -F {function} {tool}
"""
OF_FILES = """compopt -o filenames 2>/dev/null
mapfile -t COMPREPLY < <(compgen -{what} -P "$prefix" -- "$word")
return"""
OF_LIST = """if [[ $word == *,* ]]; then
  prefix+=${{word%,*}}, word=${{word##*,}}
fi
words={words}"""


def quoted(words):
    """A word of the shell that holds these."""
    return shlex.quote(" ".join(words))


def body_of(argument):
    """What to do where the value of an option is asked for."""
    if argument.choices and argument.is_list:
        return OF_LIST.format(words=quoted(argument.choices))
    if argument.choices:
        return f"words={quoted(argument.choices)}"
    if argument.is_file or argument.is_folder:
        return OF_FILES.format(what="f" if argument.is_file else "d")
    return "return"


def cases_of(options):
    """The branches of `case`, one for all options that want the same."""
    keys_of = {}
    for option in options:
        argument = arguments.argument_of(option)
        if not argument:
            continue
        name = option.flag.lstrip("-")
        keys = [name + "="] if argument.is_optional else [name, name + "="]
        keys_of.setdefault(body_of(argument), []).extend(keys)
    lines = []
    for body, keys in keys_of.items():
        lines += [" | ".join(keys) + ")", textwrap.indent(body, "  "), "  ;;"]
    return textwrap.indent("\n".join(lines), "    ")


def word_of(option):
    """What is offered for an option itself: `=` where a value has to follow."""
    argument = arguments.argument_of(option)
    joins = argument and not argument.is_optional and option.flag.startswith("--")
    return option.flag + "=" * bool(joins)


def write(tool, text):
    """The script for `tool`, whose Help is `text`."""
    return SCRIPT.format(tool=tool, function="_" + tool.replace("-", "_"),
                         cases=cases_of(text.options),
                         options=quoted(map(word_of, text.options)))
