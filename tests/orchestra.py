"""The whole daemon in this process, on a fake host that outlives it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import trio

from tests.fakes.hello import described
from volant.daemon.config import Config, defaults
from volant.daemon.hypervisors.fake.guest import FakeGuest
from volant.daemon.hypervisors.fake.launcher import FakeHost
from volant.daemon.ports import VmRecord
from volant.daemon.rpc.app import App
from volant.daemon.vms.roster import Roster
from volant.daemon.wiring import Daemon
from volant.proto.api.plugin import InstallPlugin
from volant.proto.api.vm import CreateVm, VmView
from volant.proto.specs.states import NetworkMode, WaitFor

BOOT_TIMEOUT_S = 60.0


class Orchestra:
    """One state folder and one fake host; `playing` runs a daemon on them."""

    def __init__(self, root: Path) -> None:
        self.host = FakeHost()
        self.root = root
        runtime = root / "r"
        self.config: Config = replace(
            defaults({"HOME": str(root)}, uid=1),
            state_dir=root / "s",
            runtime_dir=runtime,
            socket=runtime / "d.sock",
            hypervisor="fake",
            network=NetworkMode.NONE,
            boot_timeout_s=BOOT_TIMEOUT_S,
        )
        for folder in (self.config.state_dir, runtime):
            folder.mkdir(parents=True)
        self.running: App | None = None

    @property
    def app(self) -> App:
        assert self.running is not None
        return self.running

    def playing(self) -> AbstractAsyncContextManager[App]:
        """A daemon, stopped at the end as SIGTERM does; the guests stay."""
        return self._daemon(killed=False)

    def killed(self) -> AbstractAsyncContextManager[App]:
        """A daemon that ends as by SIGKILL: nothing that it would do on its way out is done."""
        return self._daemon(killed=True)

    @asynccontextmanager
    async def _daemon(self, *, killed: bool) -> AsyncIterator[App]:
        daemon = Daemon(self.config, fake_host=self.host)
        async with trio.open_nursery() as nursery:
            await nursery.start(daemon.run)
            self.running = daemon.app
            try:
                yield self.app
            finally:
                self.running = None
                if killed:
                    nursery.cancel_scope.cancel()
                else:
                    daemon.stop()

    async def install(self, **changes: Any) -> None:
        """The plugin `hello`, with `changes` of its manifest."""

        async def heard(progress: object) -> None:
            pass

        await self.app.plugins.install(InstallPlugin(manifest=described(self.root, **changes)), heard)

    async def create(self, name: str = "web", *, wait: WaitFor | None = WaitFor.READY, **asked: Any) -> VmView:
        return await self.app.vms.create(CreateVm(name=name, plugin="hello", wait=wait, **asked), author="test")

    def records(self) -> tuple[VmRecord, ...]:
        """All VMs as the daemon has them, with what it tells nobody."""
        assert isinstance(self.app.vms, Roster)
        return self.app.vms.records()

    def guest(self, name: str = "web") -> FakeGuest:
        return self.host.guest(self.app.vms.get(name).id)

    async def kinds(self, vm: str = "web") -> list[str]:
        """What happened to a VM; what was asked, and how a start went in detail, is left out."""
        details = ("VM_REQUEST", "VM_STEP", "VM_AGENT")
        return [kind for event in await self.app.store.events(after=0, limit=1_000, vm=vm) if (kind := event.kind) not in details]
