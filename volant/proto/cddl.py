"""`docs/volant.cddl` (RFC 8610): the messages, and the types of every method, read off the registry.

python -m volant.proto.cddl > docs/volant.cddl
"""

from __future__ import annotations

import sys
import types
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from volant.proto.connection import MAX_CALL_ID, MAX_CHANNELS, MAX_CREDIT, MAX_DATA, MAX_METHOD_CHARS
from volant.proto.messages import MAX_HELLO_WORDS, Kind
from volant.proto.method import NOUNS, Method, methods_of

COMMAND = "python -m volant.proto.cddl > docs/volant.cddl"
"""What brings the committed file up to date."""

_MESSAGES = f"""\
; The wire between client and daemon, and between daemon and agent. docs/protocol.md says what it means.
; Written by `{COMMAND}`; don't edit.
;
; One frame is a length (4 bytes, big-endian) and one `message`.

message = hello / call / reply / fault / item / end / data / credit / cancel

hello = [{Kind.HELLO:d}, {{
  "protocol": [uint, uint], ; oldest and newest spoken
  "version": tstr, ; words of at most {MAX_HELLO_WORDS} characters, as are the following
  "features": [* tstr], ; at most {MAX_HELLO_WORDS}
  "role": tstr,
}}]
call = [{Kind.CALL:d}, call-id, tstr .size (0..{MAX_METHOD_CHARS}), plain-map] ; method, parameters
reply = [{Kind.REPLY:d}, call-id, plain]
fault = [{Kind.FAULT:d}, 0..{MAX_CALL_ID}, fault-body] ; 0: the connection itself
item = [{Kind.ITEM:d}, call-id, plain]
end = [{Kind.END:d}, call-id, channel]
data = [{Kind.DATA:d}, call-id, channel, bstr] ; 1 to {MAX_DATA} bytes
credit = [{Kind.CREDIT:d}, call-id, channel, 1..{MAX_CREDIT}] ; bytes more
cancel = [{Kind.CANCEL:d}, call-id]

call-id = 1..{MAX_CALL_ID}
channel = 0..{MAX_CHANNELS - 1}
fault-body = {{"code": tstr, "message": tstr, "hint": tstr, "data": plain-map}}
plain-map = {{* tstr => plain}}

; A plain value: integer, finite float, text, bytes, boolean, null, or a list or text-keyed map of plain values, at most
; 32 lists and maps inside each other. `any` and not that recursion, which validators trip over.
plain = any
"""

_SCALARS = {str: "tstr", int: "int", float: "(float / int)", bool: "bool", bytes: "bstr", type(None): "null", Any: "plain"}


def render() -> str:
    """The whole file."""
    parts = [_MESSAGES]
    seen: dict[str, type] = {}
    for noun in (*NOUNS, "guest"):
        # By name: the order of declaration depends on which module was imported first.
        for _, method in sorted(methods_of(noun).items()):
            parts.append(_method(method))
            for kind in (method.params, method.result, method.item):
                if kind is not None:
                    parts += _declarations(kind, seen)
    return "\n".join(parts)


def _method(method: Method[Any, Any]) -> str:
    item = f", items {method.item.__name__}" if method.item else ""
    channels = "".join(f", channel {channel.number} {'in' if channel.to_callee else 'out'}" for channel in method.channels)
    moved = f"params {method.params.__name__}{item}{channels}, result {method.result.__name__}"
    return f"""\
; {method.name}: {method.help}. {method.shape.value.capitalize()}: {moved}
call-{method.name} = [{Kind.CALL:d}, call-id, "{method.name}", {method.params.__name__}]
"""


def _declarations(kind: Any, seen: dict[str, type]) -> list[str]:
    """`kind` and what it is made of, as far as they were not declared before."""
    if kind.__name__ in seen:
        if seen[kind.__name__] is not kind:
            raise ValueError(f"two types are called {kind.__name__}: the names stand side by side in one file")
        return []
    seen[kind.__name__] = kind
    if issubclass(kind, Enum):
        return [f"{kind.__name__} = " + " / ".join(f'"{member.value}"' for member in kind) + "\n"]
    hints = get_type_hints(kind)
    lines, inner = [], []
    for field in fields(kind):
        optional = field.default is not MISSING or field.default_factory is not MISSING
        # Quoted, for a bare key such as `time` is taken for the type of that name by some tools.
        lines.append(f"  {'? ' if optional else ''}" + f'"{field.name}": {_type(hints[field.name])},')
        for part in _parts(hints[field.name]):
            inner += _declarations(part, seen)
    return [f"{kind.__name__} = {{" + "".join(f"\n{line}" for line in lines) + ("\n}\n" if lines else "}\n"), *inner]


def _parts(hint: Any) -> list[type]:
    """The dataclasses and enums inside a declared type."""
    if isinstance(hint, type) and (is_dataclass(hint) or issubclass(hint, Enum)):
        return [hint]
    return [part for argument in get_args(hint) for part in _parts(argument)]


def _type(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _SCALARS:
        return _SCALARS[hint]
    if origin is Union or origin is types.UnionType:
        return " / ".join(_type(argument) for argument in arguments)
    if origin is tuple and arguments[-1] is not Ellipsis:
        return "[" + ", ".join(_type(argument) for argument in arguments) + "]"
    if origin in (tuple, list):
        return f"[* {_type(arguments[0])}]"
    if origin is dict:
        return "plain-map" if arguments[1] is Any else f"{{* tstr => {_type(arguments[1])}}}"
    return str(hint.__name__)


if __name__ == "__main__":
    sys.stdout.write(render())
