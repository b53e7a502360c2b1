"""The bytes that keys, pastes and the mouse send to the guest, as xterm sends them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.tui.keys.decoder import Decoder, Key
from volant.tui.vt.keys import Mouse, MouseAction, adapt_typed, encode_focus, encode_key, encode_mouse, encode_paste
from volant.tui.vt.modes import Modes, MouseEncoding, MouseTracking

NORMAL, APPLICATION = Modes(), Modes(application_cursor=True)


@pytest.mark.parametrize(
    ("name", "normal", "application"),
    [
        ("a", b"a", None),
        ("é", "é".encode(), None),
        ("+", b"+", None),
        ("space", b" ", None),
        ("enter", b"\r", None),
        ("tab", b"\t", None),
        ("shift+tab", b"\x1b[Z", None),
        ("backspace", b"\x7f", None),
        ("escape", b"\x1b", None),
        ("ctrl+c", b"\x03", None),
        ("ctrl+@", b"\0", None),
        ("ctrl+]", b"\x1d", None),
        ("ctrl+^", b"\x1e", None),
        ("ctrl++", b"", None),
        ("up", b"\x1b[A", b"\x1bOA"),
        ("home", b"\x1b[H", b"\x1bOH"),
        ("ctrl+right", b"\x1b[1;5C", None),
        ("ctrl+alt+shift+left", b"\x1b[1;8D", None),
        ("f1", b"\x1bOP", None),
        ("shift+f1", b"\x1b[1;2P", None),
        ("f5", b"\x1b[15~", None),
        ("ctrl+f12", b"\x1b[24;5~", None),
        ("delete", b"\x1b[3~", None),
        ("shift+pageup", b"\x1b[5;2~", None),
        ("alt+x", b"\x1bx", None),
        ("no-such-key", b"", None),
    ],
)
def test_a_key_sends_its_bytes(name: str, normal: bytes, application: bytes | None) -> None:
    assert encode_key(name, NORMAL) == normal
    assert encode_key(name, APPLICATION) == (normal if application is None else application)


SEQUENCES = [
    b"a",
    b" ",
    b"\x1b[A",
    b"\x1b[1;5C",
    b"\x1b[5~",
    b"\x1bOP",
    b"\x1b[Z",
    b"\x1b",
    b"\r",
    b"\x03",
    b"\x7f",
    "漢".encode(),
    b"\x1b[3;2~",
]


@given(st.lists(st.sampled_from(SEQUENCES)))
def test_what_the_decoder_read_as_keys_is_sent_as_it_was_typed(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    decoder = Decoder()
    tokens = decoder.feed(data) + decoder.flush()
    assert b"".join(encode_key(token.name, NORMAL) for token in tokens if isinstance(token, Key)) == data


def test_typed_cursor_keys_follow_the_guests_mode() -> None:
    typed = b"x\x1b[A\x1b[H\x1b[1;5C\x1b[5~\x1b[G"
    assert adapt_typed(typed, NORMAL) == typed
    assert adapt_typed(typed, APPLICATION) == b"x\x1bOA\x1bOH\x1b[1;5C\x1b[5~\x1b[G"


def test_a_paste_comes_in_brackets_where_the_program_wants_them_and_cannot_leave_them() -> None:
    assert encode_paste("a\r\nb\nc\td", NORMAL) == b"a\rb\rc\td"
    hostile = "rm\x1b[201~\n-rf\x03"
    assert encode_paste(hostile, Modes(bracketed_paste=True)) == b"\x1b[200~rm[201~\r-rf\x1b[201~"


def test_focus_is_told_to_who_asked() -> None:
    assert encode_focus(True, NORMAL) == b""
    asked = Modes(focus_events=True)
    assert (encode_focus(True, asked), encode_focus(False, asked)) == (b"\x1b[I", b"\x1b[O")


PRESS = Mouse(MouseAction.PRESS, 4, 2, button=1)
RELEASE = Mouse(MouseAction.RELEASE, 4, 2, button=1)
DRAG = Mouse(MouseAction.MOVE, 5, 2, button=1)
MOTION = Mouse(MouseAction.MOVE, 5, 2)
WHEEL = Mouse(MouseAction.PRESS, 0, 0, button=5, modifiers=16)


@pytest.mark.parametrize(
    ("tracking", "encoding", "sent"),
    [
        (MouseTracking.OFF, MouseEncoding.SGR, [b"", b"", b"", b"", b""]),
        (MouseTracking.CLICKS, MouseEncoding.SGR, [b"\x1b[<0;5;3M", b"\x1b[<0;5;3m", b"", b"", b"\x1b[<81;1;1M"]),
        (MouseTracking.DRAG, MouseEncoding.SGR, [b"\x1b[<0;5;3M", b"\x1b[<0;5;3m", b"\x1b[<32;6;3M", b"", b"\x1b[<81;1;1M"]),
        (MouseTracking.MOTION, MouseEncoding.SGR, [b"\x1b[<0;5;3M", b"\x1b[<0;5;3m", b"\x1b[<32;6;3M", b"\x1b[<35;6;3M", b"\x1b[<81;1;1M"]),
        (MouseTracking.CLICKS, MouseEncoding.BYTES, [b"\x1b[M %#", b"\x1b[M#%#", b"", b"", b"\x1b[Mq!!"]),
    ],
)
def test_the_mouse_tells_what_was_asked_for(tracking: MouseTracking, encoding: MouseEncoding, sent: list[bytes]) -> None:
    modes = Modes(mouse=tracking, mouse_encoding=encoding)
    assert [encode_mouse(event, modes) for event in (PRESS, RELEASE, DRAG, MOTION, WHEEL)] == sent


def test_a_place_that_an_old_encoding_cannot_say_is_not_told() -> None:
    far = Mouse(MouseAction.PRESS, 300, 2, button=3)
    old = Modes(mouse=MouseTracking.CLICKS)
    assert encode_mouse(far, old) == b""
    old.mouse_encoding = MouseEncoding.UTF8
    assert encode_mouse(far, old) == '\x1b[M"\u014d#'.encode()
