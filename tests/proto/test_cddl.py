"""docs/volant.cddl is fresh, and says what the implementation says and takes."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pycddl
import pytest

from tests.proto.test_connection import HELLO, greeted, opened
from tests.vectors.make import MESSAGES
from volant.proto import cbor
from volant.proto.cddl import COMMAND, render
from volant.proto.errors import NoSuchVm, all_faults
from volant.proto.frames import LENGTH
from volant.proto.messages import Kind
from volant.proto.method import NOUNS, methods_of
from volant.proto.plain import from_plain, to_plain

FILE = Path(__file__).parents[2] / "docs/volant.cddl"
TEXT = FILE.read_text()
METHODS = [method for noun in (*NOUNS, "guest") for method in methods_of(noun).values()]


@cache
def schema(rule: str) -> pycddl.Schema:
    """The file with `rule` as its root. Rules are asked one by one: pycddl's choice between arrays takes arrays of neither kind."""
    return pycddl.Schema(f"root = {rule}\n{TEXT}")


def fits(rule: str, value: Any) -> bool:
    try:
        schema(rule).validate_cbor(cbor.dumps(value))
    except pycddl.ValidationError:
        return False
    return True


def is_message(message: Any) -> bool:
    return any(fits(kind.name.lower(), message) for kind in Kind)


def test_the_file_is_fresh() -> None:
    assert render() == TEXT, f"run: {COMMAND}"


def said(stream: bytes) -> list[Any]:
    """The messages in a stream of frames."""
    found = []
    while stream:
        (length,) = LENGTH.unpack(stream[:4])
        found.append(cbor.loads(stream[4 : 4 + length]))
        stream = stream[4 + length :]
    return found


def test_all_that_a_connection_says_fits() -> None:
    asking, answering, id = opened()
    _, second = greeted()
    stream = b"".join(
        [
            asking.call("vm.exec", {"name": "a", "argv": ["b"], "deep": {"x": [1.5, None, True, b"y", -1]}})[1],
            asking.data(id, 0, b"x"), asking.end(id, 0), asking.credit(id, 1, 5), asking.cancel(id),
            answering.item(id, {"exec_id": 1}), answering.data(id, 1, b"y"), answering.credit(id, 2, 1), answering.end(id, 2),
            answering.fault(id, NoSuchVm("a")), answering.farewell(NoSuchVm("a")), second.farewell(NoSuchVm("b")),
        ]
    )  # fmt: skip
    for message in [HELLO, *said(stream), [2, 1, None], [2, 1, [{}, [1, {"a": b""}]]]]:
        assert fits(Kind(message[0]).name.lower(), message), message


@pytest.mark.parametrize("code", sorted(all_faults()))
def test_every_fault_fits(code: str) -> None:
    cls = all_faults()[code]
    fault = cls.from_wire({"code": code, "message": "m", "hint": "h", "data": {"problems": []}})
    assert fits("fault", [3, 1, fault.to_wire()])


_SAID: Any = HELLO[1]
WRONG = [
    [], {}, 1, [9, 1], [8], [8, "a"], [8, 0], [8, -1], [8, 1, 1], [2, 1], [2, "1", 1], [0, {}], [0, {"protocol": [1, 1]}],
    [0, _SAID | {"features": [1]}], [0, _SAID | {"protocol": [1]}], [1, 1, "x" * 65, {}], [1, 1, "x"], [1, 1, None, {}],
    [3, 1, {"code": 1}], [3, -1, {"code": "a", "message": "", "hint": "", "data": {}}], [5, 1, 4], [5, 1, -1], [6, 1, 0, "x"],
    [6, 1, 0], [7, 1, 0, 0], [7, 1, 0, 2**30], [4, 1],
]  # fmt: skip


@pytest.mark.parametrize("message", WRONG, ids=repr)
def test_what_breaks_the_rules_does_not_fit(message: Any) -> None:
    assert not is_message(message)


@pytest.mark.parametrize("case", MESSAGES, ids=lambda case: case.name)
def test_every_vector_fits(case: Any) -> None:
    assert is_message(case.message)


def example(kind: Any, *, full: bool) -> Any:
    """Some plain value of a declared type, made by looking for one that can be read."""
    if hasattr(kind, "__dataclass_fields__"):
        hints = get_type_hints(kind)
        return {field.name: example(hints[field.name], full=full) for field in fields(kind)}
    arguments = get_args(kind)
    if type(None) in arguments:
        return example(arguments[0], full=full) if full else None
    if get_origin(kind) is tuple:
        if arguments[-1] is not Ellipsis:
            return [example(argument, full=full) for argument in arguments]
        return [example(arguments[0], full=full)] if full else []
    if get_origin(kind) is dict:
        return {"key": example(arguments[1], full=full)} if full else {}
    if hasattr(kind, "__members__"):
        return next(iter(kind)).value
    return {str: "text", int: 3, float: 0.5, bool: True, bytes: b"b", Any: {"any": [1]}}[kind]


@pytest.mark.parametrize("full", [False, True], ids=["least", "full"])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_params_results_and_items_of_every_method_fit(method: Any, full: bool) -> None:
    for kind in (method.params, method.result, method.item):
        if kind is None:
            continue
        plain = to_plain(from_plain(kind, example(kind, full=full)))
        assert fits(kind.__name__, plain)
        hints = get_type_hints(kind)
        for name in plain:
            if hints[name] is not Any:
                wrong = 5 if str in (hints[name], *get_args(hints[name])) else "no such"
                assert not fits(kind.__name__, plain | {name: wrong}), name
    assert fits(f"call-{method.name}", [1, 1, method.name, example(method.params, full=True)])
    assert not fits(f"call-{method.name}", [1, 1, "other.name", example(method.params, full=True)])
