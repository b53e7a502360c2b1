"""What rides on the kernel command line, and what never does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.daemon.ports import Address
from volant.daemon.vms.cmdline import MAX_CMDLINE, GuestConfig, guest_words
from volant.proto.errors import InvalidParams
from volant.proto.specs.states import BootMode


def config(*, encoded: str = "H4sI", private: bool = False, extra: str = "", address: Address | None = None) -> GuestConfig:
    return GuestConfig(
        vm_id="0123456789ab",
        hostname="web",
        boot=BootMode.AUTO,
        kernel_words="console=ttyS0 quiet",
        manifest={"name": "hello", "workload": {"env": {"TOKEN": "s3cret"}}},
        encoded_manifest=encoded,
        private=private,
        address=address,
        extra=extra,
    )


def test_a_small_manifest_rides_on_the_command_line() -> None:
    words = guest_words(config())
    expected = "console=ttyS0 quiet volant.id=0123456789ab volant.boot=auto volant.name=web volant.manifest=H4sI"
    assert words.cmdline == expected
    assert words.blob == b""


@given(st.integers(0, 4_000))
def test_nothing_is_ever_cut(size: int) -> None:
    words = guest_words(config(encoded="x" * size))
    assert len(words.cmdline.encode()) <= MAX_CMDLINE
    if words.blob:
        assert words.cmdline.endswith("volant.config=fw_cfg")
        assert json.loads(words.blob)["manifest"]["name"] == "hello"
    else:
        assert words.cmdline.endswith("volant.manifest=" + "x" * size)


def test_the_last_byte_that_fits_is_used() -> None:
    room = MAX_CMDLINE - len(guest_words(config(encoded="")).cmdline)
    full = guest_words(config(encoded="x" * room))
    assert (len(full.cmdline), full.blob) == (MAX_CMDLINE, b"")
    assert guest_words(config(encoded="x" * (room + 1))).blob
    room = MAX_CMDLINE - len(guest_words(config(encoded="x" * 4_000, extra="a")).cmdline)
    assert len(guest_words(config(encoded="x" * 4_000, extra="a" * (room + 1))).cmdline) == MAX_CMDLINE
    with pytest.raises(InvalidParams, match="1 bytes too long"):
        guest_words(config(encoded="x" * 4_000, extra="a" * (room + 2)))


def test_an_environment_of_ones_own_stays_off_the_command_line() -> None:
    words = guest_words(config(private=True))
    assert words.cmdline.endswith("volant.config=fw_cfg volant.manifest=H4sI")
    assert json.loads(words.blob)["manifest"]["workload"]["env"] == {"TOKEN": "s3cret"}


def test_words_that_leave_no_room_are_refused_with_the_number_of_bytes() -> None:
    with pytest.raises(InvalidParams, match=r"\d+ bytes too long") as refused:
        guest_words(config(extra="a" * 2_100))
    assert "2100 bytes" in refused.value.hint


def test_the_address_is_spelt_for_the_agent() -> None:
    address = Address(ip="192.168.127.5", prefix=24, gateway="192.168.127.1", mac="02:00:00:00:00:01", dns=("1.1.1.1", "9.9.9.9"))
    line = guest_words(config(address=address)).cmdline
    assert "volant.ip=192.168.127.5/24 volant.mac=02:00:00:00:00:01 volant.gw=192.168.127.1 volant.dns=1.1.1.1,9.9.9.9" in line
