"""What both shells of the client share: naming a method, its parameters and results, and what went wrong in connecting."""

from __future__ import annotations

import errno
import os
import stat

from volant import __version__
from volant.client.codec import QuickStart
from volant.proto.connection import INITIAL_CREDIT, Connection, Side
from volant.proto.errors import (
    ConnectionLost,
    Fault,
    InvalidParams,
    MalformedFrame,
    NotAllowed,
    SocketForbidden,
    SocketMissing,
    SocketPathTooLong,
    SocketRefused,
    Unreachable,
)
from volant.proto.frames import MAX_FRAME_TO_CLIENT
from volant.proto.messages import READ_ONLY, Hello

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any

    from volant.proto.method import Method

# What typed calls need (dataclasses and all they load) is imported where it is used: the `volant` command speaks in plain
# values, and would pay a third of its start for it.

MAX_PATH_BYTES = 107
"""sun_path of struct sockaddr_un has 108 bytes, with the final NUL."""

GREETING_S = 60.0
"""How long a daemon may take to greet: it does so at once, and one that takes hundreds of VMs over as it starts, in some seconds."""

GRANT_BYTES = INITIAL_CREDIT // 4
"""Credit is granted again in steps of this size: few messages, and the sender never runs dry while we keep up."""

_VERSIONS = "see that client and daemon are of one version: `volant --version`, `volant system info`"
_SHOWN_CHARS = 200
"""How much of an unforeseen error's text a sentence quotes."""

NAMED = {"vms": "vm", "plugins": "plugin", "deployments": "deployment", "events": "event", "system": "system"}
"""The attributes of a client, and the nouns whose methods they hold."""


def new_connection(*, read_only: bool) -> Connection:
    """A client's end of the wire; `read_only`: it asks the daemon to refuse whatever would change something."""
    hello = Hello("client", __version__, features=(READ_ONLY,) if read_only else ())
    return Connection(Side.CLIENT, QuickStart(), max_incoming=MAX_FRAME_TO_CLIENT, hello=hello)


def check_read_only(peer: Hello) -> None:
    """NotAllowed when the daemon holds nobody to reading: then a client that wants to be held to it says no more."""
    if READ_ONLY not in peer.features:
        raise NotAllowed(
            f"this daemon (version {peer.version}) can't hold a connection to reading", hint="upgrade it, or go without --read-only"
        )


def check_path(path: str) -> None:
    """SocketPathTooLong, which the kernel would only call invalid."""
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise SocketPathTooLong(path)


def why_unreachable(path: str, error: OSError) -> Fault:
    """The fault that tells apart a missing, refused and forbidden socket."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return SocketMissing(path)
    if error.errno in (errno.ECONNREFUSED, errno.ENOTSOCK):
        if os.path.exists(path) and not stat.S_ISSOCK(os.stat(path).st_mode):
            return Unreachable(f"{path} is no socket", hint="name the daemon's socket with --socket or VOLANT_SOCKET")
        return SocketRefused(path)
    if error.errno == errno.EAGAIN:  # it takes no more connections
        return silent(path)
    if error.errno in (errno.EACCES, errno.EPERM):
        return SocketForbidden(path, _group_allowed(path))
    return Unreachable(f"can't connect to {path}: {error.strerror}", hint="`volant system info` shows whether the daemon runs")


def silent(path: str) -> Unreachable:
    """The fault of a socket at which somebody listens, and does not greet."""
    return Unreachable(
        f"whoever listens at {path} has said nothing for {GREETING_S:g} s",
        hint="see in its log what keeps volantd, and restart it if it hangs; its VMs go on",
    )


def lost(why: str) -> ConnectionLost:
    """The fault of everything that is open on a connection that broke."""
    return ConnectionLost(
        f"the connection to volantd is gone: {why}",
        hint="see whether the daemon still runs; a change that was under way may have been made or not: look, or ask for it again",
    )


def _group_allowed(path: str) -> str:
    """The group whose members may use the socket; empty when there is none, or it can't be seen."""
    import grp

    try:
        found = os.stat(path)
        return grp.getgrgid(found.st_gid).gr_name if found.st_mode & stat.S_IWGRP else ""
    except (OSError, KeyError):
        return ""


def plain_params(params: Any) -> dict[str, Any]:
    """The parameters that differ from their defaults, so that an older daemon is not asked about what it does not know."""
    from dataclasses import MISSING, fields

    from volant.proto.plain import to_plain

    plain: dict[str, Any] = {}
    for field in fields(params):
        value = getattr(params, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if value != default:
            plain[field.name] = to_plain(value)
    return plain


def asked(method: Method[Any, Any] | str, params: Any) -> tuple[str, dict[str, Any]]:
    """Name and plain parameters of a call; `params` is the method's params type, or plain already."""
    name = method if isinstance(method, str) else method.name
    return name, params if isinstance(params, dict) else plain_params(params)


def typed_result(method: Method[Any, Any] | str, plain: Any) -> Any:
    """A result as the method declares it; as it is when the method was given by name. MalformedFrame when it is something else."""
    return plain if isinstance(method, str) else _typed(method, method.result, plain)


def typed_item(method: Method[Any, Any] | str, plain: Any) -> Any:
    """An item as the method declares it; as it is when the method was given by name. MalformedFrame when it is something else."""
    return plain if isinstance(method, str) or method.item is None else _typed(method, method.item, plain)


def misread(method: str, plain: Any, error: Exception, *, is_item: bool) -> MalformedFrame:
    """The fault for who stumbled with `error` over a plain result or item: what is wrong with it, or else where it happened."""
    from volant.proto.method import find

    declared = find(method)
    try:
        typed_item(declared, plain) if is_item else typed_result(declared, plain)
    except MalformedFrame as fault:
        return fault
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""
    return MalformedFrame(
        f"what volantd answered {method} can't be used: {type(error).__name__}: {str(error)[:_SHOWN_CHARS]}", hint=_VERSIONS, place=place
    )


def _typed(method: Method[Any, Any], kind: type[Any], plain: Any) -> Any:
    from volant.proto.plain import from_plain

    try:
        return from_plain(kind, plain)
    except InvalidParams as error:
        raise MalformedFrame(
            f"volantd answered {method.name} with something else than agreed: {error.message}",
            hint=_VERSIONS,
        ) from None
