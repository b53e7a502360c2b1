"""Taps: made by ioctl and not persistent, so each lives exactly as long as somebody holds its descriptor. Blocking.

A crash of the VMM and the daemon therefore leaves no tap behind, and a crash of the daemon alone leaves it to the VMM.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct

from volant.proto.errors import NetworkFailed

DEVICE = "/dev/net/tun"
# <linux/if_tun.h>. VNET_HDR passes checksum and segmentation offloads on; EXCL refuses to take over an existing interface.
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR, _IFF_TUN_EXCL = 0x0002, 0x1000, 0x4000, 0x8000
_IFREQ = struct.Struct("16sH22x")


def open_tap(name: str) -> int:
    """Make a guest's tap; the descriptor that keeps it alive. NetworkFailed when the name is taken, else OSError."""
    try:
        return make_tap(name)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        raise NetworkFailed(
            f"an interface named {name} exists already", hint=f"`ip -d link show {name}` tells what it is; remove it when nobody needs it"
        ) from None


def make_tap(name: str) -> int:
    """The same with OSError for everything, EBUSY when the name is taken."""
    descriptor = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, _IFREQ.pack(name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR | _IFF_TUN_EXCL))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def interface_index(name: str) -> int:
    """The interface's index; 0 when there is none of that name."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def interface_exists(index: int) -> bool:
    """Whether the interface with this index, which is never given twice, is still there."""
    try:
        socket.if_indextoname(index)
    except OSError:
        return False
    return True
