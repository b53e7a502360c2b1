"""Handlers of the `vm` noun about a VM's config and its history: convert and forward."""

from __future__ import annotations

from volant.daemon.rpc.app import App
from volant.daemon.rpc.peer import Peer, asker
from volant.daemon.rpc.registry import handles
from volant.proto.api import vm_config as api
from volant.proto.api.vm import VmName
from volant.proto.api.vm_explain import EXPLAIN, ExplainVm, Timeline


@handles(EXPLAIN)
async def explain(app: App, peer: Peer, asked: ExplainVm) -> Timeline:
    return await app.explainer.explain(asked)


@handles(api.CONFIG)
async def config(app: App, peer: Peer, asked: api.GetConfig) -> api.VmConfigView:
    return await app.configs.show(asked)


@handles(api.PATCH)
async def patch(app: App, peer: Peer, asked: api.PatchVm) -> api.VmConfigView:
    return await app.configs.patch(asked, asker(peer))


@handles(api.CONFIG_HISTORY)
async def history(app: App, peer: Peer, asked: VmName) -> api.ConfigHistory:
    return await app.configs.history(asked)


@handles(api.CONFIG_DIFF)
async def diff(app: App, peer: Peer, asked: api.DiffConfig) -> api.ConfigDiff:
    return await app.configs.diff(asked)


@handles(api.CONFIG_ROLLBACK)
async def rollback(app: App, peer: Peer, asked: api.RollbackConfig) -> api.VmConfigView:
    return await app.configs.rollback(asked, asker(peer))
