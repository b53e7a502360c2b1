"""Handlers of the `system` noun: convert and forward."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime

from volant.daemon.rpc.app import App
from volant.daemon.rpc.calls import Call
from volant.daemon.rpc.peer import Peer
from volant.daemon.rpc.registry import handles
from volant.proto.api import system as api


@handles(api.PING)
def ping(app: object, peer: Peer, asked: api.Nothing) -> api.Pong:
    return api.Pong(time=datetime.now(UTC).isoformat(timespec="milliseconds"))


@handles(api.LEDGER)
async def ledger(app: App, peer: Peer, asked: api.AskLedger) -> api.LedgerView:
    return await app.inspector.ledger(asked)


@handles(api.INFO)
def info(app: App, peer: Peer, asked: api.Nothing) -> api.SystemInfo:
    return app.info()


@handles(api.WATCH)
async def watch(app: App, peer: Peer, asked: api.Nothing, call: Call) -> api.Nothing:
    async with aclosing(app.host.watch()) as figures:
        async for each in figures:
            await call.send_item(each)
    return api.Nothing()
