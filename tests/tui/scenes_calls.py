"""Calling a workload: the list of calls, a form, an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.tui.desks import Seat, vm
from volant.tui import effects
from volant.tui.calling.answer import Answer

ACTIONS = [
    {"name": "hello", "description": "Greet somebody", "method": "GET", "path": "/cgi-bin/hello", "timeout_ms": 10_000},
    {"name": "sum", "description": "Add numbers", "method": "POST", "path": "/cgi-bin/sum", "timeout_ms": 0},
    {"name": "pet", "description": "", "method": "GET", "path": "/pets/{id}", "timeout_ms": 0},
]
WORKLOAD = {"base_url": "http://127.0.0.1:8000"}


def calls(*vms: dict[str, Any], earlier: str = "", manifest: dict[str, Any] | None = None) -> Seat:
    """The list of calls of web-1, answered."""
    seat = Seat(*(vms or (vm(1),)))
    seat.desk.earlier_calls = lambda: earlier
    seat.type("r")
    assert seat.asked() == [("vm.actions", "web-1"), ("plugin.show", "hello")]
    seat.answer({"items": ACTIONS}, {"manifest": {"workload": WORKLOAD, **(manifest or {})}})
    return seat


def sent(seat: Seat) -> effects.Send:
    (only,) = seat.effects(effects.Send)
    assert isinstance(only, effects.Send)
    return only


def reply(seat: Seat, body: bytes = b'{"greeting": "Hello, Ada"}', status: int = 200) -> effects.Send:
    """Answer what was sent."""
    asked = sent(seat)
    seat.desk.answered(asked.tag, Answer(status, "", (("Content-Type", "application/json"), ("X-Trace", "7")), body, len(body), 0.012))
    return asked


OPENAPI = {
    "openapi": "3.0.0",
    "paths": {
        "/cgi-bin/hello": {"get": {"parameters": [{"name": "style", "in": "query", "schema": {"enum": ["plain", "loud"]}}]}},
        "/admin/restock": {"post": {"summary": "Load anew", "requestBody": {"content": {"application/json": {"example": {"all": True}}}}}},
    },
}


def described() -> Seat:
    """With the workload's own document."""
    seat = calls(manifest={"openapi": "http://127.0.0.1:8000/openapi.json"})
    reply(seat, json.dumps(OPENAPI).encode())
    return seat


def form() -> Seat:
    seat = described()
    seat.type("G enter a 'dry=yes' enter a 'X-Trace:_7' enter")
    return seat


def answered() -> Seat:
    seat = described()
    seat.type("r")
    reply(seat, b'{"items": [{"name": "lamp", "price": 12.50}, {"name": "desk", "tags": []}], "next": null}')
    return seat


def listed() -> Seat:
    seat = answered()
    seat.type("escape escape")
    return seat


SCENES: dict[str, tuple[Callable[[], Seat], int, int]] = {
    "calls": (listed, 80, 14),
    "call-form": (form, 80, 16),
    "call-answer": (answered, 80, 20),
    "call-answer-20x5": (answered, 20, 5),
}
