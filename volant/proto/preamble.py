"""The preamble of a session on a byte pipe that outlives its users, such as a guest's virtio-serial port.

A daemon that attaches anew can't know what of the last session is still in the pipe, in either direction. So it writes MAGIC and
16 nonce bytes, then its hello. The guest looks for MAGIC anywhere in what arrives; on finding it, it drops the old session and
answers MAGIC, the same nonce and its hello. The daemon discards all up to MAGIC and its nonce. It repeats this until answered,
for the guest may not listen yet; each attempt has its own number in the nonce, and the session begins with the answer to the last.

Nothing else may put MAGIC on the pipe. It is not UTF-8, so no text holds it; byte payloads are sent in pieces that don't
(`without_magic`). Both ends import this module; it is pure.
"""

from __future__ import annotations

from collections.abc import Iterator

MAGIC = bytes(byte ^ 0xA5 for byte in b"volant agent channel begins here")
"""32 bytes, computed, so that they stand in no file that is copied through the channel, this one included."""

NONCE_SEED_BYTES = 12
NONCE_BYTES = NONCE_SEED_BYTES + 4
"""The attaching side's random seed, then the attempt's number, big-endian."""

_HEAD = len(MAGIC) + NONCE_BYTES


def preamble(nonce: bytes) -> bytes:
    """What stands before a hello: MAGIC and `nonce` (16 bytes)."""
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
    return MAGIC + nonce


def without_magic(payload: bytes) -> Iterator[bytes]:
    """`payload` in as few pieces as keep MAGIC out of each of them."""
    start = 0
    found = payload.find(MAGIC)
    while found >= 0:
        cut = found + len(MAGIC) // 2
        yield payload[start:cut]
        start = cut
        found = payload.find(MAGIC, cut)
    yield payload[start:] if start else payload


class Acceptor:
    """The guest's end: finds each attach in the stream of incoming bytes."""

    def __init__(self) -> None:
        self._tail = b""
        """Last bytes seen that may be the beginning of a preamble; they were passed on already."""

    def feed(self, data: bytes) -> list[tuple[bytes | None, bytes]]:
        """The stream in pieces `(nonce, bytes)`, in order.

        A `nonce` says that a new session begins here: forget the old one, answer `preamble(nonce)` and a hello, and give the bytes
        to the new session. None: the bytes belong to the session that is there; before the first preamble, to none.
        The beginning of a preamble may reach the old session before it is recognised, and make it fail; that session is over anyway.
        """
        held = len(self._tail)
        stream = self._tail + data
        pieces: list[tuple[bytes | None, bytes]] = []
        nonce: bytes | None = None
        start, passed = 0, held
        while (found := stream.find(MAGIC, start)) >= 0 and found + _HEAD <= len(stream):
            pieces.append((nonce, stream[max(start, passed) : max(found, passed)]))
            nonce = stream[found + len(MAGIC) : found + _HEAD]
            start = passed = found + _HEAD
        rest = max(start, passed)
        if found >= 0:
            # MAGIC is whole, its nonce is not: nothing from here on belongs to the old session.
            pieces.append((nonce, stream[rest : max(found, rest)]))
            self._tail = stream[found:]
        else:
            pieces.append((nonce, stream[rest:]))
            self._tail = _unfinished(stream[start:])
        return [(mark, piece) for mark, piece in pieces if piece or mark is not None]


def _unfinished(stream: bytes) -> bytes:
    """The longest end of `stream` that is a beginning of MAGIC."""
    for size in range(min(len(MAGIC) - 1, len(stream)), 0, -1):
        if stream.endswith(MAGIC[:size]):
            return stream[-size:]
    return b""


class Attacher:
    """The daemon's end of one attach: write what `attempt` gives and a hello, every half second until `answered`."""

    def __init__(self, seed: bytes) -> None:
        """`seed`: 12 fresh random bytes, so that no answer to an older attach is taken for one to this."""
        if len(seed) != NONCE_SEED_BYTES:
            raise ValueError(f"a seed has {NONCE_SEED_BYTES} bytes, not {len(seed)}")
        self._seed = seed
        self._attempts = 0
        self._stream = b""
        self.answered = False
        """The guest listens: send no further attempts, for the session begins with the answer to the last."""
        self.attached = False
        """The session has begun; from now on `feed` passes everything through."""

    def attempt(self) -> bytes:
        """The bytes to write before the next hello."""
        self._attempts += 1
        return preamble(self._nonce())

    def feed(self, data: bytes) -> bytes:
        """What of the incoming bytes belongs to the session; empty until it has begun."""
        if self.attached:
            return data
        stream = self._stream + data
        answer = MAGIC + self._seed
        wanted = MAGIC + self._nonce()
        self.answered = self.answered or answer in stream
        found = stream.find(wanted)
        if found < 0:
            self._stream = stream[-(_HEAD - 1) :]
            return b""
        self.attached = True
        self._stream = b""
        return stream[found + _HEAD :]

    def _nonce(self) -> bytes:
        return self._seed + self._attempts.to_bytes(4, "big")
