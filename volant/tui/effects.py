"""What the desk wants done in the world. The desk only says so; `app` does it, and tells the desk what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """Make a UNARY call; `Desk.answered` hears its plain result or its fault, with the tag."""

    tag: int
    method: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Follow:
    """Open a STREAM call; `Desk.streamed` hears its items with the tag, `Desk.answered` its end."""

    tag: int
    method: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unfollow:
    """Close a stream, or end a program, by its tag; nothing more is heard of it."""

    tag: int


@dataclass(frozen=True, slots=True)
class Run:
    """Carry out a `volant` command. In the foreground it has the terminal until it ends; else its output comes as with `Follow`."""

    tag: int
    words: tuple[str, ...]
    foreground: bool


@dataclass(frozen=True, slots=True)
class Send:
    """Make a `vm.call` with this body; `Desk.answered` hears the `calling.answer.Answer` or the fault, with the tag."""

    tag: int
    params: Mapping[str, Any]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Read:
    """Read a file of this host, of at most so many bytes; `Desk.answered` hears them or a fault, with the tag."""

    tag: int
    path: str
    most: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Read a plugin's manifest from a file of this host or a URL; `Desk.answered` hears it or a fault, with the tag."""

    tag: int
    place: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Let the person edit a text in their editor, which has the terminal until it ends; `Desk.answered` hears the text or a fault."""

    tag: int
    text: str


@dataclass(frozen=True, slots=True)
class KeepViews:
    """Keep these saved views for the next time."""

    text: str


@dataclass(frozen=True, slots=True)
class KeepCalls:
    """Keep what is remembered of calls for the next time."""

    text: str


@dataclass(frozen=True, slots=True)
class Copy:
    """Put text where the terminal keeps what is copied (OSC 52)."""

    text: str


@dataclass(frozen=True, slots=True)
class Attach:
    """Make a call of `vm.console`; `Desk.streamed` hears bytes and plain `ConsolePlace`s with the tag, `Desk.answered` its end."""

    tag: int
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Type:
    """Send bytes on the console of this tag; the last ones give the keyboard back."""

    tag: int
    data: bytes
    last: bool = False


@dataclass(frozen=True, slots=True)
class Reconnect:
    """List anew; while disconnected, try now."""


@dataclass(frozen=True, slots=True)
class Switch:
    """Hear of the daemon on this socket from now on, and nothing more of the other."""

    path: str


@dataclass(frozen=True, slots=True)
class Theme:
    """Draw in this theme from now on."""

    name: str


@dataclass(frozen=True, slots=True)
class Redraw:
    """Write every cell of the terminal anew."""


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep these command lines for the next time."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quit:
    """Leave."""


Effect = (
    Call
    | Follow
    | Attach
    | Type
    | Unfollow
    | Run
    | Send
    | Read
    | Manifest
    | KeepViews
    | Edit
    | KeepCalls
    | Copy
    | Reconnect
    | Switch
    | Theme
    | Redraw
    | Remember
    | Quit
)
