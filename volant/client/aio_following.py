"""Streams that outlive the daemon, on asyncio: see `following`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from volant.client.aio import AsyncClient
from volant.client.asking import plain_params
from volant.client.resuming import PATIENCE_S, Absence, EventProgress, Progress
from volant.proto.api.event import Event, FollowEvents
from volant.proto.errors import Fault
from volant.proto.plain import from_plain


async def following(path: str | None, progress: Progress, *, patience_s: float = PATIENCE_S) -> AsyncGenerator[Any, None]:
    """The items of one stream, in plain form. The first connection's failures are raised; later ones once `patience_s` is over."""
    loop = asyncio.get_running_loop()
    asked_at = loop.time()
    absence = Absence(patience_s, progress)
    client = AsyncClient(path, reconnect=False)
    await client.connect()
    try:
        while True:
            try:
                if absence.away:
                    client.close()
                    client = AsyncClient(path, reconnect=False)
                    await client.connect()
                    await client.daemon()
                    absence.back(loop.time())
                if progress.begins_with is not None and progress.begun(await client.call_plain(*progress.begins_with)) is not None:
                    return
                async for item in client.stream(progress.method, progress.params(loop.time() - asked_at)):
                    if progress.takes(item):
                        absence.went_on()
                        yield item
                if progress.ended():
                    return
                continue
            except Fault as fault:
                if not absence.may_pass(fault):
                    raise
                pause = absence.pause(fault, loop.time())
            await asyncio.sleep(pause)
    finally:
        client.close()


async def follow_events(path: str | None = None, *, patience_s: float = PATIENCE_S, **asked: Any) -> AsyncGenerator[Event, None]:
    """Events as they happen, each once and in order, over restarts of the daemon: see `following.follow_events`."""
    async for item in following(path, EventProgress(plain_params(FollowEvents(**asked))), patience_s=patience_s):
        yield from_plain(Event, item)
