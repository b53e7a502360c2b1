"""Handlers of the calls about leases."""

from __future__ import annotations

from volant.daemon.rpc.app import App
from volant.daemon.rpc.calls import Call
from volant.daemon.rpc.peer import Peer, asker
from volant.daemon.rpc.registry import handles
from volant.proto.api import vm_lease as api
from volant.proto.api.vm import Done


@handles(api.HOLD)
async def hold(app: App, peer: Peer, asked: api.HoldVm, call: Call) -> Done:
    await app.leases.hold(asked, asker(peer), call.send_item)
    return Done(asked.name)


@handles(api.MARK)
def mark(app: App, peer: Peer, asked: api.MarkVm) -> Done:
    app.leases.mark(asked)
    return Done(asked.name)


@handles(api.RELEASE)
async def release(app: App, peer: Peer, asked: api.ReleaseVm) -> Done:
    await app.leases.release(asked)
    return Done(asked.name)
