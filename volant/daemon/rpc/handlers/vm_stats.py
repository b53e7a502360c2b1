"""Handlers of what VMs cost their host: convert and forward."""

from __future__ import annotations

from typing import NoReturn

import trio

from volant.daemon.rpc.app import App
from volant.daemon.rpc.calls import Call
from volant.daemon.rpc.peer import Peer
from volant.daemon.rpc.registry import handles
from volant.proto.api import vm_stats as api
from volant.proto.errors import InvalidParams


@handles(api.STATS)
async def stats(app: App, peer: Peer, asked: api.AskStats) -> api.Stats:
    return await app.meter.read(asked.name)


@handles(api.STATS_WATCH)
async def stats_watch(app: App, peer: Peer, asked: api.WatchStats, call: Call) -> NoReturn:
    if not api.MIN_EVERY_MS <= asked.every_ms <= api.MAX_EVERY_MS:
        raise InvalidParams(
            f"every_ms is {asked.every_ms}; it must be from {api.MIN_EVERY_MS} to {api.MAX_EVERY_MS}", hint="2000 is a good choice"
        )
    while True:
        await call.send_item(await app.meter.read(asked.name))
        await trio.sleep(asked.every_ms / 1_000)
