"""Handlers of the `vm` noun that are no byte streams: convert and forward."""

from __future__ import annotations

from volant.daemon.rpc.app import App
from volant.daemon.rpc.peer import Peer, asker
from volant.daemon.rpc.registry import Encoded, handles
from volant.proto import cbor
from volant.proto.api import guest, vm_call
from volant.proto.api import vm as api
from volant.proto.purecbor import array_head, map_head


@handles(api.CREATE)
async def create(app: App, peer: Peer, asked: api.CreateVm) -> api.VmView:
    by = asker(peer)
    return await app.vms.create(asked, author=by.author, origin=by.origin)


@handles(api.LIST)
def list_vms(app: App, peer: Peer, asked: api.ListVms) -> Encoded:
    """A `VmPage`, spliced from views that were encoded when they changed."""
    page = app.vms.find(asked)
    parts = [map_head(3), cbor.dumps("items"), array_head(len(page.encoded)), *page.encoded]
    parts += [cbor.dumps(value) for value in ("total", page.total, "seq", app.newest_event())]
    return Encoded(b"".join(parts))


@handles(api.GET)
def get(app: App, peer: Peer, asked: api.VmName) -> api.VmView:
    return app.vms.get(asked.name)


@handles(api.START)
async def start(app: App, peer: Peer, asked: api.StartVm) -> api.VmView:
    return await app.vms.start(asked, by=asker(peer))


@handles(api.STOP)
async def stop(app: App, peer: Peer, asked: api.StopVm) -> api.VmView:
    return await app.vms.stop(asked, by=asker(peer))


@handles(api.RESTART)
async def restart(app: App, peer: Peer, asked: api.RestartVm) -> api.VmView:
    return await app.vms.restart(asked, by=asker(peer))


@handles(api.DELETE)
async def delete(app: App, peer: Peer, asked: api.DeleteVm) -> api.Done:
    return api.Done(asked.name, note=await app.vms.delete(asked, by=asker(peer)))


@handles(api.WAIT)
async def wait(app: App, peer: Peer, asked: api.WaitVm) -> api.VmView:
    return await app.vms.wait(asked)


@handles(vm_call.ACTIONS)
def actions(app: App, peer: Peer, asked: api.VmName) -> vm_call.Actions:
    return vm_call.Actions(app.vms.actions(asked.name))


@handles(api.SIGNAL)
async def signal(app: App, peer: Peer, asked: api.SignalExec) -> api.Done:
    order = guest.Signal(exec_id=asked.exec_id, signal=asked.signal, rows=asked.rows, cols=asked.cols)
    return await app.vms.link(asked.name).call(guest.SIGNAL, order)
