"""Frames: a 4-byte big-endian length, then that many bytes. Nothing here knows what the bytes mean."""

from __future__ import annotations

from struct import Struct

from volant.proto.errors import FrameTooLarge

MAX_FRAME_TO_DAEMON = 256 * 1024
"""Largest frame that the daemon takes from a client or a guest. Decoding amplifies memory up to a hundredfold, so this allows
a hostile peer about 25 MiB for a tenth of a second; a full data message (64 KiB) fits four times."""

MAX_FRAME_TO_CLIENT = 4 * 1024 * 1024
"""Largest frame that a client takes from the daemon, which it trusts: a page of 1,000 VMs is about 700 KiB."""

MAX_FRAME_TO_AGENT = MAX_FRAME_TO_DAEMON
"""Largest frame that an agent takes from the daemon: a guest is small, and nothing larger is ever said to it."""

LENGTH = Struct(">I")


def encode_frame(payload: bytes) -> bytes:
    """`payload` with its length in front. Whether the receiver takes so much is the caller's business."""
    return LENGTH.pack(len(payload)) + payload


def limited_frame(payload: bytes, limit: int) -> bytes:
    """`encode_frame`, but FrameTooLarge for more than `limit` bytes."""
    if len(payload) > limit:
        raise FrameTooLarge(len(payload), limit)
    return LENGTH.pack(len(payload)) + payload


class FrameDecoder:
    """Turns a byte stream into frames, however the stream is cut. Holds at most one unfinished frame."""

    def __init__(self, max_frame: int) -> None:
        self._max_frame = max_frame
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame are held."""
        return len(self._buffer)

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """The frames that are complete now, oldest first.

        FrameTooLarge as soon as a length beyond the limit is announced, so that a peer can't make us hold what we will refuse.
        """
        buffer = self._buffer
        buffer += data
        frames: list[bytes] = []
        start, have, limit = 0, len(buffer), self._max_frame
        with memoryview(buffer) as view:
            while have - start >= 4:
                (length,) = LENGTH.unpack_from(buffer, start)
                if length > limit:
                    raise FrameTooLarge(length, limit)
                end = start + 4 + length
                if end > have:
                    break
                frames.append(bytes(view[start + 4 : end]))
                start = end
        if start:
            del buffer[:start]
        return frames
