"""Host ports for guests in user mode: who holds which (pure), and whether the kernel lets us bind the rest."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import AddressValueError, IPv4Address

from volant.proto.api.vm import Forward
from volant.proto.errors import AddressTaken, HostShort, InvalidParams, NotAllowed

MAX_FORWARDS = 64
"""Per VM: each is an argument of the VMM and a listening socket; nobody needs more by hand."""
_MAX_PORT = 65_535
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def choose_forwards(wanted: tuple[Forward, ...], held: Mapping[str, tuple[Forward, ...]]) -> tuple[Forward, ...]:
    """`wanted` with the host ports in force: those named when they are free, and free ones in place of 0.

    `held`: the forwards of other VMs by VM name, running or not. InvalidParams, AddressTaken (names the VM where one holds the port),
    NotAllowed, HostShort. The ports are free when this returns; nothing reserves them until the VMM listens.
    """
    check_forwards(wanted)
    for forward in wanted:
        if forward.host_port and (holder := holder_of(forward, held)):
            raise _taken(forward, f"belongs to the VM {holder!r}", vm=holder)
    with ExitStack() as bound:
        # All stay bound until the last is chosen, or the same port could be chosen twice. Named ones go first: no choice may take them.
        ports = {index: _bind(forward, bound) for index, forward in enumerate(wanted) if forward.host_port}
        for index, forward in enumerate(wanted):
            if not forward.host_port:
                ports[index] = _bind_free(forward, held, bound)
    return tuple(replace(forward, host_port=ports[index]) for index, forward in enumerate(wanted))


def check_forwards(wanted: tuple[Forward, ...]) -> None:
    """InvalidParams unless every field makes sense and no two forwards want the same host port."""
    if len(wanted) > MAX_FORWARDS:
        raise InvalidParams(f"{len(wanted)} forwards were asked for; a VM can have {MAX_FORWARDS}", hint="forward fewer ports")
    for number, forward in enumerate(wanted):
        if forward.protocol not in _KINDS:
            raise InvalidParams(f"the protocol of a forward is tcp or udp, not {forward.protocol[:20]!r}", hint="for example: 8080:80/tcp")
        if not 1 <= forward.guest_port <= _MAX_PORT or not 0 <= forward.host_port <= _MAX_PORT:
            raise InvalidParams(
                f"{forward.host_port}:{forward.guest_port} are no ports",
                hint=f"ports are 1 to {_MAX_PORT}; host port 0 lets the daemon choose",
            )
        try:
            IPv4Address(forward.host_ip)
        except AddressValueError:
            raise InvalidParams(f"{forward.host_ip[:40]!r} is no IPv4 address of this host", hint="for example: 127.0.0.1") from None
        if any(_clash(forward, other) for other in wanted[:number]):
            raise InvalidParams(f"two forwards want {_spelled(forward)}", hint="give each its own host port, or 0")


def holder_of(forward: Forward, held: Mapping[str, tuple[Forward, ...]]) -> str:
    """Name of the VM that one of the forwards in `held` gives this host port to; empty when none does."""
    return next((name for name, others in held.items() if any(_clash(forward, other) for other in others)), "")


def _clash(one: Forward, other: Forward) -> bool:
    """Whether both want the same host port; 0 is nobody's, and 0.0.0.0 overlaps every address."""
    same_port = one.host_port != 0 and (one.host_port, one.protocol) == (other.host_port, other.protocol)
    return same_port and (one.host_ip == other.host_ip or "0.0.0.0" in (one.host_ip, other.host_ip))  # noqa: S104 - compared, not bound


def _bind(forward: Forward, bound: ExitStack) -> int:
    sock = bound.enter_context(socket.socket(socket.AF_INET, _KINDS[forward.protocol]))
    if forward.protocol == "tcp":
        # As the VMM does: connections of a predecessor that linger in TIME_WAIT are no holder; a listener still is.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((forward.host_ip, forward.host_port))
        if forward.protocol == "tcp":
            sock.listen(1)
    except PermissionError:
        raise NotAllowed(f"{_spelled(forward)} is reserved for root", hint="choose a host port of 1024 or more, or 0") from None
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise InvalidParams(f"{forward.host_ip} is no address of this host", hint="for example: 127.0.0.1") from None
        raise _taken(forward, "is in use by another program") from None
    return int(sock.getsockname()[1])


def _bind_free(forward: Forward, held: Mapping[str, tuple[Forward, ...]], bound: ExitStack) -> int:
    """A port that the kernel finds free and that no stopped VM counts on."""
    for _ in range(_MAX_PORT):
        port = _bind(forward, bound)
        if not holder_of(replace(forward, host_port=port), held):
            return port
    raise HostShort(f"no free {forward.protocol} port is left on {forward.host_ip}", hint="delete VMs, or name the host ports")


def _taken(forward: Forward, why: str, **data: str) -> AddressTaken:
    spelled = _spelled(forward)
    return AddressTaken(
        f"{spelled} {why}",
        hint="choose another host port, or 0 to get a free one",
        host_ip=forward.host_ip,
        host_port=forward.host_port,
        **data,
    )


def _spelled(forward: Forward) -> str:
    return f"{forward.protocol} port {forward.host_port} on {forward.host_ip}"
