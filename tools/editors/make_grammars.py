#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the grammars that editors colour .mlir files by, from docs/Dialect.md.

  make_grammars.py            report grammars that are stale
  make_grammars.py --write    write them

MLIR's own tokens are the same for every dialect; words of `flow` are those of
the page. Exit: 0 fresh, 1 stale (one line "error: ..." on stderr for each).
"""

import argparse
import json
import pathlib
import sys

import dialect_words

FOLDER = pathlib.Path(__file__).resolve().parent
TYPES = ["index", "none", "bf16", "tf32", "f16", "f32", "f64", "f80", "f128",
         "tensor", "memref", "vector", "complex", "tuple"]
KEYWORDS = ["affine_map", "affine_set", "attributes", "loc", "module", "private",
            "public"]
CONSTANTS = ["true", "false", "unit", "dense", "dense_resource"]


def any_of(words):
    return "|".join(words)


def textmate(words):
    """The grammar of TextMate, as VS Code and others read it."""
    def pattern(match, name):
        return {"match": match, "name": name + ".mlir"}

    # The first of those that match at a place wins.
    patterns = [
        {"begin": "//", "end": "$", "name": "comment.line.double-slash.mlir"},
        {"begin": '"', "end": '"', "name": "string.quoted.double.mlir",
         "patterns": [pattern(r"\\.", "constant.character.escape")]},
        pattern(rf"\bflow\.({any_of(words.ops)})\b", "keyword.other.op.flow"),
        pattern(rf"#flow(\.|<)({any_of(words.attributes)})\b",
                "entity.name.type.attribute.flow"),
        pattern(r"%[\w$.#-]+", "variable.other.value"),
        pattern(r"@[\w$.]+", "entity.name.function.symbol"),
        pattern(r"\^[\w$.]+", "entity.name.label.block"),
        pattern(r"[#!][A-Za-z_][\w$.]*", "entity.name.type.alias"),
        pattern(r"\b[a-z_]\w*\.[a-z_][\w.]*", "keyword.other.op"),
        pattern(rf"\b({any_of(words.parameters)})(?=\s*=)", "variable.parameter.flow"),
        # Of `4x?xf32` first the shape, then the type behind it.
        pattern(r"(\b[0-9]+|\?)(x([0-9]+|\?))*x(?=[A-Za-z!])", "constant.numeric"),
        pattern(rf"(\b|(?<=[0-9?]x))([su]?i[0-9]+|f8E\w+|{any_of(TYPES)})\b",
                "storage.type"),
        pattern(rf"\b({any_of(KEYWORDS)})\b", "keyword.other"),
        pattern(rf"\b({any_of(CONSTANTS)})\b", "constant.language"),
        pattern(rf"\b({any_of(words.cases)})\b", "constant.language.flow"),
        pattern(rf"\b({any_of(words.clauses)})\b", "keyword.control.clause.flow"),
        pattern(r"\b0x[0-9A-Fa-f]+\b|-?\b[0-9]+(\.[0-9]*([eE][-+]?[0-9]+)?)?",
                "constant.numeric"),
    ]
    grammar = {"$schema": "https://raw.githubusercontent.com/martinring/tmlanguage"
                          "/master/tmlanguage.json",
               "name": "MLIR", "scopeName": "source.mlir", "fileTypes": ["mlir"],
               "patterns": patterns}
    return json.dumps(grammar, indent=2) + "\n"


def vim(words):
    """The syntax file of Vim. Of matches at one place the last one wins."""
    def choice(names):
        return r"\%(" + r"\|".join(names) + r"\)"

    groups = [
        ("mlirNumber", "Number", r"-\?\<\d\+\%(\.\d*\%([eE][-+]\?\d\+\)\?\)\?"),
        ("mlirNumber", "Number", r"\<0x\x\+\>"),
        ("mlirNumber", "Number", r"\%(\<\d\+\|?\)\%(x\%(\d\+\|?\)\)*x\ze[A-Za-z!]"),
        ("flowClause", "Keyword", rf"\<{choice(words.clauses)}\>"),
        ("flowCase", "Constant", rf"\<{choice(words.cases)}\>"),
        ("mlirConstant", "Constant", rf"\<{choice(CONSTANTS)}\>"),
        ("mlirKeyword", "Keyword", rf"\<{choice(KEYWORDS)}\>"),
        # Before it, in `4x?xf32`, is a shape.
        ("mlirType", "Type", rf"\%(\<\|\%([0-9?]x\)\@2<=\)\%([su]\?i\d\+\|f8E\w\+\|{choice(TYPES)}\)\>"),
        ("flowParameter", "Special", rf"\<{choice(words.parameters)}\>\ze\s*="),
        ("mlirOp", "Statement", r"\<[a-z_]\w*\.[a-z_][0-9A-Za-z_.]*"),
        ("mlirAlias", "PreProc", r"[#!]\h[0-9A-Za-z_$.]*"),
        ("mlirBlock", "Label", r"\^[0-9A-Za-z_$.]\+"),
        ("mlirSymbol", "Function", r"@[0-9A-Za-z_$.]\+"),
        ("mlirValue", "Identifier", r"%[0-9A-Za-z_$.#-]\+"),
        ("flowAttribute", "Structure",
         rf"#flow[.<]{choice(words.attributes)}\>"),
        ("flowOp", "Statement", rf"\<flow\.{choice(words.ops)}\>"),
    ]
    lines = ['" MLIR with the words of the dialect `flow`.',
             '" Written by tools/editors/make_grammars.py.', "",
             "if exists('b:current_syntax')", "  finish", "endif", ""]
    lines += [f"syntax match {name} /{match}/" for name, _, match in groups]
    lines += [r'syntax region mlirString start=/"/ skip=/\\./ end=/"/ oneline',
              "syntax match mlirComment +//.*$+ contains=@Spell", ""]
    links = dict([(name, link) for name, link, _ in groups],
                 mlirString="String", mlirComment="Comment")
    lines += [f"highlight default link {name} {link}" for name, link in links.items()]
    return "\n".join(lines + ["", "let b:current_syntax = 'mlir'"]) + "\n"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=pathlib.Path,
                        default=FOLDER.parents[1] / "docs" / "Dialect.md")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    try:
        words = dialect_words.parse(arguments.page.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        print(f"error: {arguments.page}: {problem}", file=sys.stderr)
        return 1
    stale = 0
    for name, want in {"vscode/syntaxes/mlir.tmLanguage.json": textmate(words),
                       "vim/syntax/mlir.vim": vim(words)}.items():
        path = FOLDER / name
        if arguments.write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(want, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != want:
            stale += 1
            print(f"error: tools/editors/{name} is stale, run "
                  "tools/editors/make_grammars.py --write", file=sys.stderr)
    return int(stale > 0)


if __name__ == "__main__":
    sys.exit(main())
