"""The guest's addresses, by ioctl: no `ip` program is needed. See netdevice(7), and <linux/route.h> for the layout of routes."""

from __future__ import annotations

import fcntl
import os
import socket
import struct

from volant.agent.config import Network

INTERFACES = "/sys/class/net"

_SIOCADDRT, _SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCSIFHWADDR, _SIOCGIFADDR, _SIOCGIFFLAGS, _SIOCGIFHWADDR = (
    0x890B,
    0x8914,
    0x8916,
    0x891C,
    0x8924,
    0x8915,
    0x8913,
    0x8927,
)
_UP, _RUNNING = 1, 0x40
_ROUTE_UP, _ROUTE_GATEWAY = 1, 2
_ETHERNET = 1

_PLAIN_ADDRESS = struct.Struct("=HH4s8x")
"""struct sockaddr_in: family, port, address."""


class NetworkError(Exception):
    """The address can't be set; the text is one sentence."""


def find_interface(mac: str) -> str:
    """The interface with this MAC, else the first one that is not loopback; empty when there is none."""
    names = [name for name in sorted(os.listdir(INTERFACES)) if name != "lo" and os.path.exists(f"{INTERFACES}/{name}/device")]
    return next((name for name in names if mac and _mac(name) == mac.lower()), names[0] if names else "")


def configure(wanted: Network, interface: str) -> None:
    """Address, mask, MAC, up, default route. NetworkError says which step the kernel refused."""
    if not interface:
        raise NetworkError(f"the address {wanted.ip} can't be set: this VM has no network interface")
    step = "MAC"
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            _set_mac(handle, interface, wanted.mac)
            step = f"address {wanted.ip}/{wanted.prefix}"
            fcntl.ioctl(handle, _SIOCSIFADDR, _request(interface, _address(wanted.ip)))
            fcntl.ioctl(handle, _SIOCSIFNETMASK, _request(interface, _address(_mask(wanted.prefix))))
            _bring_up(handle, interface)
            if wanted.gateway:
                step = f"gateway {wanted.gateway}"
                fcntl.ioctl(handle, _SIOCADDRT, _default_route(wanted.gateway))
    except (OSError, ValueError) as error:
        raise NetworkError(f"the {step} can't be set on {interface}: {error}") from error


def loopback_up() -> None:
    """Bring `lo` up; the kernel gives it 127.0.0.1 then."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        _bring_up(handle, "lo")


def addresses() -> tuple[str, ...]:
    """The IPv4 addresses of all interfaces but loopback."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(handle, _SIOCGIFADDR, _request(name, b""))
            except OSError:
                continue  # it has none
            if name != "lo":
                found.append(socket.inet_ntoa(answer[20:24]))
    return tuple(found)


def _set_mac(handle: socket.socket, interface: str, mac: str) -> None:
    """Where the interface has another: a clone still has its template's."""
    wanted = bytes.fromhex(mac.replace(":", ""))
    present = fcntl.ioctl(handle, _SIOCGIFHWADDR, _request(interface, b""))[18:24]
    if wanted and wanted != present:
        fcntl.ioctl(handle, _SIOCSIFHWADDR, _request(interface, struct.pack("=H", _ETHERNET) + wanted))


def _bring_up(handle: socket.socket, interface: str) -> None:
    answer = fcntl.ioctl(handle, _SIOCGIFFLAGS, _request(interface, b""))
    (flags,) = struct.unpack_from("=H", answer, 16)
    fcntl.ioctl(handle, _SIOCSIFFLAGS, _request(interface, struct.pack("=H", flags | _UP | _RUNNING)))


def _request(interface: str, value: bytes) -> bytes:
    """struct ifreq: name in 16 bytes, then a union of 24."""
    return interface.encode().ljust(16, b"\0") + value.ljust(24, b"\0")


def _address(ip: str) -> bytes:
    return _PLAIN_ADDRESS.pack(socket.AF_INET, 0, socket.inet_aton(ip))


def _mask(prefix: int) -> str:
    if not 0 <= prefix <= 32:
        raise ValueError(f"{prefix} is no prefix length")
    return socket.inet_ntoa(((0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF).to_bytes(4, "big"))


def _default_route(gateway: str) -> bytes:
    """struct rtentry: a pad, destination, gateway, mask, flags, and fields that stay zero."""
    zero = _address("0.0.0.0")  # noqa: S104 - the default destination, not an address to bind
    return struct.pack("@L16s16s16sH", 0, zero, _address(gateway), zero, _ROUTE_UP | _ROUTE_GATEWAY).ljust(120, b"\0")


def _mac(interface: str) -> str:
    with open(f"{INTERFACES}/{interface}/address") as file:
        return file.read().strip()
