"""Who is at the other end of a Unix socket, and what it may do."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from struct import Struct
from typing import Any

from volant.daemon.ports import Asker
from volant.proto.errors import NotAllowed
from volant.proto.method import Method

_UCRED = Struct("iII")
"""struct ucred of <linux/socket.h>: pid, uid, gid."""

_SO_PEERGROUPS = 59
"""asm-generic/socket.h; the socket module has no name for it. Linux 4.13 and newer."""

_MAX_GROUPS = 256
"""More supplementary groups than this are not looked at: Python's getsockopt takes at most 1,024 bytes. People have tens."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Credentials of the process that connected, as they were when it did."""

    uid: int
    gid: int
    pid: int
    groups: frozenset[int] = frozenset()
    """Its supplementary groups."""
    read_only: bool = False
    """It said that it changes nothing on this connection."""

    def __str__(self) -> str:
        return f"uid:{self.uid}"


def asker(peer: Peer) -> Asker:
    """Who asks, with the names that the host has now for its user and its program."""
    program = ""
    try:
        # proc(5): at most 15 bytes, which the process itself may choose.
        program = Path(f"/proc/{peer.pid}/comm").read_bytes().decode(errors="replace").strip()
    except OSError:
        pass
    named = f" ({''.join(letter if letter.isprintable() else '?' for letter in program)})" if program else ""
    return Asker(f"{peer}{_user_name(peer.uid)}", f"pid {peer.pid}{named}")


@lru_cache(maxsize=256)
def _user_name(uid: int) -> str:
    """`(root)`; empty for a user that the host has no name for."""
    try:
        return f"({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return ""


def held_to_reading(peer: Peer, method: Method[Any, Any], asked: Any) -> NotAllowed | None:
    """Why a peer that said that it changes nothing may not make this call; None when it may. `asked`: the typed parameters."""
    if not peer.read_only or not method.changes or (method.changes_if and not getattr(asked, method.changes_if)):
        return None
    return NotAllowed(
        f"this connection is read-only, and {method.name} changes something", hint="connect without --read-only to change things"
    )


Policy = Callable[[Peer, Method[Any, Any]], NotAllowed | None]
"""Why this peer may not make this call; None when it may."""


def peer_of(connected: socket.socket) -> Peer:
    """The process at the other end of a connected Unix socket."""
    pid, uid, gid = _UCRED.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    try:
        packed = connected.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 4 * _MAX_GROUPS)
    except OSError:
        packed = b""  # an older kernel, or absurdly many groups: the primary one has to do
    groups = frozenset(int.from_bytes(packed[at : at + 4], "little") for at in range(0, len(packed), 4))
    return Peer(uid, gid, pid, groups)


@dataclass(frozen=True, slots=True)
class Group:
    """A group of users by its name; nobody is in one that does not exist."""

    name: str
    gid: int | None

    def __contains__(self, peer: Peer) -> bool:
        return self.gid is not None and (peer.gid == self.gid or self.gid in peer.groups)


NOBODY = Group("", None)


def owner_policy(owners: Group, readers: Group = NOBODY) -> Policy:
    """Root, the daemon's own user and `owners` may do everything; `readers` may look; nobody else may anything.

    The kernel keeps others from the socket already; this also holds where its permissions were widened.
    """
    own_uid = os.geteuid()
    other_users = "run as root, or as the user that runs volantd"
    join = f"join the group {owners.name!r} (`sudo usermod -aG {owners.name} $USER`, then log in again), or {other_users}"
    to_change = join if owners.gid is not None else other_users
    to_look = f"join the group {readers.name!r} to look; to do more, {to_change}" if readers.gid is not None else to_change

    def refusal(peer: Peer, method: Method[Any, Any]) -> NotAllowed | None:
        if peer.uid in (0, own_uid) or peer in owners:
            return None
        if peer not in readers:
            return NotAllowed(f"you ({peer}) may not use this daemon", hint=to_look)
        if method.changes or method.private:
            return NotAllowed(f"you ({peer}) may look, but not call {method.name}", hint=to_change)
        return None

    return refusal
