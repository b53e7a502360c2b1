"""Calls about the daemon: convert and forward, nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

from volant.daemon.rpc.peer import Peer
from volant.daemon.rpc.registry import handles
from volant.proto.api import system as system_api


@handles(system_api.PING)
def ping(app: object, peer: Peer, params: system_api.Nothing) -> system_api.Pong:
    return system_api.Pong(time=datetime.now(UTC).isoformat(timespec="milliseconds"))
