"""Keys from bytes: nothing that was typed is lost, wherever the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.tui.keys.decoder import MAX_PASTE_BYTES, Decoder, Key, Pasted, Raw, Report, Token


def read(data: bytes, *, raw: bool = False) -> list[Token]:
    decoder = Decoder()
    decoder.raw = raw
    return decoder.feed(data) + decoder.flush()


def keys(data: bytes) -> list[str]:
    return [token.name if isinstance(token, Key) else repr(token) for token in read(data)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"jG/ ~", ["j", "G", "/", "space", "~"]),
        ("é漢".encode(), ["é", "漢"]),
        (b"\r\t\x7f\x04\x1d\x00", ["enter", "tab", "backspace", "ctrl+d", "ctrl+]", "ctrl+@"]),
        (b"\x1b[A\x1bOB\x1b[5~\x1b[3~\x1b[Z\x1b[1;5C\x1b[15~", ["up", "down", "pageup", "delete", "shift+tab", "ctrl+right", "f5"]),
        (b"\x1b", ["escape"]),
        (b"\x1b\x1b", ["escape", "escape"]),
        (b"\x1b:wq\r", ["escape", ":", "w", "q", "enter"]),
        (b"\x1bjj", ["escape", "j", "j"]),
        (b"\x1b[j", ["escape", "[", "j"]),
        (b"\x1b\x1b[A", ["escape", "up"]),
        (b"\x1bO", ["escape", "O"]),
        (b"\x1b[", ["escape", "["]),
    ],
)
def test_keys(data: bytes, expected: list[str]) -> None:
    assert keys(data) == expected


@pytest.mark.parametrize(
    "report",
    [
        "\x1b[I",
        "\x1b[<0;3;4M",
        "\x1b[<35;300;4m",
        "\x1b[?2026;2$y",
        "\x1b[?62;22c",
        "\x1b[12;40R",
        "\x1b[48;24;80;0;0t",
        "\x1b]11;rgb:0/0/0\x07",
    ],
)
def test_what_the_terminal_says_itself_is_no_key(report: str) -> None:
    assert read(f"a{report}b".encode()) == [Key("a"), Report(report), Key("b")]


def test_a_paste_is_text_whatever_is_in_it() -> None:
    assert read(b"x\x1b[200~rm -rf /\r\nq\x1b[A\x1b[201~y") == [Key("x"), Pasted("rm -rf /\nq\x1b[A"), Key("y")]


def test_an_endless_paste_comes_in_pieces() -> None:
    decoder = Decoder()
    tokens = decoder.feed(b"\x1b[200~" + b"a" * (2 * MAX_PASTE_BYTES + 5))
    assert [type(token) for token in tokens] == [Pasted, Pasted]
    assert decoder.feed(b"\x1b[201~") == [Pasted("aaaaa")]


def test_a_lone_escape_waits_for_what_may_follow() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\x1b") == []
    assert decoder.waiting
    assert decoder.feed(b"[B") == [Key("down")]
    assert not decoder.waiting


def test_raw_bytes_pass_untouched_and_reports_and_pastes_do_not() -> None:
    tokens = read(b"\x1b:wq\r\x01\x1b[A\xff\x1b[<0;1;1M\x1b[Iz\x1b[200~a\r\nb\x1b[201~\x1b", raw=True)
    assert b"".join(token.data for token in tokens if isinstance(token, Raw)) == b"\x1b:wq\r\x01\x1b[A\xffz\x1b"
    assert [token.text for token in tokens if isinstance(token, Pasted)] == ["a\nb"]
    assert [token.text for token in tokens if isinstance(token, Report)] == ["\x1b[<0;1;1M", "\x1b[I"]


PIECES = st.lists(
    st.sampled_from(
        [
            b"a",
            b"/",
            b" ",
            b"\x1b[A",
            b"\x1b[1;5C",
            b"\x1b[5~",
            b"\x1bOP",
            b"\r",
            "漢".encode(),
            b"\x1b[<0;10;20M",
            b"\x1b[200~p\rq\x1b[201~",
        ]
    ),
    max_size=20,
)


def merged(tokens: list[Token]) -> list[Token]:
    """Raw bytes may be handed out in any pieces."""
    found: list[Token] = []
    for token in tokens:
        if isinstance(token, Raw) and found and isinstance(found[-1], Raw):
            found[-1] = Raw(found[-1].data + token.data)
        else:
            found.append(token)
    return found


@given(PIECES, st.lists(st.integers(1, 5), min_size=1, max_size=30), st.booleans())
def test_it_does_not_matter_where_the_bytes_are_cut(pieces: list[bytes], cuts: list[int], raw: bool) -> None:
    data = b"".join(pieces)
    decoder = Decoder()
    decoder.raw = raw
    tokens: list[Token] = []
    at = step = 0
    while at < len(data):
        size = cuts[step % len(cuts)]
        tokens += decoder.feed(data[at : at + size])
        at, step = at + size, step + 1
    tokens += decoder.flush()
    assert merged(tokens) == merged(read(data, raw=raw))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_to_their_end(data: bytes) -> None:
    decoder = Decoder()
    decoder.feed(data)
    decoder.flush()
    assert not decoder.waiting
