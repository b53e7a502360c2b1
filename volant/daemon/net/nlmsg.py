"""Netlink messages as bytes: headers, attributes and acknowledgements, in the byte order of this machine (<linux/netlink.h>). Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")
_NLMSG_ERROR = 2

REQUEST, ACK = 0x1, 0x4
"""NLM_F_REQUEST and NLM_F_ACK."""


def message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """One message, from whichever port its socket has."""
    return _padded(_HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body)


def attribute(kind: int, data: bytes) -> bytes:
    return _padded(_ATTRIBUTE.pack(_ATTRIBUTE.size + len(data), kind) + data)


def u32(kind: int, value: int) -> bytes:
    """An attribute with a number in this machine's byte order."""
    return attribute(kind, struct.pack("=I", value))


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Kind, sequence number and body of each message in a buffer."""
    while len(data) >= _HEADER.size:
        length, kind, _, sequence, _ = _HEADER.unpack_from(data)
        yield kind, sequence, data[_HEADER.size : length]
        data = data[max(_aligned(length), _HEADER.size) :]


def acknowledgements(data: bytes) -> dict[int, int]:
    """Errno (0 for done) by sequence number, of a buffer in which there are NLMSG_ERROR messages."""
    return {
        sequence: -_ERROR.unpack_from(body)[0]
        for kind, sequence, body in _messages(data)
        if kind == _NLMSG_ERROR and len(body) >= _ERROR.size
    }


def _padded(data: bytes) -> bytes:
    return data + bytes(_aligned(len(data)) - len(data))


def _aligned(length: int) -> int:
    """Messages and attributes begin at multiples of 4."""
    return (length + 3) & ~3
