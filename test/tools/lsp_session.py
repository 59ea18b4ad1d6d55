#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One session with a language server over its protocol, as an editor has it.

  lsp_session.py FILE [--METHOD AT]... [--end exit] -- SERVER...

Opens FILE, asks what METHOD (hover, definition, references or completion) says
of each AT, shuts the server down. AT is a piece of the file with ^ before the
character that the cursor is on, without it the first; it must occur once. What
the server answers goes to stdout, a line each; places are LINE:COLUMN-LINE:COLUMN,
counted from 1, the end exclusive:

  error PLACE 'TEXT': MESSAGE    one for each diagnostic
  diagnostics N                  how many there are
  hover AT: 'TEXT': MESSAGE      or nothing
  definition AT: PLACE 'TEXT'    or nothing; references, one after the other
  completion AT: LABEL LABEL ...
  exit N

TEXT is what the file has at that place. `--end exit` leaves without shutdown.
Exit: 0 the session ended, 1 the server broke the protocol, 2 wrong usage.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys

SEVERITIES = {1: "error", 2: "warning", 3: "information", 4: "hint"}
METHODS = ["hover", "definition", "references", "completion"]
CONTEXTS = {"references": {"includeDeclaration": True}, "completion": {"triggerKind": 1}}
SECONDS = 120


def frame(message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def messages_in(stream):
    """The messages of the server, each framed as the protocol says."""
    while stream:
        header = re.match(rb"Content-Length: (\d+)\r\n\r\n", stream)
        if not header:
            sys.exit(f"error: no frame begins at {stream[:60]}")
        end = header.end() + int(header[1])
        yield json.loads(stream[header.end():end])
        stream = stream[end:]


def cursor(text, at):
    """The position that AT says, as the protocol counts."""
    before, _, after = at.rpartition("^")
    if text.count(before + after) != 1:
        print(f"error: '{before + after}' must occur once", file=sys.stderr)
        sys.exit(2)
    upto = text[:text.index(before + after) + len(before)]
    return {"line": upto.count("\n"), "character": len(upto) - upto.rfind("\n") - 1}


def describe(text, place):
    """(PLACE, 'TEXT') of a range; more lines than one are joined."""
    lines = text.split("\n")
    start, end = place["start"], place["end"]
    covered = lines[start["line"]:end["line"] + 1]
    if covered:
        covered[-1] = covered[-1][:end["character"]]
        covered[0] = covered[0][start["character"]:]
    spans = [f"{point['line'] + 1}:{point['character'] + 1}" for point in (start, end)]
    return "-".join(spans), "'" + " ".join(map(str.strip, covered)) + "'"


def one_line(text):
    return " ".join(text.split())


def show_answer(text, method, at, result):
    if method == "hover" and result:
        _, covered = describe(text, result["range"])
        return f"hover {at}: {covered}: {one_line(result['contents']['value'])}"
    if method == "completion" and result["items"]:
        return f"completion {at}: " + " ".join(item["label"] for item in result["items"])
    if method in ("definition", "references") and result:
        places = [" ".join(describe(text, found["range"])) for found in result]
        return f"{method} {at}: " + ", ".join(places)
    return f"{method} {at}: nothing"


def show_diagnostics(text, diagnostics):
    for diagnostic in diagnostics:
        severity = SEVERITIES[diagnostic["severity"]]
        place, covered = describe(text, diagnostic["range"])
        print(f"{severity} {place} {covered}: {one_line(diagnostic['message'])}")
    print("diagnostics", len(diagnostics))


class Question(argparse.Action):
    """Keeps the questions in the order in which they are asked."""

    def __call__(self, parser, namespace, value, option=None):
        namespace.questions.append((option.lstrip("-"), value))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=pathlib.Path)
    for method in METHODS:
        parser.add_argument(f"--{method}", metavar="AT", action=Question)
    parser.add_argument("--end", choices=["shutdown", "exit"], default="shutdown")
    parser.add_argument("server", nargs="+")
    parser.set_defaults(questions=[])
    arguments = parser.parse_args()

    text = arguments.file.read_text(encoding="utf-8")
    uri = arguments.file.resolve().as_uri()
    session = [
        {"id": "start", "method": "initialize",
         "params": {"processId": None, "rootUri": None, "capabilities": {}}},
        {"method": "initialized", "params": {}},
        {"method": "textDocument/didOpen", "params": {"textDocument": {
            "uri": uri, "languageId": "mlir", "version": 1, "text": text}}},
    ]
    for number, (method, at) in enumerate(arguments.questions):
        session.append({"id": number, "method": f"textDocument/{method}", "params": {
            "textDocument": {"uri": uri}, "position": cursor(text, at),
            "context": CONTEXTS.get(method)}})
    if arguments.end == "shutdown":
        session.append({"id": "end", "method": "shutdown"})
    session.append({"method": "exit"})

    server = subprocess.run(arguments.server, input=b"".join(map(frame, session)),
                            stdout=subprocess.PIPE, timeout=SECONDS, check=False)
    answers = {}
    for message in messages_in(server.stdout):
        if "id" in message:
            answers[message["id"]] = message
        elif message["method"] == "textDocument/publishDiagnostics":
            show_diagnostics(text, message["params"]["diagnostics"])
    asked = [message["id"] for message in session if "id" in message]
    for number in asked:
        if "result" not in answers.get(number, {}):
            sys.exit(f"error: no result of request {number}: {answers.get(number)}")
    for number, (method, at) in enumerate(arguments.questions):
        print(show_answer(text, method, at, answers[number]["result"]))
    print("exit", server.returncode)
    return 0


if __name__ == "__main__":
    sys.exit(main())
