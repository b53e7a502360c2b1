"""The handler that keeps a client's list of VMs up to date: convert and forward."""

from __future__ import annotations

from typing import Any, NoReturn

import trio

from volant.daemon.rpc.app import App, Changes
from volant.daemon.rpc.calls import Call
from volant.daemon.rpc.peer import Peer
from volant.daemon.rpc.registry import Encoded, handles
from volant.proto import cbor
from volant.proto.api import vm_watch as api
from volant.proto.purecbor import array_head, map_head

VMS_PER_ITEM = 200
"""Some 150 KiB, written in a millisecond: others get their turn between two items, and a client can show the first early."""

PAUSE_S = 0.02
"""Between two items once everything was told: a burst of changes comes as a few items, and no later than anybody would notice."""


@handles(api.WATCH)
async def watch(app: App, peer: Peer, asked: api.WatchVms, call: Call) -> NoReturn:
    with app.vms.watch(asked) as watcher:
        while True:
            await watcher.wait_news()
            seq = app.newest_event()
            changes = watcher.take(VMS_PER_ITEM)
            await call.send_item(_item(changes, seq, packed=asked.packed))
            if changes.complete:
                await trio.sleep(PAUSE_S)


def _item(changes: Changes, seq: int, *, packed: bool) -> Encoded:
    """A `VmChanges`, spliced from views that were encoded when they changed."""
    encoded, altered = ((), ()) if packed else (changes.encoded, changes.altered)
    parts = [map_head(7 if packed else 5), cbor.dumps("items"), array_head(len(encoded)), *encoded]
    parts += [cbor.dumps("packed"), _packed(changes), cbor.dumps("alike"), cbor.dumps(_alike(changes))] if packed else []
    parts += [cbor.dumps(value) for value in ("altered", altered, "gone", list(changes.gone), "seq", seq, "complete", changes.complete)]
    return Encoded(b"".join(parts))


def _packed(changes: Changes) -> bytes:
    """A `PackedVms`."""
    views = changes.views
    heads = {"ids": [view.id for view in views], "names": [view.name for view in views], "statuses": [view.status.value for view in views]}
    return cbor.dumps({**heads, "records": changes.encoded})


def _alike(changes: Changes) -> list[dict[str, Any]]:
    """An `AlikeVms` for each set of fields that is different of some VMs."""
    found: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for part in changes.altered:
        found.setdefault(tuple(part)[1:], []).append(part)
    return [
        {"fields": fields, "ids": [part["id"] for part in parts], "columns": [[part[name] for part in parts] for name in fields]}
        for fields, parts in found.items()
    ]
