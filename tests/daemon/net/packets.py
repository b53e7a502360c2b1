"""A guest made of raw frames: what a kernel behind a tap would send, and what it must not."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address

BROADCAST = "ff:ff:ff:ff:ff:ff"
ARP, IPV4, IPV6, VLAN = 0x0806, 0x0800, 0x86DD, 0x8100
REQUEST, REPLY = 1, 2
_VNET_HEADER = bytes(10)
"""struct virtio_net_hdr: no offload."""
PATIENCE_SECONDS = 5.0
ARP_RETRY_SECONDS = 0.5


def raw_mac(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def raw_ip(ip: str) -> bytes:
    return IPv4Address(ip).packed


def ethernet(source: str, destination: str, kind: int, payload: bytes) -> bytes:
    return raw_mac(destination) + raw_mac(source) + struct.pack("!H", kind) + payload


def arp(operation: int, sender_mac: str, sender_ip: str, target_mac: str, target_ip: str) -> bytes:
    return (
        struct.pack("!HHBBH", 1, IPV4, 6, 4, operation) + raw_mac(sender_mac) + raw_ip(sender_ip) + raw_mac(target_mac) + raw_ip(target_ip)
    )


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0) + raw_ip(source) + raw_ip(destination)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp(source: str, source_port: int, destination: str, port: int, data: bytes) -> bytes:
    """An IPv4 packet; UDP's checksum is optional there, and 0 leaves it out."""
    return ipv4(source, destination, socket.IPPROTO_UDP, struct.pack("!HHHH", source_port, port, 8 + len(data), 0) + data)


def tcp_syn(source: str, source_port: int, destination: str, port: int) -> bytes:
    head = struct.pack("!HHIIBBHHH", source_port, port, 1, 0, 5 << 4, 2, 1024, 0, 0)
    pseudo = raw_ip(source) + raw_ip(destination) + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(head))
    return ipv4(source, destination, socket.IPPROTO_TCP, head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:])


def echo(kind: int, data: bytes) -> bytes:
    """ICMP echo request (8) or reply (0)."""
    body = struct.pack("!BBHHH", kind, 0, 0, 7, 1) + data
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]


@dataclass(frozen=True)
class Received:
    """A frame taken apart as far as tests look."""

    source: str
    kind: int
    payload: bytes

    @property
    def protocol(self) -> int:
        return self.payload[9] if self.kind == IPV4 else -1

    @property
    def source_ip(self) -> str:
        return str(IPv4Address(self.payload[12:16]))

    @property
    def body(self) -> bytes:
        """Behind an IPv4 header without options."""
        return self.payload[20:]

    @property
    def data(self) -> bytes:
        """UDP's payload; the length is UDP's own, since short frames are padded."""
        return self.body[8 : struct.unpack("!H", self.body[4:6])[0]] if self.protocol == socket.IPPROTO_UDP else b""


@dataclass
class RawGuest:
    """Speaks through a tap's descriptor; answers ARP for its own address while it waits for something."""

    descriptor: int
    mac: str
    ip: str

    def send(self, frame: bytes) -> None:
        os.write(self.descriptor, _VNET_HEADER + frame)

    def send_ip(self, destination_mac: str, packet: bytes) -> None:
        self.send(ethernet(self.mac, destination_mac, IPV4, packet))

    def resolve(self, ip: str) -> str:
        """Ask by ARP who has `ip`; its MAC.

        Asks again, as a kernel does: a bridge that just got its first port drops what the host sends until the kernel's link watcher has
        given it a queue, and on a busy machine that takes a while.
        """
        for _ in range(int(PATIENCE_SECONDS / ARP_RETRY_SECONDS)):
            self.send(ethernet(self.mac, BROADCAST, ARP, arp(REQUEST, self.mac, self.ip, "00:00:00:00:00:00", ip)))
            with suppress(AssertionError):
                answer = self.receive(
                    lambda got: got.kind == ARP and got.payload[6:8] == b"\0\2" and got.payload[14:18] == raw_ip(ip), ARP_RETRY_SECONDS
                )
                return answer.payload[8:14].hex(":")
        raise AssertionError(f"nobody told {self.ip} who has {ip}")

    def receive(self, wanted: Callable[[Received], bool], patience: float = PATIENCE_SECONDS) -> Received:
        """The next frame that is wanted; fails the test when none comes."""
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self.descriptor], [], [], left)[0]:
                break
            frame = os.read(self.descriptor, 65_536)[len(_VNET_HEADER) :]
            got = Received(frame[6:12].hex(":"), struct.unpack("!H", frame[12:14])[0], frame[14:])
            self._answer(got)
            if wanted(got):
                return got
        raise AssertionError(f"{self.ip} did not receive what it waited for")

    def receive_udp(self) -> Received:
        """The next datagram."""
        return self.receive(lambda got: got.protocol == socket.IPPROTO_UDP)

    def ping(self, ip: str, mac: str, data: bytes = b"ping") -> None:
        """Send an echo request."""
        self.send_ip(mac, ipv4(self.ip, ip, socket.IPPROTO_ICMP, echo(8, data)))

    def receive_echo(self, kind: int) -> Received:
        return self.receive(lambda got: got.protocol == socket.IPPROTO_ICMP and got.body[0] == kind)

    def _answer(self, got: Received) -> None:
        if got.kind == ARP and got.payload[6:8] == b"\0\1" and got.payload[24:28] == raw_ip(self.ip):
            asker_mac, asker_ip = got.payload[8:14].hex(":"), str(IPv4Address(got.payload[14:18]))
            self.send(ethernet(self.mac, asker_mac, ARP, arp(REPLY, self.mac, self.ip, asker_mac, asker_ip)))
