"""Handlers of the `deployment` noun: convert and forward."""

from __future__ import annotations

from contextlib import aclosing

from volant.daemon.rpc.app import App
from volant.daemon.rpc.calls import Call
from volant.daemon.rpc.peer import Peer, asker
from volant.daemon.rpc.registry import Encoded, handles
from volant.proto import cbor
from volant.proto.api import deployment as api
from volant.proto.api.vm import Done
from volant.proto.plain import to_plain
from volant.proto.purecbor import array_head, map_head

MAX_PAGE_BYTES = 2 * 1024 * 1024
"""A page ends before it grows longer: half of what a frame to a client may hold. A description alone fits into a quarter MiB."""


@handles(api.CREATE)
async def create(app: App, peer: Peer, asked: api.CreateDeployment) -> api.DeploymentView:
    return await app.deployments.create(asked, asker(peer))


@handles(api.LIST)
def list_deployments(app: App, peer: Peer, asked: api.ListDeployments) -> Encoded:
    """A `DeploymentPage`, as many of which as fit."""
    found = app.deployments.find(asked)
    items: list[bytes] = []
    size = 0
    for view in found[asked.offset : asked.offset + asked.limit]:
        item = cbor.dumps(to_plain(view))
        size += len(item)
        if items and size > MAX_PAGE_BYTES:
            break
        items.append(item)
    parts = [map_head(3), cbor.dumps("items"), array_head(len(items)), *items]
    parts += [cbor.dumps(value) for value in ("total", len(found), "seq", app.newest_event())]
    return Encoded(b"".join(parts))


@handles(api.GET)
def get(app: App, peer: Peer, asked: api.DeploymentName) -> api.DeploymentView:
    return app.deployments.get(asked.name)


@handles(api.SCALE)
async def scale(app: App, peer: Peer, asked: api.ScaleDeployment) -> api.DeploymentView:
    return await app.deployments.scale(asked, asker(peer))


@handles(api.UPDATE)
async def update(app: App, peer: Peer, asked: api.UpdateDeployment) -> api.DeploymentView:
    return await app.deployments.update(asked, asker(peer))


@handles(api.DELETE)
async def delete(app: App, peer: Peer, asked: api.DeleteDeployment) -> Done:
    await app.deployments.delete(asked, asker(peer))
    return Done(asked.name)


@handles(api.PAUSE)
async def pause(app: App, peer: Peer, asked: api.DeploymentName) -> api.DeploymentView:
    return await app.deployments.pause(asked, asker(peer))


@handles(api.RESUME)
async def resume(app: App, peer: Peer, asked: api.ResumeDeployment) -> api.DeploymentView:
    return await app.deployments.resume(asked, asker(peer))


@handles(api.UNDO)
async def undo(app: App, peer: Peer, asked: api.UndoDeployment) -> api.DeploymentView:
    return await app.deployments.undo(asked, asker(peer))


@handles(api.STATUS)
async def status(app: App, peer: Peer, asked: api.StatusDeployment, call: Call) -> Done:
    async with aclosing(app.deployments.watch(asked)) as views:
        async for view in views:
            await call.send_item(view)
    return Done(asked.name)


@handles(api.HISTORY)
def history(app: App, peer: Peer, asked: api.DeploymentName) -> api.Revisions:
    return api.Revisions(app.deployments.history(asked.name))
