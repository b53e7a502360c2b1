"""From what a user asks of a workload to the HTTP request that its agent makes. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from volant.proto.api import guest
from volant.proto.api.vm_call import Action, CallVm
from volant.proto.errors import InvalidParams, NoSuchAction

DEFAULT_TIMEOUT_MS = 30_000
"""For requests that neither the user nor the plugin gave a time."""

_VERB_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ-")


def request(asked: CallVm, actions: Iterable[Action]) -> guest.Request:
    """The request behind an action or a free one. NoSuchAction with the choices, InvalidParams."""
    declared = {action.name: action for action in actions}
    action = declared.get(asked.action)
    if asked.action and action is None:
        raise NoSuchAction(asked.action, tuple(declared))
    verb = (asked.method or (action.method if action else "GET")).upper()
    path = asked.path or (action.path if action else "")
    if not path.startswith("/") or not path.isprintable() or " " in path:
        raise InvalidParams(
            f"the path {path[:200]!r} is none: it begins with / and holds no blanks", hint="name an action, or a path such as /health"
        )
    if not verb or not set(verb) <= _VERB_LETTERS:
        raise InvalidParams(f"{verb[:40]!r} is no HTTP method", hint="GET, POST, PUT, PATCH, DELETE, HEAD and OPTIONS are")
    if asked.query:
        path += ("&" if "?" in path else "?") + asked.query
    timeout = asked.timeout_ms or (action.timeout_ms if action else 0) or DEFAULT_TIMEOUT_MS
    return guest.Request(method=verb, path=path, headers=asked.headers, timeout_ms=timeout)
