"""Daemons with fake guests, for tests of the real program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from benchmarks._daemons import PLUGIN, start_fake
from tests.rig import Rig, rig


@contextmanager
def fake_host(*names: str) -> Iterator[Rig]:
    """A daemon with VMs of these names, which are ready. Their guests know `cat`, `echo WORD...` and `exit N`."""
    with rig(hypervisor="fake", network="none") as made:
        _, client = start_fake(made)
        with closing(client):
            for name in names:
                client.call_plain("vm.create", {"name": name, "plugin": PLUGIN, "wait": "ready"})
        yield made
