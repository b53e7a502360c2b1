"""`volant vm call` and `volant vm actions`: the workload's own HTTP interface."""

from __future__ import annotations

import argparse
import codecs
import os
import sys
from typing import Any

from volant.client.cli import columns, output, terminal
from volant.client.cli.connect import Client, open_client
from volant.client.cli.parsing import Parser, add_duration, add_failure_format, add_names, add_output, checked, style_of
from volant.client.cli.pump import STDIN, Pump
from volant.client.cli.several import with_suggestion
from volant.client.cli.text import harmless, harmless_block
from volant.client.cli.values import header, pair
from volant.proto.errors import ExitCode, NoSuchFile, Usage

_HTTP_ERROR = 400


def configure_actions(parser: Parser) -> None:
    add_names(parser, many=False)
    add_output(parser)
    parser.give_examples("volant vm actions web-1", "volant vm actions web-1 -o json")


def run_actions(args: argparse.Namespace) -> int:
    with open_client(args) as client:
        reply = with_suggestion(client, lambda: client.call_plain("vm.actions", {"name": args.name}))
    output.write_list(style_of(args), columns.ACTION, reply, empty="its plugin declares no actions")
    return ExitCode.OK


def configure_call(parser: Parser) -> None:
    add_names(parser, many=False)
    parser.add_argument("action", metavar="ACTION", nargs="?", default="", help="an action that `volant vm actions` lists")
    parser.add_argument("--request", metavar="'VERB /PATH'", help="any HTTP request instead of an action")
    parser.add_argument("--data", "-d", metavar="DATA|@FILE|-", help="the request's body: text, a file's contents, or standard input")
    parser.add_argument(
        "--header", "-H", metavar="NAME:VALUE", type=checked(header), action="append", default=[], help="a request header; may be repeated"
    )
    parser.add_argument(
        "--query", metavar="KEY=VALUE", type=checked(pair), action="append", default=[], help="a query parameter; may be repeated"
    )
    parser.add_argument("--include", "-i", action="store_true", help="show status and headers before the body")
    add_duration(parser, "--timeout", help="how long to wait for the answer (default: the action's, else 30s)")
    add_failure_format(parser)
    parser.give_examples(
        "volant vm call web-1 status",
        "volant vm call web-1 greet --query name=Ada",
        "volant vm call web-1 upload -d @body.json -H 'Content-Type: application/json'",
        "volant vm call web-1 --request 'GET /metrics' -i",
    )


def run_call(args: argparse.Namespace) -> int:
    params = parameters(args)
    body = _body(args.data)
    with open_client(args) as client:
        return int(with_suggestion(client, lambda: _call(client, params, body, include=args.include)))


def parameters(args: argparse.Namespace) -> dict[str, Any]:
    """The parameters of `vm.call`."""
    if bool(args.action) == (args.request is not None):
        raise Usage("name one action, or a --request", hint="`volant vm actions NAME` lists the actions")
    params: dict[str, Any] = {"name": args.name, "headers": [list(one) for one in args.header]}
    if args.request is not None:
        verb, _, path = args.request.partition(" ")
        if not verb.isalpha() or not path.startswith("/") or any(char.isspace() for char in path):
            raise Usage(f"{args.request!r} is no request", hint="for example: --request 'GET /metrics'")
        params |= {"method": verb.upper(), "path": path}
    else:
        params["action"] = args.action
    if args.query:
        from urllib.parse import urlencode

        params["query"] = urlencode(args.query)
    if args.timeout is not None:
        params["timeout_ms"] = args.timeout
    return params


def _body(data: str | None) -> Any:
    """Where the body comes from: bytes, an open file, or None."""
    if data is None:
        return None
    if data == "-":
        return sys.stdin.buffer
    if data.startswith("@"):
        try:
            return open(data[1:], "rb")
        except OSError as error:
            raise NoSuchFile(
                f"{data[1:]} can't be read: {error.strerror}", hint="-d @FILE sends a file's contents, -d TEXT the text"
            ) from None
    return os.fsencode(data)


def _call(client: Client, params: dict[str, Any], body: Any, *, include: bool) -> int:
    """Body and answer move at the same time: a workload may answer before it has read everything."""
    show = _Shown(include=include)
    with client.bytes_call("vm.call", params) as call:
        pump = Pump(call, sink=show.data)
        pump.on_item = show.head
        if isinstance(body, bytes):
            call.send(STDIN, body)
        elif body is not None:
            pump.feed = body.fileno()
        pump.run()
    show.finish()
    sys.stdout.flush()
    if show.status < _HTTP_ERROR:
        return ExitCode.OK
    terminal.say(f"error: the workload answered {show.status} {harmless(show.reason)}".rstrip())
    return ExitCode.FAILED


class _Shown:
    """The answer on its way to stdout: as it is, or on a terminal as text that it doesn't obey, with a line end at its end."""

    def __init__(self, *, include: bool) -> None:
        self.status, self.reason = 0, ""
        self._include = include
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace") if terminal.is_tty(1) else None
        self._last = "\n"

    def head(self, head: dict[str, Any]) -> None:
        self.status, self.reason = int(head["status"]), str(head["reason"])
        if self._include:
            lines = [f"HTTP {self.status} {self.reason}", *(f"{name}: {value}" for name, value in head["headers"]), ""]
            text = "".join(f"{harmless(line) if self._decoder else line}\n" for line in lines)
            sys.stdout.write(text)

    def data(self, _: int, data: bytes) -> None:
        if self._decoder is None:
            sys.stdout.flush()
            terminal.write_all(1, data)
            return
        text = harmless_block(self._decoder.decode(data))
        sys.stdout.write(text)
        sys.stdout.flush()
        self._last = text[-1:] or self._last

    def finish(self) -> None:
        if self._last != "\n":
            sys.stdout.write("\n")
