"""The daemon's Unix socket: made with the right owner and mode, or taken over from the service manager; and its accept loop."""

from __future__ import annotations

import errno
import grp
import logging
import os
import socket
import stat
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import Struct

import trio

from volant.proto.errors import InvalidParams, NotAllowed, SocketPathTooLong, StateLocked

_log = logging.getLogger("volant.rpc")

MAX_PATH_BYTES = 107
"""sun_path of struct sockaddr_un has 108 bytes, with the final NUL."""

GROUP = "volant"
"""Members of this group may use the socket, where the group exists."""

_BACKLOG = 1024
"""Connections that wait to be accepted: all of a thousand clients that reconnect after a restart."""

_SOCKET_HINT = "see contrib/systemd/volantd.socket: one ListenStream= with a path"

# Access control lists as the kernel takes them (linux/posix_acl_xattr.h): a version, then tag, permissions and id of each entry, by tag.
_ACL_ATTRIBUTE = "system.posix_acl_access"
_ACL_VERSION = (2).to_bytes(4, "little")
_ACL_ENTRY = Struct("<HHI")
_ACL_USER_OBJ, _ACL_GROUP_OBJ, _ACL_GROUP, _ACL_MASK, _ACL_OTHER = 0x01, 0x04, 0x08, 0x10, 0x20
_ACL_NO_ID = 0xFFFFFFFF
_READ_WRITE = 6
"""Connecting needs write permission; reading comes along, as it does for the group that owns the socket."""

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
        if gid is None and group != GROUP:
            _log.warning("the group %r does not exist, so nobody may use this daemon as its member", group)
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


@contextmanager
def open_socket(path: Path, *, group: str, readers: str = "", passed: socket.socket | None = None) -> Iterator[socket.socket]:
    """The daemon's listening socket: made at `path`, and removed at the end, or the one that was `passed`, whose path is its manager's.

    Members of the group `readers` may open it as well. Raises as `bind_socket`.
    """
    listening = passed or bind_socket(path, group=group)
    try:
        if readers:
            _let_in(path, readers)
        yield listening
    finally:
        listening.close()
        if passed is None:
            path.unlink(missing_ok=True)


def _let_in(path: Path, group: str) -> None:
    """Let another group open the socket, by an access control list; what its members may then do is decided by their credentials."""
    gid = group_id(group)
    if gid is None:
        _log.warning("the group %r does not exist, so nobody may look at this daemon as its member", group)
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    entries = (
        (_ACL_USER_OBJ, mode >> 6 & 7, _ACL_NO_ID),
        (_ACL_GROUP_OBJ, mode >> 3 & 7, _ACL_NO_ID),
        (_ACL_GROUP, _READ_WRITE, gid),
        (_ACL_MASK, _READ_WRITE | mode >> 3 & 7, _ACL_NO_ID),
        (_ACL_OTHER, mode & 7, _ACL_NO_ID),
    )
    packed = _ACL_VERSION + b"".join(_ACL_ENTRY.pack(*entry) for entry in entries)
    try:
        os.setxattr(path, _ACL_ATTRIBUTE, packed)
    except OSError as error:
        _log.warning(
            "the group %r can't be let in to %s: %s; its file system may keep no access control lists", group, path, error.strerror
        )


def passed_socket(environment: MutableMapping[str, str]) -> socket.socket | None:
    """The one listening socket that the service manager passed, if it did. InvalidParams when it passed anything else."""
    try:
        sockets = adopted_sockets(environment)
    except OSError as error:
        raise InvalidParams(f"LISTEN_FDS names what is no socket: {error.strerror}", hint=_SOCKET_HINT) from None
    if not sockets:
        return None
    if len(sockets) > 1:
        _close_all(sockets)
        raise InvalidParams(f"the service manager passed {len(sockets)} sockets; volantd serves one", hint=_SOCKET_HINT)
    (passed,) = sockets
    is_stream = passed.family == socket.AF_UNIX and passed.type == socket.SOCK_STREAM
    # Abstract names are bytes: anybody may open those.
    name = passed.getsockname() if is_stream and passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) else b""
    if not isinstance(name, str) or not name:
        _close_all(sockets)
        raise InvalidParams("the socket that the service manager passed is no listening Unix stream socket with a path", hint=_SOCKET_HINT)
    return passed


def _close_all(sockets: list[socket.socket]) -> None:
    for passed in sockets:
        passed.close()


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
