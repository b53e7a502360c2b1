"""From a name and plain parameters to a result or a fault, without a socket."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import pytest

from tests.fakes import echo
from volant.daemon.rpc.dispatch import Dispatcher, fault_of
from volant.daemon.rpc.handlers import system
from volant.daemon.rpc.peer import NOBODY, Peer, owner_policy
from volant.daemon.rpc.registry import Handlers, handles
from volant.proto import cbor
from volant.proto.api import system as system_api
from volant.proto.errors import Conflict, Internal, NoSuchMethod, NotFound

ME = Peer(os.geteuid(), os.getegid(), os.getpid())


def dispatcher(handlers: Handlers) -> Dispatcher:
    return Dispatcher(echo.Journal(), handlers, owner_policy(NOBODY))


async def test_a_plain_handler_answers_waiting_callers_too() -> None:
    dispatch = dispatcher(echo.handlers())
    encoded = await dispatch.answer(dispatch.find("echo.say"), ME, {"text": "a"}, None)
    assert cbor.loads(encoded) == {"text": "a", "times": 1, "tags": {}}


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(NoSuchMethod, match=r"vm\.fly"):
        dispatcher(Handlers()).find("vm.fly")


def test_the_daemon_answers_a_ping() -> None:
    dispatch = dispatcher(Handlers.of(system))
    answer = cbor.loads(dispatch.answer_inline(dispatch.find(system_api.PING.name), ME, {}))
    assert answer["time"].endswith("+00:00")


def test_a_method_has_one_handler() -> None:
    handlers = echo.handlers()
    with pytest.raises(ValueError, match=r"echo\.say has two handlers"):
        handlers.add(echo.SAY, echo.say)


def test_a_modules_handlers_are_those_it_defines() -> None:
    module = ModuleType("volant_test_handlers")

    @handles(echo.SAY)
    def own(app: Any, peer: Peer, params: echo.Text) -> echo.Text:
        return params

    @handles(echo.CHANGE)
    def imported(app: Any, peer: Peer, params: echo.Text) -> echo.Text:
        return params

    own.__module__ = module.__name__
    vars(module).update(own=own, imported=imported)
    assert [entry.method.name for entry in Handlers.of(module)] == ["echo.say"]


def test_a_stream_handler_must_be_able_to_wait() -> None:
    with pytest.raises(TypeError, match="must be async"):
        handles(echo.COUNT)(lambda app, peer, params, call: None)


def test_a_group_of_faults_is_its_first_fault() -> None:
    group = ExceptionGroup("", [ExceptionGroup("", [Conflict("a")]), NotFound("b")])
    assert fault_of(group, "x").message == "a"


def test_a_group_with_a_defect_is_a_defect() -> None:
    assert isinstance(fault_of(ExceptionGroup("", [Conflict("a"), KeyError("b")]), "x"), Internal)
