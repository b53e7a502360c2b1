"""The hot path of rtnetlink, packed by hand: plugging a tap into the bridge, and deleting taps together. Blocking, one thread.

pyroute2 needs 0.3 to 2 ms of CPU time per message, and a tap takes three; here all three are one system call of some 0.1 ms.
Layouts and numbers: <linux/rtnetlink.h>, <linux/if_link.h>, <linux/neighbour.h>; rtnetlink(7).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence

from volant.daemon.net import nlmsg

_LINK = struct.Struct("=BxHiII")
_NEIGHBOUR = struct.Struct("=B3xiHBB")

_CREATE_REPLACE = 0x400 | 0x100
_RTM_NEWLINK, _RTM_DELLINK, _RTM_NEWNEIGH = 16, 17, 28
_IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_IFALIAS, _IFLA_GROUP = 4, 10, 18, 20, 27
_INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 4, 5
_BRPORT_LEARNING, _BRPORT_UNICAST_FLOOD = 8, 9
_NDA_LLADDR = 2
_IFF_UP = 1
_NTF_MASTER = 0x04
_NUD_NOARP = 0x40
"""An entry that neither ages nor moves. (A permanent one would mean the host itself.)"""

_ANSWER_BYTES = 65_536
"""Room for the answers to one send: each echoes its request, some 150 bytes."""
_MESSAGES_AT_ONCE = 100
"""So that the answers to one send fit the socket's receive buffer (208 KiB by default)."""
_DOOMED_GROUP = 0x766C6E74
"""Link group that interfaces are put in to be deleted together: one by one, each waits 20 ms for the kernel's RCU. An arbitrary number,
far from those that people and distributions use."""
_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.ENOENT})

Message = tuple[int, int, bytes]
"""Type, flags beside request and acknowledgement, and body."""


class LinkSocket:
    """One rtnetlink socket. Methods raise OSError with the kernel's errno."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def join_bridge(self, index: int, *, bridge: int, alias: str, mac: str, mtu: int) -> None:
        """Make an interface a port behind which exactly `mac` lives, and bring it up.

        The bridge is told so instead of learning it: no frame of another guest can move it, and nobody sees unicast that isn't theirs.
        """
        for code in self._ask(join_messages(index, bridge=bridge, alias=alias, mac=mac, mtu=mtu)):
            if code:
                raise OSError(code, os.strerror(code))

    def remove(self, indexes: Sequence[int]) -> None:
        """Delete interfaces together; those that are gone already don't matter."""
        doomed = 0
        for start in range(0, len(indexes), _MESSAGES_AT_ONCE):
            codes = self._ask(
                [_changed_link(index, nlmsg.u32(_IFLA_GROUP, _DOOMED_GROUP)) for index in indexes[start : start + _MESSAGES_AT_ONCE]]
            )
            if failed := [code for code in codes if code and code not in _GONE]:
                raise OSError(failed[0], os.strerror(failed[0]))
            doomed += codes.count(0)
        if doomed:
            (code,) = self._ask([(_RTM_DELLINK, 0, _LINK.pack(0, 0, 0, 0, 0) + nlmsg.u32(_IFLA_GROUP, _DOOMED_GROUP))])
            if code and code not in _GONE:
                raise OSError(code, os.strerror(code))

    def _ask(self, messages: Sequence[Message]) -> list[int]:
        """Send all at once; the errno of each, 0 where it was done."""
        first = self._sequence + 1
        self._sequence += len(messages)
        acknowledged = nlmsg.REQUEST | nlmsg.ACK
        numbered = enumerate(messages, first)
        self._socket.send(b"".join(nlmsg.message(kind, acknowledged | flags, number, body) for number, (kind, flags, body) in numbered))
        codes: dict[int, int] = {}
        while len(codes) < len(messages):
            codes |= nlmsg.acknowledgements(self._socket.recv(_ANSWER_BYTES))
        return [codes[first + number] for number in range(len(messages))]


def join_messages(index: int, *, bridge: int, alias: str, mac: str, mtu: int) -> list[Message]:
    """Membership, then the MAC behind the port, then the port's manners and up: the kernel refuses the latter to what is no port yet."""
    membership = nlmsg.u32(_IFLA_MTU, mtu) + nlmsg.attribute(_IFLA_IFALIAS, alias.encode()) + nlmsg.u32(_IFLA_MASTER, bridge)
    entry = _NEIGHBOUR.pack(socket.AF_BRIDGE, index, _NUD_NOARP, _NTF_MASTER, 0) + nlmsg.attribute(
        _NDA_LLADDR, bytes.fromhex(mac.replace(":", ""))
    )
    manners = nlmsg.attribute(_BRPORT_LEARNING, b"\0") + nlmsg.attribute(_BRPORT_UNICAST_FLOOD, b"\0")
    port = nlmsg.attribute(_IFLA_LINKINFO, nlmsg.attribute(_INFO_SLAVE_KIND, b"bridge\0") + nlmsg.attribute(_INFO_SLAVE_DATA, manners))
    return [_changed_link(index, membership), (_RTM_NEWNEIGH, _CREATE_REPLACE, entry), _changed_link(index, port, raised=_IFF_UP)]


def _changed_link(index: int, attributes: bytes, *, raised: int = 0) -> Message:
    return (_RTM_NEWLINK, 0, _LINK.pack(0, 0, index, raised, raised) + attributes)
