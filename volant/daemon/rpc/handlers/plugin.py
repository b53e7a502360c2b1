"""Handlers of the `plugin` noun: convert and forward."""

from __future__ import annotations

from volant.daemon.rpc.app import App
from volant.daemon.rpc.calls import Call
from volant.daemon.rpc.peer import Peer
from volant.daemon.rpc.registry import handles
from volant.proto.api import plugin as api


@handles(api.INSTALL)
async def install(app: App, peer: Peer, asked: api.InstallPlugin, call: Call) -> api.PluginView:
    return await app.plugins.install(asked, call.send_item)


@handles(api.LIST)
async def list_plugins(app: App, peer: Peer, asked: api.ListPlugins) -> api.Plugins:
    return await app.plugins.list(asked)


@handles(api.SHOW)
async def show(app: App, peer: Peer, asked: api.PluginName) -> api.PluginView:
    return await app.plugins.show(asked)


@handles(api.ENABLE)
async def enable(app: App, peer: Peer, asked: api.PluginName) -> api.Plugins:
    return await app.plugins.enable(asked)


@handles(api.DISABLE)
async def disable(app: App, peer: Peer, asked: api.PluginName) -> api.Plugins:
    return await app.plugins.disable(asked)


@handles(api.REMOVE)
async def remove(app: App, peer: Peer, asked: api.PluginName) -> api.Plugins:
    return await app.plugins.remove(asked)
