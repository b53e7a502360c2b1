"""Bridges, addresses and routes over rtnetlink: the one module that imports pyroute2. Blocking, for one thread only.

Reads are dumps: every single-object GET of pyroute2 0.9.7 leaves its closing ACK in a queue for ever (1.7 kB each), and an `IPRoute`
used from several threads leaks a descriptor for each. pyroute2 is imported when the object is made (0.3 s, 27 MB), not before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface, IPv4Network
from typing import Any

from volant.daemon.net.plan import HostAddress, HostView, Link, Route

_AF_INET = 2
_IFF_UP = 1
# <linux/rtnetlink.h>
_RTN_UNICAST = 1
_RT_TABLE_LOCAL = 255


class Netlink:
    """One rtnetlink socket. All methods raise OSError with the kernel's errno."""

    def __init__(self) -> None:
        from pyroute2 import IPRoute, NetlinkError

        self._refusal: type[Exception] = NetlinkError
        with self._as_os_error():
            self._route: Any = IPRoute()

    def close(self) -> None:
        self._route.close()

    def view(self) -> HostView:
        """What the plan needs to know of the host."""
        return HostView(links=self.links(), addresses=self.addresses(), routes=self._routes())

    def links(self) -> tuple[Link, ...]:
        with self._as_os_error():
            return tuple(_link(message) for message in self._route.get_links())

    def addresses(self) -> tuple[HostAddress, ...]:
        with self._as_os_error():
            return tuple(
                HostAddress(message["index"], IPv4Interface((message.get_attr("IFA_LOCAL"), message["prefixlen"])))
                for message in self._route.get_addr(family=_AF_INET)
            )

    def _routes(self) -> tuple[Route, ...]:
        with self._as_os_error():
            return tuple(
                Route(message.get_attr("RTA_OIF") or 0, IPv4Network((message.get_attr("RTA_DST") or 0, message["dst_len"])))
                for message in self._route.get_routes(family=_AF_INET)
                if message["type"] == _RTN_UNICAST and message["table"] != _RT_TABLE_LOCAL
            )

    def make_bridge(self, name: str, mac: str) -> None:
        """Without spanning tree and its delay: a port forwards at once."""
        with self._as_os_error():
            self._route.link("add", ifname=name, kind="bridge", address=mac, br_stp_state=0, br_forward_delay=0, br_mcast_snooping=0)

    def set_alias(self, index: int, alias: str) -> None:
        with self._as_os_error():
            self._route.link("set", index=index, ifalias=alias)

    def bring_up(self, index: int, mtu: int) -> None:
        with self._as_os_error():
            self._route.link("set", index=index, mtu=mtu, state="up")

    def add_address(self, index: int, address: IPv4Interface) -> None:
        with self._as_os_error():
            self._route.addr(
                "add",
                index=index,
                address=str(address.ip),
                prefixlen=address.network.prefixlen,
                broadcast=str(address.network.broadcast_address),
            )

    def drop_address(self, index: int, address: IPv4Interface) -> None:
        with self._as_os_error():
            self._route.addr("del", index=index, address=str(address.ip), prefixlen=address.network.prefixlen)

    @contextmanager
    def _as_os_error(self) -> Iterator[None]:
        try:
            yield
        except self._refusal as error:
            code = int(getattr(error, "code", 0))
            raise OSError(code, os.strerror(code)) from error


def _link(message: Any) -> Link:
    info = message.get_attr("IFLA_LINKINFO")
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME"),
        kind=(info.get_attr("IFLA_INFO_KIND") or "") if info else "",
        alias=message.get_attr("IFLA_IFALIAS") or "",
        master=message.get_attr("IFLA_MASTER") or 0,
        is_up=bool(message["flags"] & _IFF_UP),
        mtu=message.get_attr("IFLA_MTU") or 0,
    )
