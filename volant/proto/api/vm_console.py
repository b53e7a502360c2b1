"""Calls about a VM's serial line. They belong to the noun `vm`."""

from __future__ import annotations

from dataclasses import dataclass

from volant.proto import errors
from volant.proto.api.vm import AGENT, IN, LOOKUP, NOUN, OUT, Done
from volant.proto.method import Http, Method, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleVm:
    """The serial line: history first on channel `out`, then live; channel `in` types when `write` is set."""

    name: str
    write: bool = False
    """Hold the writer's place, until the end of channel `in`."""
    force: bool = False
    """Take the writer's place from whoever holds it."""
    history_bytes: int = 65_536
    from_offset: int | None = None
    """Begin with this byte of the line instead, a negative one being so many before its end; `ConsolePlace` items then tell where bytes
    really begin, after which some are lost, and who types."""
    follow: bool = True
    """False: the history only, then the call ends."""
    times: bool = False
    """Tell in the first `ConsolePlace` when the history was printed; beside `from_offset`."""


@dataclass(frozen=True, slots=True)
class ConsolePlace:
    """Where the bytes that follow stand, counted from the line's first byte ever.

    Comes only when `from_offset` was asked: first of all (whoever asked to type may from then on), where bytes are lost, when somebody
    else has the writer's place, and before the guest is told another size."""

    offset: int
    writer: str = ""
    """Who holds the writer's place; empty: nobody."""
    times: tuple[tuple[int, int], ...] = ()
    """Offsets behind `offset`, and the milliseconds since 1970 by which everything before them had been printed. Both grow; about one a
    second of output, fewer of what is old, none of before there was this."""
    rows: int = 0
    cols: int = 0
    """The size that the guest was told last; 0: none in this boot, as far as the daemon knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSize:
    """A serial line has no size of its own: tell the guest how large the terminal at its other end is."""

    name: str
    rows: int
    cols: int


CONSOLE = NOUN.add(
    Method("vm.console", ConsoleVm, Done, "the serial console", faults=(*LOOKUP, errors.WriterTaken, errors.Denied),
           shape=Shape.BYTES, item=ConsolePlace, channels=(IN, OUT), changes=True, changes_if="write")
)  # fmt: skip
RESIZE = NOUN.add(
    Method("vm.console_resize", ConsoleSize, Done, "tell a guest the size of its console", faults=AGENT,
           http=Http("POST", "/vms/{name}/console/size"), changes=True)
)  # fmt: skip
