"""A peer that says exactly the bytes it is told to: for what no well-behaved client would do."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType
from typing import Any

from volant.proto import cbor
from volant.proto.frames import MAX_FRAME_TO_CLIENT, FrameDecoder, encode_frame

HELLO = [0, {"protocol": [1, 1], "version": "1", "features": [], "role": "client"}]


class RawPeer:
    """One connection; messages as plain lists."""

    def __init__(self, path: Path, *, greet: bool = True) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)  # a test that waits so long has failed
        self.socket.connect(str(path))
        self._decoder = FrameDecoder(MAX_FRAME_TO_CLIENT)
        self._messages: list[Any] = []
        if greet:
            self.say(HELLO)

    def say(self, *messages: Any) -> None:
        self.socket.sendall(b"".join(encode_frame(cbor.dumps(message)) for message in messages))

    def hear(self) -> Any:
        """The next message but a hello; None at the end of the stream."""
        while not self._messages:
            data = self.socket.recv(65_536)
            if not data:
                return None
            self._messages += [message for frame in self._decoder.feed(data) if (message := cbor.loads(frame))[0] != 0]
        return self._messages.pop(0)

    def __enter__(self) -> RawPeer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.socket.close()
