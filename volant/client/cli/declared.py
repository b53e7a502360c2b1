"""Flags read off a method's declaration in `proto.api`: a field of its parameters is a flag of its command.

`grace_ms` becomes `--grace DURATION`, a true-or-false field a switch, a tuple a flag that may be repeated. What is not given is
not sent, so that the daemon's default holds. Fields that deserve a hand-made flag are named in `skip`.
"""

from __future__ import annotations

import argparse
from dataclasses import MISSING, Field, fields
from typing import Any

from volant.client.cli import human
from volant.client.cli.parsing import Parser, add_duration, checked
from volant.client.cli.values import count
from volant.proto.method import Method, methods_of

_MILLISECONDS = "_ms"


def method(name: str) -> Method[Any, Any]:
    """The declaration of a method by its full name."""
    return methods_of(name.partition(".")[0])[name]


def add_flags(parser: Parser, name: str, *, skip: tuple[str, ...] = ("name",), help: dict[str, str] | None = None) -> None:
    """A flag for each parameter of method `name` but those in `skip`."""
    for field in fields(method(name).params):
        if field.name not in skip:
            _add(parser, field, (help or {}).get(field.name, field.name.replace("_", " ")))


def given(args: argparse.Namespace, name: str, *, skip: tuple[str, ...] = ("name",)) -> dict[str, Any]:
    """The parameters of method `name` that were given as flags."""
    found = {}
    for field in fields(method(name).params):
        value = getattr(args, field.name.removesuffix(_MILLISECONDS), None)
        if field.name not in skip and value is not None:
            found[field.name] = value
    return found


def _add(parser: Parser, field: Field[Any], help: str) -> None:
    """One flag by the field's declared type (a string, since `proto.api` postpones its annotations)."""
    stem = field.name.removesuffix(_MILLISECONDS)
    flag = "--" + stem.replace("_", "-")
    if field.name.endswith(_MILLISECONDS):
        default = "" if field.default in (MISSING, 0) else f" (default {human.duration(field.default / 1000)})"
        add_duration(parser, flag, help=f"{help}{default}")
    elif field.type == "bool" and field.default:
        parser.add_argument("--no-" + stem.replace("_", "-"), dest=stem, action="store_const", const=False, help=f"don't {help}")
    elif field.type == "bool":
        parser.add_argument(flag, action="store_const", const=True, help=help)
    elif field.type == "bool | None":
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=help)
    elif field.type in ("int", "int | None"):
        parser.add_argument(flag, metavar="N", type=checked(count), help=help)
    elif field.type == "tuple[str, ...]":
        parser.add_argument(flag, metavar="TEXT", action="append", help=f"{help}; may be repeated")
    elif field.type == "str":
        parser.add_argument(flag, metavar="TEXT", help=help)
    else:
        raise TypeError(f"no flag for a field of type {field.type}: name it in skip")
