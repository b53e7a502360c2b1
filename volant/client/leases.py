"""Holding a VM for as long as a program runs it: one call, kept open over restarts of the daemon. On asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from volant.client.aio import AsyncClient
from volant.client.resuming import AGAIN_MAX_S, AGAIN_S
from volant.proto.api.vm_lease import HOLD, Held, HoldVm
from volant.proto.errors import HostShort, StoreFailed, Unreachable
from volant.proto.specs.leases import OnEnd


class Lease:
    """One VM's lease from the side of its holder. `news` takes it, and holds it while it is iterated over."""

    def __init__(self, path: str | None, name: str, *, token: int = 0, engine_id: str = "", on_end: OnEnd = OnEnd.KEEP) -> None:
        """`token`: of the lease that the VM was made with; 0 takes a new one."""
        self.name, self.token = name, token
        self._path, self._engine_id, self._on_end = path, engine_id, on_end
        self.client: AsyncClient | None = None
        """The connection that holds it, for other calls too; None while the daemon is away."""

    async def news(self) -> AsyncIterator[Held | None]:
        """The VM now and after each change, and None when the daemon goes away; it is waited for. Ends once the VM is gone or given back.

        Fenced once somebody else holds the VM, NoSuchVm when it went while the daemon was away; at first also Denied and Unreachable.
        """
        pause = AGAIN_S
        while True:
            try:
                async with AsyncClient(self._path, reconnect=False) as client:
                    async for held in client.stream(HOLD, self._params()):
                        self.client, self.token, pause = client, held.vm.lease.token, AGAIN_S
                        yield held
                    return
            except (Unreachable, StoreFailed, HostShort):
                if not self.token:
                    raise
            finally:
                self.client = None
            yield None
            await asyncio.sleep(pause)
            pause = min(2 * pause, AGAIN_MAX_S)

    def _params(self) -> HoldVm:
        return HoldVm(name=self.name, token=self.token, engine_id=self._engine_id, on_end=self._on_end)
