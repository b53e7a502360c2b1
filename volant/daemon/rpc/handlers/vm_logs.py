"""The handler that reads and follows the output of many VMs: convert and forward."""

from __future__ import annotations

import trio

from volant.daemon.rpc.app import App
from volant.daemon.rpc.calls import Call
from volant.daemon.rpc.peer import Peer
from volant.daemon.rpc.registry import Encoded, handles
from volant.proto import cbor
from volant.proto.api import vm_logs as api
from volant.proto.api.vm import Done

PAUSE_S = 0.02
"""Between two rounds: lines gather meanwhile, so that a flood comes in few pieces, and no later than anybody would notice."""


@handles(api.LOGS_WATCH)
async def watch_logs(app: App, peer: Peer, asked: api.WatchLogs, call: Call) -> Done:
    async with app.vms.outputs(asked) as output:
        while not output.is_over:
            await output.wait_news()
            for start, lines, ended in output.take():
                item = {"id": start.id, "name": start.name, "boot": start.boot, "lines": list(lines), "ended": ended}
                await call.send_item(Encoded(cbor.dumps(item)))
            await trio.sleep(PAUSE_S if asked.follow else 0)
    return Done()
