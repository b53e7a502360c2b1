"""From a method's name and plain parameters to its result or a fault. The socket and the gateway both call this.

Here is the daemon's only broad `except`: whatever a handler raises beyond a Fault is a defect, which is logged with its trace
under a reference that the caller gets too.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec

from volant.daemon.rpc.calls import Call
from volant.daemon.rpc.peer import Peer, Policy, held_to_reading
from volant.daemon.rpc.registry import Encoded, Entry, Handlers
from volant.proto import cbor
from volant.proto.errors import Fault, Internal, InvalidParams, NoSuchMethod
from volant.proto.plain import from_plain, to_plain

_log = logging.getLogger("volant.rpc")


class Dispatcher:
    """Finds the handler, checks the peer and the parameters, and turns what comes out into CBOR or a Fault."""

    def __init__(self, app: Any, handlers: Handlers, policy: Policy) -> None:
        self._app, self._handlers, self._policy = app, handlers, policy

    def find(self, method: str) -> Entry:
        """The entry for a method, or NoSuchMethod."""
        entry = self._handlers.get(method)
        if entry is None:
            raise NoSuchMethod(method)
        return entry

    def answer_inline(self, entry: Entry, peer: Peer, params: dict[str, Any]) -> bytes:
        """The encoded result of a plain handler. Raises only Faults."""
        try:
            return _encoded(entry.function(self._app, peer, self._typed(entry, peer, params)))
        except Fault:
            raise
        except Exception as error:
            raise fault_of(error, entry.method.name) from error

    async def answer(self, entry: Entry, peer: Peer, params: dict[str, Any], call: Call | None) -> bytes:
        """The encoded result of any handler; STREAM and BYTES methods need `call`. Raises only Faults, and trio's Cancelled."""
        try:
            typed = self._typed(entry, peer, params)
            if entry.inline:
                return _encoded(entry.function(self._app, peer, typed))
            moving = (call,) if call is not None else ()
            return _encoded(await entry.function(self._app, peer, typed, *moving))
        except Fault:
            raise
        except Exception as error:
            raise fault_of(error, entry.method.name) from error

    def _typed(self, entry: Entry, peer: Peer, params: dict[str, Any]) -> Any:
        if (refusal := self._policy(peer, entry.method)) is not None:
            raise refusal
        if not entry.known.issuperset(params):
            unknown = sorted(set(params) - entry.known)
            raise _invalid([(name, f"is no parameter of {entry.method.name}") for name in unknown])
        try:
            typed = msgspec.convert(params, entry.method.params)
        except msgspec.ValidationError as error:
            # msgspec is fast and names no key of a map; the slow reader does. Should it find nothing, msgspec's words remain.
            from_plain(entry.method.params, params)
            raise _invalid([("", str(error))]) from None
        if (refusal := held_to_reading(peer, entry.method, typed)) is not None:
            raise refusal
        return typed


async def ended_by(work: Callable[[], Awaitable[None]], where: str) -> Fault | None:
    """Do `work`; the Fault that ended it, or None when it ended by itself. A defect in it ends nothing else."""
    try:
        await work()
    except Exception as error:
        return fault_of(error, where)
    return None


def fault_of(error: Exception, where: str) -> Fault:
    """The Fault that stands for `error`: itself, the first of a group of Faults, or Internal with a logged reference."""
    leaves = list(_leaves(error))
    faults = [leaf for leaf in leaves if isinstance(leaf, Fault)]
    if len(faults) == len(leaves):
        return faults[0]
    reference = secrets.token_hex(4)
    _log.error("defect %s in %s", reference, where, exc_info=error)
    return Internal(
        f"{where} failed inside the daemon: {type(error).__name__} (reference {reference})",
        hint=f"the daemon's log has the trace: look for {reference}",
        reference=reference,
    )


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error


def _encoded(result: Any) -> bytes:
    return result.cbor if type(result) is Encoded else cbor.dumps(to_plain(result))


def _invalid(problems: list[tuple[str, str]]) -> InvalidParams:
    return InvalidParams(
        "; ".join(f"{path}: {text}" if path else text for path, text in problems),
        hint="`--help` of the command, or docs/volant.cddl, shows what is expected",
        problems=[{"path": path, "message": text} for path, text in problems],
    )
