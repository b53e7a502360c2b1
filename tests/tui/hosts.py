"""Daemons with fake guests, for tests of the real program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from benchmarks._daemons import PLUGIN, start_fake
from tests.rig import SURVIVING, Rig, rig


@contextmanager
def fake_host(*names: str, stopped: Sequence[str] = (), surviving: bool = False) -> Iterator[Rig]:
    """A daemon with VMs of these names, which are ready, and others that were not started. Their guests know `cat`, `echo WORD...` and
    `exit N`; `surviving` ones outlive the daemon."""
    with rig(program=SURVIVING, network="none") if surviving else rig(hypervisor="fake", network="none") as made:
        _, client = start_fake(made)
        with closing(client):
            for name in names:
                client.call_plain("vm.create", {"name": name, "plugin": PLUGIN, "wait": "ready"})
            for name in stopped:
                client.call_plain("vm.create", {"name": name, "plugin": PLUGIN, "start": False})
        yield made
