"""The test vectors are fresh, and both codecs and the connection take them as they say."""

from __future__ import annotations

import base64
import json
from types import ModuleType
from typing import Any

import pytest

from tests.proto.test_connection import HELLO, said
from tests.vectors.make import COMMAND, FOLDER, MESSAGES, REFUSED, Refused, Said, render
from volant.proto import cbor, purecbor
from volant.proto.connection import Connection, Side
from volant.proto.errors import ProtocolFault
from volant.proto.frames import MAX_FRAME_TO_DAEMON, FrameDecoder, encode_frame
from volant.proto.messages import Hello

CODECS = pytest.mark.parametrize("codec", [cbor, purecbor], ids=["cbor2", "pure"])


def unshown(value: Any) -> Any:
    """The value that make.py wrote as JSON."""
    if isinstance(value, list):
        return [unshown(item) for item in value]
    if isinstance(value, dict):
        return base64.b64decode(value["bytes"]) if set(value) == {"bytes"} else {key: unshown(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize("name", ["messages.json", "refused.json"])
def test_the_files_are_fresh(name: str) -> None:
    assert (FOLDER / name).read_text() == render()[name], f"run: {COMMAND}"


@CODECS
@pytest.mark.parametrize("case", json.loads((FOLDER / "messages.json").read_text()), ids=lambda case: case["name"])
def test_a_message_is_written_and_read_as_its_vector_says(codec: ModuleType, case: dict[str, Any]) -> None:
    message = unshown(case["message"])
    (frame,) = FrameDecoder(MAX_FRAME_TO_DAEMON).feed(bytes.fromhex(case["frame"]))
    assert codec.loads(frame) == message
    assert encode_frame(codec.dumps(message)).hex() == case["frame"]


@pytest.mark.parametrize("case", MESSAGES, ids=lambda case: case.name)
def test_json_says_what_was_meant(case: Said) -> None:
    assert unshown(case.to_json()["message"]) == case.message


@CODECS
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "byte by byte"])
def test_what_breaks_the_rules_is_refused_with_the_code_of_its_vector(codec: Any, case: Refused, at_once: bool) -> None:
    connection = Connection(Side.SERVER, codec, max_incoming=MAX_FRAME_TO_DAEMON, hello=Hello("daemon", "1"))
    if case.hello:
        connection.receive(said(HELLO))
    step = len(case.whole) if at_once else max(1, len(case.whole) // 1_000)
    with pytest.raises(ProtocolFault) as caught:
        for start in range(0, len(case.whole), step):
            connection.receive(case.whole[start : start + step])
    assert caught.value.code == case.code
