"""The hand-packed part of rtnetlink: its bytes, and the kernel's answers."""

from __future__ import annotations

import errno
import json
import os
import struct

import pytest

from tests.netns import NetNs
from volant.daemon.net.nlmsg import acknowledgements
from volant.daemon.net.rtnetlink import LinkSocket, join_messages
from volant.daemon.net.taps import interface_index, open_tap


def test_acknowledgements_are_told_apart_by_sequence() -> None:
    def answer(sequence: int, code: int, kind: int = 2) -> bytes:
        return struct.pack("=IHHII", 20, kind, 0, sequence, 0) + struct.pack("=i", code)

    assert acknowledgements(answer(7, 0) + answer(8, -errno.ENODEV) + answer(9, 0, kind=3)) == {7: 0, 8: errno.ENODEV}
    assert acknowledgements(b"") == acknowledgements(bytes(15)) == acknowledgements(bytes(64)) == {}


def test_what_is_sent_for_a_port() -> None:
    membership, entry, port = join_messages(5, bridge=3, alias="volant:abc", mac="02:00:00:00:00:01", mtu=1_500)
    assert membership == (
        16,
        0,
        struct.pack("=BxHiII", 0, 0, 5, 0, 0)
        + struct.pack("=HHI", 8, 4, 1_500)
        + struct.pack("=HH10sxx", 14, 20, b"volant:abc")
        + struct.pack("=HHI", 8, 10, 3),
    )
    assert entry == (28, 0x500, struct.pack("=B3xiHBB", 7, 5, 0x40, 4, 0) + struct.pack("=HH6sxx", 10, 2, bytes.fromhex("020000000001")))
    assert port[2].startswith(struct.pack("=BxHiII", 0, 0, 5, 1, 1))


@pytest.mark.root
def test_a_port_knows_its_guest_and_learns_nothing(netns: NetNs) -> None:
    netns.run("ip", "link", "add", "vbr0", "type", "bridge")
    links, tap = LinkSocket(), open_tap("vol000000000001")
    index, bridge = interface_index("vol000000000001"), interface_index("vbr0")
    for _ in range(2):
        links.join_bridge(index, bridge=bridge, alias="volant:abc", mac="02:00:00:00:00:01", mtu=1_400)
    (port,) = json.loads(netns.run("ip", "-j", "-d", "link", "show", "dev", "vol000000000001"))
    assert (port["master"], port["mtu"], port["ifalias"]) == ("vbr0", 1_400, "volant:abc")
    assert "UP" in port["flags"]
    manners = port["linkinfo"]["info_slave_data"]
    assert (manners["learning"], manners["flood"]) == (False, False)
    entries = json.loads(netns.run("bridge", "-j", "fdb", "show", "dev", "vol000000000001"))
    assert next(entry for entry in entries if entry["mac"] == "02:00:00:00:00:01")["state"] == "static"
    links.close()
    os.close(tap)


@pytest.mark.root
def test_what_is_gone_already_is_no_error_and_what_fails_is(netns: NetNs) -> None:
    links = LinkSocket()
    links.remove([])
    links.remove(list(range(1_000, 1_250)))
    with pytest.raises(OSError, match="No such device") as refused:
        links.join_bridge(1_000, bridge=1, alias="", mac="02:00:00:00:00:01", mtu=1_500)
    assert refused.value.errno == errno.ENODEV
    links.close()


@pytest.mark.root
def test_more_taps_than_fit_one_send_go_together(netns: NetNs) -> None:
    names = [f"vol{number:012x}" for number in range(130)]
    taps = [open_tap(name) for name in names]
    links = LinkSocket()
    links.remove([interface_index(name) for name in names])
    assert [link["ifname"] for link in json.loads(netns.run("ip", "-j", "link", "show"))] == ["lo"]
    links.close()
    for tap in taps:
        os.close(tap)
