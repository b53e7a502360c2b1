"""Calls to a VM's workload: its plugin's actions, and any HTTP request. They belong to the noun `vm`."""

from __future__ import annotations

from dataclasses import dataclass

from volant.proto import errors
from volant.proto.api.vm import AGENT, IN, LOOKUP, NOUN, OUT, Done, VmName
from volant.proto.method import Http, Method, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class CallVm:
    """An action of the plugin, or (with `action` empty) any HTTP request, to the workload.

    The request's body comes on channel `in`, the response's goes out on `out` after one `HttpHead` item.
    """

    name: str
    action: str = ""
    method: str = ""
    """HTTP verb; empty: the action's."""
    path: str = ""
    """Path and query; empty: the action's."""
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    timeout_ms: int = 0
    """0: the action's, else 30 s."""


@dataclass(frozen=True, slots=True)
class HttpHead:
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a VM's plugin."""

    name: str
    description: str
    method: str
    path: str
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Actions:
    items: tuple[Action, ...]


ACTIONS = NOUN.add(Method("vm.actions", VmName, Actions, "list a VM's actions", faults=LOOKUP, http=Http("GET", "/vms/{name}/actions")))
CALL = NOUN.add(
    Method("vm.call", CallVm, Done, "call an action of a VM's workload", faults=(*AGENT, errors.NoSuchAction, errors.Timeout),
           http=Http("POST", "/vms/{name}/actions/{action}"), shape=Shape.BYTES, item=HttpHead, channels=(IN, OUT), changes=True)
)  # fmt: skip
