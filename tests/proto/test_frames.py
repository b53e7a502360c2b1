"""Frames survive any cut of the stream, and an oversized one is refused by its header alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.proto.errors import FrameTooLarge
from volant.proto.frames import FrameDecoder, encode_frame


@given(st.lists(st.binary(max_size=60)), st.data())
def test_frames_come_out_however_the_stream_is_cut(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(encode_frame, payloads))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    decoder = FrameDecoder(60)
    found = [frame for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True) for frame in decoder.feed(stream[start:end])]
    assert found == payloads
    assert decoder.pending == 0


@pytest.mark.parametrize("length", [101, 2**31, 2**32 - 1])
def test_a_frame_that_is_too_large_is_refused_before_its_body_comes(length: int) -> None:
    with pytest.raises(FrameTooLarge) as caught:
        FrameDecoder(100).feed(length.to_bytes(4, "big"))
    assert str(length) in caught.value.message


def test_the_largest_frame_is_taken() -> None:
    assert FrameDecoder(100).feed(encode_frame(b"x" * 100)) == [b"x" * 100]
