"""Who is at the other end of a Unix socket, and what it may do."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Any

from volant.proto.method import Method

_UCRED = Struct("iII")
"""struct ucred of <linux/socket.h>: pid, uid, gid."""

_SO_PEERGROUPS = 59
"""asm-generic/socket.h; the socket module has no name for it. Linux 4.13 and newer."""

_MAX_GROUPS = 1024
"""More supplementary groups than this are not looked at; the kernel allows 65,536, and people have tens."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Credentials of the process that connected, as they were when it did."""

    uid: int
    gid: int
    pid: int
    groups: frozenset[int] = frozenset()
    """Its supplementary groups."""

    def __str__(self) -> str:
        return f"uid:{self.uid}"


Policy = Callable[[Peer, Method[Any, Any]], bool]
"""Whether this peer may make this call."""


def peer_of(connected: socket.socket) -> Peer:
    """The process at the other end of a connected Unix socket."""
    pid, uid, gid = _UCRED.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    try:
        packed = connected.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 4 * _MAX_GROUPS)
    except OSError:
        packed = b""  # an older kernel, or absurdly many groups: the primary one has to do
    groups = frozenset(int.from_bytes(packed[at : at + 4], "little") for at in range(0, len(packed), 4))
    return Peer(uid, gid, pid, groups)


def owner_policy(socket_gid: int | None) -> Policy:
    """Root, the daemon's own user and members of the socket's group may do everything; anybody else may only look."""
    own_uid = os.geteuid()

    def allows(peer: Peer, method: Method[Any, Any]) -> bool:
        return (
            not method.changes
            or peer.uid in (0, own_uid)
            or (socket_gid is not None and (peer.gid == socket_gid or socket_gid in peer.groups))
        )

    return allows
