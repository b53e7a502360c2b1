"""The daemon's Unix socket: made with the right owner and mode, or taken over from the service manager; and its accept loop."""

from __future__ import annotations

import errno
import grp
import os
import socket
import stat
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from pathlib import Path

import trio

from volant.proto.errors import NotAllowed, SocketPathTooLong, StateLocked

MAX_PATH_BYTES = 107
"""sun_path of struct sockaddr_un has 108 bytes, with the final NUL."""

GROUP = "volant"
"""Members of this group may use the socket, where the group exists."""

_BACKLOG = 1024
"""Connections that wait to be accepted: all of a thousand clients that reconnect after a restart."""

_LISTEN_FDS_START = 3
"""First descriptor that a service manager passes (sd_listen_fds(3))."""

_SHORT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_SHORTAGE_SECONDS = 0.1
"""Pause in accepting while the host lacks descriptors or memory: others may give some back."""


def bind_socket(path: Path, *, group: str = GROUP) -> socket.socket:
    """A listening socket at `path`: mode 0660, owned by root and `group` where both can be had.

    The caller holds the daemon's lock, so a socket that nobody answers on is a leftover, and removed. StateLocked when somebody
    answers or something else is there; SocketPathTooLong; NotAllowed.
    """
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise SocketPathTooLong(str(path))
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        # Nobody but us may connect until owner and mode are as they should be.
        before = os.umask(0o177)
        try:
            listening.bind(os.fspath(path))
        finally:
            os.umask(before)
        gid = group_id(group)
        if gid is not None:
            with suppress(PermissionError):  # not root, nor in the group: then the socket is its owner's alone
                os.chown(path, -1, gid)
                path.chmod(0o660)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise NotAllowed(
            f"the socket {path} can't be made: {error.strerror}", hint="make its folder writable for the daemon, or choose another path"
        ) from None
    return listening


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StateLocked(f"{path} exists and is no socket", hint="move it away, or choose another socket path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError:
            pass  # a full backlog or a lack of permission: somebody listens
    raise StateLocked(f"another daemon answers at {path}", hint="stop it first, or choose another socket path")


def group_id(group: str) -> int | None:
    """The number of a group, or None where it does not exist."""
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def adopted_sockets(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """Listening sockets that the service manager passed (sd_listen_fds(3)); empty when there are none for this process.

    The variables are removed, so that children don't take them for theirs. Their path must not be unlinked: it is the manager's.
    """
    meant_for, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if meant_for != str(os.getpid()) or not count.isdigit():
        return []
    sockets = [socket.socket(fileno=fd) for fd in range(_LISTEN_FDS_START, _LISTEN_FDS_START + int(count))]
    for passed in sockets:
        passed.setblocking(False)
        os.set_inheritable(passed.fileno(), False)
    return sockets


async def accept_all(listening: socket.socket, take: Callable[[socket.socket], None]) -> None:
    """Give each new connection to `take`, until cancelled.

    All that wait are accepted in one go: one a scheduler round would starve new clients while the daemon is busy.
    """
    while True:
        await trio.lowlevel.wait_readable(listening)
        try:
            while True:
                connected, _ = listening.accept()
                take(connected)
        except BlockingIOError:
            continue
        except OSError as error:
            if error.errno in _SHORT_OF_DESCRIPTORS:
                await trio.sleep(_SHORTAGE_SECONDS)
            elif error.errno != errno.ECONNABORTED:
                raise
