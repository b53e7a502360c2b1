"""An attach is found in any stream, and nothing but an attach looks like one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from volant.proto.preamble import MAGIC, NONCE_SEED_BYTES, Acceptor, Attacher, preamble, without_magic

NOISE = st.lists(st.binary(max_size=20) | st.just(MAGIC[:7]) | st.just(MAGIC[:31])).map(b"".join).filter(lambda noise: MAGIC not in noise)
"""Hypothesis draws constants that it finds in the code, MAGIC among them; a sender never lets it stand in a payload."""
NONCE = st.binary(min_size=16, max_size=16)


def cut(stream: bytes, data: st.DataObject) -> list[bytes]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def test_the_magic_is_what_running_guests_look_for() -> None:
    assert bytes(byte ^ 0xA5 for byte in MAGIC) == b"volant agent channel begins here"  # as docs/protocol.md has it


@given(NOISE, NONCE, NOISE, NONCE, NOISE, st.data())
def test_the_guest_finds_each_attach_and_what_belongs_to_it(
    old: bytes, first: bytes, between: bytes, second: bytes, rest: bytes, data: st.DataObject
) -> None:
    acceptor = Acceptor()
    sessions: list[tuple[bytes, bytearray]] = [(b"", bytearray())]
    for piece in cut(old + preamble(first) + between + preamble(second) + rest, data):
        for nonce, belongs in acceptor.feed(piece):
            if nonce is not None:
                sessions.append((nonce, bytearray()))
            sessions[-1][1].extend(belongs)
    assert [nonce for nonce, _ in sessions] == [b"", first, second]
    # A preamble's beginning may reach the session that it ends.
    assert sessions[0][1].startswith(old)
    assert sessions[1][1].startswith(between)
    assert sessions[2][1] == rest


@given(NOISE, st.binary(min_size=12, max_size=12), NOISE, st.integers(1, 5), st.data())
def test_the_daemon_discards_all_before_the_answer_to_its_last_attempt(
    old: bytes, stranger: bytes, rest: bytes, attempts: int, data: st.DataObject
) -> None:
    attacher = Attacher(b"s" * NONCE_SEED_BYTES)
    answers = [attacher.attempt() for _ in range(attempts)]
    stream = old + preamble(stranger + b"\x00\x00\x00\x01") + b"old hello".join([b"", *answers]) + rest
    assert b"".join(attacher.feed(piece) for piece in cut(stream, data)) == rest
    assert attacher.answered
    assert attacher.attached


def test_an_answer_to_an_earlier_attempt_stops_the_repeating_only() -> None:
    attacher = Attacher(b"s" * NONCE_SEED_BYTES)
    first, last = attacher.attempt(), attacher.attempt()
    assert attacher.feed(first + b"hello") == b""
    assert (attacher.answered, attacher.attached) == (True, False)
    assert attacher.feed(last + b"hello") == b"hello"


@given(st.lists(st.binary(max_size=40) | st.just(MAGIC) | st.just(MAGIC[:16]) | st.just(MAGIC[16:])).map(b"".join))
def test_a_payload_is_split_so_that_no_piece_holds_the_magic(payload: bytes) -> None:
    pieces = list(without_magic(payload))
    assert b"".join(pieces) == payload
    assert not any(MAGIC in piece for piece in pieces)


def test_no_text_can_hold_the_magic() -> None:
    assert MAGIC.decode(errors="ignore").encode() != MAGIC
