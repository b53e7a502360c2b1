"""Handlers of the `event` noun: convert and forward."""

from __future__ import annotations

from volant.daemon.events import check_known
from volant.daemon.rpc.app import App
from volant.daemon.rpc.calls import Call
from volant.daemon.rpc.peer import Peer
from volant.daemon.rpc.registry import handles
from volant.proto.api import event as api
from volant.proto.api.vm import Done
from volant.proto.errors import InvalidParams

MAX_LIMIT = 1_000
"""Most events in one answer: about 250 KiB."""


@handles(api.LIST)
async def list_events(app: App, peer: Peer, asked: api.ListEvents) -> api.Events:
    if not 1 <= asked.limit <= MAX_LIMIT or asked.after < 0 or not 0 <= asked.last <= MAX_LIMIT:
        raise InvalidParams(f"limit must be 1 to {MAX_LIMIT}, last at most that, and after not negative", hint="read events in pages")
    if not asked.last:
        check_known(asked.after, *await app.store.event_range())
    items = await app.store.events(
        after=asked.after, limit=asked.limit, vm=asked.vm, kinds=asked.kinds, deployment=asked.deployment, last=asked.last
    )
    oldest, newest = await app.store.event_range()
    return api.Events(items, newest, oldest)


@handles(api.FOLLOW)
async def follow(app: App, peer: Peer, asked: api.FollowEvents, call: Call) -> Done:
    await app.follow(call, after=asked.after, select=api.Selection(asked.vm, asked.kinds, asked.deployment))
    return Done()
