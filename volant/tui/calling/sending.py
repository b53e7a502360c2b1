"""Sending a request to a workload through the daemon, and reading a file of this host: what `effects.Send` and `effects.Read` ask for."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Mapping
from typing import Any

from volant.client.aio import AsyncBytesCall, AsyncClient
from volant.proto.api.vm import STDIN
from volant.proto.errors import InvalidParams, NoSuchFile
from volant.proto.messages import DataReceived, ItemReceived
from volant.tui.calling.answer import MAX_BODY_BYTES, Answer


async def send(client: AsyncClient, params: Mapping[str, Any], body: bytes | None) -> Answer:
    """The workload's answer. Of a longer one MAX_BODY_BYTES are read, then the call is ended. Raises the call's fault."""
    begun = time.monotonic()
    head: dict[str, Any] = {}
    received = bytearray()
    whole = True
    async with client.bytes_call("vm.call", dict(params)) as call:
        sending = asyncio.create_task(_send(call, body))
        try:
            async for message in call:
                if isinstance(message, ItemReceived):
                    head = message.item
                elif isinstance(message, DataReceived):
                    received += message.data
                    if len(received) > MAX_BODY_BYTES:
                        whole = False
                        break
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        if whole:
            await call.result()
    headers = tuple((str(name), str(value)) for name, value in head.get("headers", ()))
    took = time.monotonic() - begun
    kept = bytes(received[:MAX_BODY_BYTES])
    return Answer(int(head.get("status", 0)), str(head.get("reason", "")), headers, kept, len(received), took, whole)


async def _send(call: AsyncBytesCall, body: bytes | None) -> None:
    """The body, while the answer may come already."""
    if body:
        await call.send(STDIN, body)
    await call.end(STDIN)


def read(path: str, most: int) -> bytes:
    """The bytes of a regular file. NoSuchFile, and InvalidParams when it is longer, or is no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would keep us waiting
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InvalidParams(f"{path} is no file", hint="name a regular file")
            data = file.read(most + 1)
    except OSError as error:
        raise NoSuchFile(f"{path} can't be read: {error.strerror}", hint="it must be readable by whoever runs this") from None
    except ValueError:
        raise NoSuchFile("the path can't be one", hint="it holds a null byte") from None
    if len(data) > most:
        raise InvalidParams(f"{path} has more than {most} bytes", hint="a smaller one can be read")
    return data
