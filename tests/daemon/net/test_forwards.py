"""Host ports of user mode."""

from __future__ import annotations

import socket

import pytest

from volant.daemon.net.forwards import MAX_FORWARDS, check_forwards, choose_forwards, holder_of
from volant.proto.api.vm import Forward
from volant.proto.errors import AddressTaken, InvalidParams


def test_zero_is_replaced_by_different_free_ports() -> None:
    chosen = choose_forwards((Forward(80), Forward(443), Forward(53, protocol="udp")), {})
    assert [forward.guest_port for forward in chosen] == [80, 443, 53]
    assert chosen[0].host_port != chosen[1].host_port
    for forward in chosen:
        kind = socket.SOCK_STREAM if forward.protocol == "tcp" else socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.bind((forward.host_ip, forward.host_port))


def test_a_named_port_is_kept_when_free_and_refused_when_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        with pytest.raises(AddressTaken, match=f"tcp port {port} on 127.0.0.1 is in use by another program"):
            choose_forwards((Forward(80, host_port=port),), {})
        assert choose_forwards((Forward(53, host_port=port, protocol="udp"),), {})[0].host_port == port
    assert choose_forwards((Forward(80, host_port=port),), {})[0].host_port == port


def test_a_vm_that_holds_the_port_is_named() -> None:
    held = {"web-1": (Forward(80, host_port=18_080),), "dns-1": (Forward(53, host_port=18_080, protocol="udp", host_ip="0.0.0.0"),)}
    with pytest.raises(AddressTaken, match="belongs to the VM 'web-1'") as refused:
        choose_forwards((Forward(8_000, host_port=18_080),), held)
    assert refused.value.data["vm"] == "web-1"
    assert holder_of(Forward(1, host_port=18_080, protocol="udp"), held) == "dns-1"
    assert holder_of(Forward(1, host_port=18_081), held) == ""
    assert holder_of(Forward(1), held) == ""


@pytest.mark.parametrize(
    "wanted",
    [
        (Forward(0),),
        (Forward(65_536),),
        (Forward(80, host_port=-1),),
        (Forward(80, host_port=70_000),),
        (Forward(80, protocol="sctp"),),
        (Forward(80, host_ip="localhost"),),
        (Forward(80, host_ip="127.0.0.1,hostfwd=tcp::22-:22"),),
        (Forward(80, host_port=8_080), Forward(81, host_port=8_080)),
        (Forward(80, host_port=8_080), Forward(81, host_port=8_080, host_ip="0.0.0.0")),
        (Forward(80),) * (MAX_FORWARDS + 1),
    ],
)
def test_what_makes_no_sense_is_refused(wanted: tuple[Forward, ...]) -> None:
    with pytest.raises(InvalidParams):
        check_forwards(wanted)


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(InvalidParams, match=r"192\.0\.2\.1 is no address of this host"):
        choose_forwards((Forward(80, host_ip="192.0.2.1"),), {})
