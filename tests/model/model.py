"""What VMs and deployments do, as small as can be: one thing's state, and what a call may answer and make of it.

How far a VM is on its way is not part of it, for that has its own time; what is wanted is, and what it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tests.model.history import Call

UNKNOWN = ""
"""The id of a VM whose creation was not answered; the first view tells it."""


@dataclass(frozen=True)
class Vm:
    id: str
    wanted: str
    version: int
    memory_mb: int


@dataclass(frozen=True)
class Deployment:
    replicas: int
    paused: bool
    deleting: bool = False


State = Vm | Deployment | None
"""None: there is no such thing."""

REFUSED = ("failed.host", "failed.store")
"""Faults of the host, after which nothing has changed."""

MADE = ("", "timeout", "failed.launch", "lost")
"""How a call may end whose change is made; for `lost`, it may be."""


def after(state: State, call: Call) -> Iterator[State]:
    """The states that the thing may be in once `call` took effect, given what it was answered; none where that can't be the answer."""
    yield from _MODELS[call.noun](state, call)
    if _is_leaving(state):
        # What is being deleted is gone at a moment of its own.
        yield from _MODELS[call.noun](None, call)


def _is_leaving(state: State) -> bool:
    return (isinstance(state, Vm) and state.wanted == "destroyed") or (isinstance(state, Deployment) and state.deleting)


def _vm(state: State, call: Call) -> Iterator[State]:
    assert not isinstance(state, Deployment)
    if call.lost or call.code in REFUSED:
        yield state
    if state is None:
        yield from _vm_that_is_not(call)
    elif call.verb == "create":
        if call.code == "conflict.name":
            yield state
    elif state.wanted == "destroyed":
        yield from _vm_that_leaves(state, call)
    else:
        yield from _vm_that_is(state, call)


def _vm_that_is_not(call: Call) -> Iterator[State]:
    if call.verb == "create" and call.code in MADE:
        wanted = "running" if call.params.get("start", True) else "stopped"
        yield Vm(call.reply["id"] if call.reply else UNKNOWN, wanted, 1, call.params["memory_mb"])
    elif call.code.startswith("not_found") or call.verb == "gone":
        yield None


def _vm_that_leaves(vm: Vm, call: Call) -> Iterator[State]:
    if call.verb == "gone":
        yield None
    elif call.verb == "get" and call.reply and call.reply["wanted"] == "destroyed":
        yield from _seen(vm, call)
    elif call.code == "conflict.state" or (call.verb == "delete" and not call.code):
        yield vm


def _vm_that_is(vm: Vm, call: Call) -> Iterator[State]:
    done = call.code in MADE
    match call.verb:
        case "start" | "restart" if done:
            yield replace(vm, wanted="running")
        case "start" | "restart" if call.code == "conflict.state" and vm.wanted == "stopped":
            yield vm  # it is still stopping
        case "stop" if done:
            yield replace(vm, wanted="stopped")
        case "delete" if done:
            yield replace(vm, wanted="destroyed")
        case "delete" if call.code == "conflict.state" and not call.params.get("force"):
            yield vm
        case "patch" if done and (call.reply is None or call.reply["shown"]["version"] == vm.version + 1):
            yield replace(vm, version=vm.version + 1, memory_mb=call.params["memory_mb"])
        case "get" if call.reply:
            yield from _seen(vm, call)
        case "gone":
            yield vm  # another one of the same name


def _seen(vm: Vm, call: Call) -> Iterator[State]:
    assert call.reply is not None
    shown = Vm(call.reply["id"], call.reply["wanted"], call.reply["config_version"], call.reply["memory_mb"])
    if replace(shown, id=UNKNOWN) == replace(vm, id=UNKNOWN) and vm.id in (UNKNOWN, shown.id):
        yield shown


def _deployment(state: State, call: Call) -> Iterator[State]:
    assert not isinstance(state, Vm)
    done = call.code in MADE
    if call.lost or call.code in REFUSED:
        yield state
    if state is None:
        if call.verb == "create" and done:
            yield Deployment(call.params["replicas"], False)
        elif call.code.startswith("not_found") or call.verb == "gone":
            yield None
    elif call.verb == "create":
        if call.code == "conflict.name":
            yield state
    elif state.deleting:
        if call.verb == "gone":
            yield None
        elif call.code.startswith("conflict") or call.verb == "delete" or (call.reply and call.reply["status"] == "deleting"):
            yield state
    elif call.verb == "scale" and done:
        yield replace(state, replicas=call.params["replicas"])
    elif call.verb in ("pause", "resume") and done:
        yield replace(state, paused=call.verb == "pause")
    elif call.verb == "delete" and done:
        yield replace(state, deleting=True)
    elif call.verb == "gone" or (call.verb == "get" and call.reply and _as_shown(state, call.reply)):
        yield state


def _as_shown(deployment: Deployment, view: dict[str, object]) -> bool:
    return (view["replicas"], view["paused"]) == (deployment.replicas, deployment.paused) and view["status"] != "deleting"


_MODELS: dict[str, Callable[[State, Call], Iterator[State]]] = {"vm": _vm, "deployment": _deployment}
