"""Text for terminals, from whatever a guest printed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.daemon.consoles.text import harmless_lines


@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        (b"", []),
        (b"\r\n\r\n", []),
        (b"plain\n", ["plain"]),
        (b"\x1b[1;31mred\x1b[0m\n", ["red"]),
        (b"\x1b]52;c;aGFjaw==\x07clip\n", ["clip"]),
        (b"\x1bPq#0\x1b\\sixel\n", ["sixel"]),
        (b"kestrel: booting\r\r\nkestrel: ready\r\r\n\r\nlogin:", ["kestrel: booting", "kestrel: ready", "", "login:"]),
        (b"10%\r50%\r100%\n", ["10%", "50%", "100%"]),
        (b"tab\tkept\n\nempty kept above", ["tab\tkept", "", "empty kept above"]),
        (b"\xc2\x9b31mC1\n", ["31mC1"]),
        (b"noise\x1b]8;\x01\nKernel panic\nCall Trace:\n", ["noise", "Kernel panic", "Call Trace:"]),
    ],
)
def test_escape_sequences_go_and_text_stays(printed: bytes, lines: list[str]) -> None:
    assert harmless_lines(printed) == lines


@given(st.binary(max_size=400))
def test_no_control_character_survives(printed: bytes) -> None:
    for line in harmless_lines(printed):
        assert all(char == "\t" or unicodedata.category(char) != "Cc" for char in line)
