"""One daemon for the network of one namespace: it holds an nftables table that nobody else can make meanwhile. Blocking, one thread.

A table made with NFT_TABLE_F_OWNER belongs to the netlink socket that made it (Linux 5.12, <linux/netfilter/nf_tables.h>): the kernel
lets nobody else change or flush it, and it goes with that socket, however its process ends. It is a lock per namespace that holds
between containers with file systems of their own too, and that only those can take who may change the namespace's network: any user
could keep a daemon off by a name in the abstract socket space, or by locking the namespace's file.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

from volant.daemon.net import nlmsg

TABLE = "volant-daemon"
"""Of the family `inet`, without a chain: it does nothing."""

_NETFILTER = 12
"""NETLINK_NETFILTER of <linux/netlink.h>."""
_FAMILY = struct.Struct("!BBH")
"""`nfgenmsg` of <linux/netfilter/nfnetlink.h>: family, version, resource."""
_INET = 1
_NFTABLES = 10
_BATCH_BEGIN, _BATCH_END = 16, 17
_NEW_TABLE, _GET_TABLE = _NFTABLES << 8, _NFTABLES << 8 | 1
_CREATE = 0x400
_TABLE_NAME, _TABLE_FLAGS, _TABLE_OWNER = 1, 2, 7
_OWNED = 2

_ANSWER_BYTES = 8_192
_ANSWER_S = 5
"""The kernel answers at once, or after it has loaded a module."""
_MAX_PID = 1 << 22
"""PID_MAX_LIMIT. A port above it is none that was chosen for its process."""


ELSEWHERE = "give this one a network namespace of its own (docs/network.md), or create the VM with `--network user`"
"""What to do where the network is another daemon's."""


class ClaimHeld(Exception):
    """Another process has this namespace's network. `pid` as far as it can be told; 0 where it can't."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"held by process {pid}" if pid else "held by another process")
        self.pid = pid


class NetworkClaim:
    """The network of the namespace in which it is first taken."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    @property
    def is_held(self) -> bool:
        return self._socket is not None

    def check(self) -> None:
        """ClaimHeld while another process has it."""
        if self._socket is None:
            with _socket() as asked:
                _refuse_held(asked)

    def take(self) -> None:
        """Hold it until `release`, or until this process ends; nothing where it is held already.

        ClaimHeld; OSError where the kernel does not let this process change the network. A kernel that knows no owned tables leaves
        everybody who asks in the belief that they are alone.
        """
        if self._socket is not None:
            return
        asked = _socket()
        try:
            code = _make_table(asked)
            if code == errno.EPERM:
                _refuse_held(asked)
            if code and code not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise OSError(code, os.strerror(code))
        except BaseException:
            asked.close()
            raise
        self._socket = asked

    def release(self) -> None:
        """Give it back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _socket() -> socket.socket:
    """With the first one of a process the kernel chooses the process id for its port, which is how others learn who has the network."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
    made.bind((0, 0))
    made.settimeout(_ANSWER_S)
    return made


def _refuse_held(asked: socket.socket) -> None:
    if (owner := _owner(asked)) is not None:
        raise ClaimHeld(owner if owner < _MAX_PID else 0)


def _make_table(asked: socket.socket) -> int:
    """Make the table for this socket; the kernel's errno, 0 when it is ours."""
    table = _named() + nlmsg.attribute(_TABLE_FLAGS, struct.pack("!I", _OWNED))
    resource = _FAMILY.pack(0, 0, _NFTABLES)
    asked.send(
        nlmsg.message(_BATCH_BEGIN, nlmsg.REQUEST, 0, resource)
        + nlmsg.message(_NEW_TABLE, nlmsg.REQUEST | nlmsg.ACK | _CREATE, 1, _FAMILY.pack(_INET, 0, 0) + table)
        + nlmsg.message(_BATCH_END, nlmsg.REQUEST, 2, resource)
    )
    # A refusal of the whole batch has the number of its beginning.
    codes = nlmsg.acknowledgements(asked.recv(_ANSWER_BYTES))
    return codes.get(1) or codes.get(0, 0)


def _owner(asked: socket.socket) -> int | None:
    """The port of the socket whose table it is; None where there is no such table, or none that is owned."""
    asked.send(nlmsg.message(_GET_TABLE, nlmsg.REQUEST, 3, _FAMILY.pack(_INET, 0, 0) + _named()))
    for kind, _, body in nlmsg.messages(asked.recv(_ANSWER_BYTES)):
        owner = nlmsg.attributes(body[_FAMILY.size :]).get(_TABLE_OWNER) if kind == _NEW_TABLE else None
        if owner is not None:
            return int.from_bytes(owner, "big")
    return None


def _named() -> bytes:
    return nlmsg.attribute(_TABLE_NAME, TABLE.encode() + b"\0")
