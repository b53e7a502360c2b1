exec(open("/tmp/mine/edit1.py").read().split("sub(\"volant/proto/method.py\"")[0])
sub("volant/daemon/vms/owner.py",
 ('"started_at": "", "stopped_at": ""}\n', '"started_at": "", "stopped_at": "", "exit_code": None, "exit_signal": 0}\n'), snap=False)
sub("volant/daemon/vms/session.py",
 ("            return await vmm.wait_exited()\n", "            report = await vmm.wait_exited()\n            with trio.move_on_after(LAST_WORDS_S):\n                await self.agent.wait_detached()\n            return report\n"),
 ('CONSOLE_TAIL = 20\n', 'LAST_WORDS_S = 1.0\n"""How long what a guest said before its end is listened to; the end of its channel comes right behind."""\n\nCONSOLE_TAIL = 20\n'), snap=False)
f = "volant/daemon/vms/roster.py"
sub(f,
 ("from volant.daemon.vms.launch import check_memory\n", "from volant.daemon.vms.fencing import first\nfrom volant.daemon.vms.launch import check_memory\nfrom volant.daemon.vms.leases import Leases\n"),
 ("        self._nursery: trio.Nursery | None = None\n\n    async def restore", "        self._nursery: trio.Nursery | None = None\n        self.leases = Leases(services, self.owner)\n\n    async def restore"),
 ("                nursery.start_soon(self._own, owner)\n            task_status.started()\n", "                nursery.start_soon(self._own, owner)\n            self.leases.begin(nursery, self._owners.values())\n            task_status.started()\n"),
 ("                self._nursery = None\n\n    def owner", "                self._nursery = None\n                self.leases.close()\n\n    def owner"),
 ("            self._nursery.start_soon(self._own, owner)\n        await", "            self._nursery.start_soon(self._own, owner)\n            self.leases.expect(owner)\n        await"),
 ("wish = Request(Ask.START, by=_asker(record, by))", "wish = Request(Ask.START, by=_asker(record, by), token=asked.lease_token)"),
 ("_asker(owner.book.record, by)))\n        if asked.wait:\n", "_asker(owner.book.record, by), asked.lease_token))\n        if asked.wait:\n"),
 ("force=asked.force, by=_asker(owner.book.record, by)))\n        await self._within(asked.timeout_ms, owner, WaitFor.DELETED)", "force=asked.force, by=_asker(owner.book.record, by), token=asked.lease_token))\n        await self._within(asked.timeout_ms, owner, WaitFor.DELETED)"),
 ("            revision=replica_of.revision if replica_of else 0,\n", "            revision=replica_of.revision if replica_of else 0,\n            lease=first(asked.lease, by, now) if asked.lease else None,\n"),
)
sub("volant/daemon/vms/restoring.py",
 ("    if record.state is VmState.READY or", "    if record.lease is not None and record.lease.connected:\n        record = replace(record, lease=replace(record.lease, connected=False))\n    if record.state is VmState.READY or"),
 ('whose process nobody saw dead."""', 'whose process nobody saw dead. Nobody holds a VM before saying so to this daemon."""'))
sub("volant/daemon/rpc/app.py",
 ("class Inspector(Protocol):", '''class LeaseRoom(Protocol):
    """Who holds which VM."""

    async def hold(self, asked: HoldVm, by: Asker, tell: Callable[[Held], Awaitable[None]]) -> None:
        """Until the VM is gone or given back; `tell` is called now and after each change."""

    def mark(self, asked: MarkVm) -> None: ...
    async def release(self, asked: ReleaseVm) -> None: ...


class Inspector(Protocol):'''),
 ("    configs: ConfigRoom\n", "    leases: LeaseRoom\n    configs: ConfigRoom\n"),
 ("from volant.proto.api.vm_explain import ExplainVm, Timeline\n", "from volant.proto.api.vm_explain import ExplainVm, Timeline\nfrom volant.proto.api.vm_lease import Held, HoldVm, MarkVm, ReleaseVm\n"))
sub("volant/daemon/wiring.py",
 ("            vms=roster,\n", "            vms=roster,\n            leases=roster.leases,\n"),
 ("serving.start_soon(self._stop_when_asked, service)", "serving.start_soon(self._stop_when_asked, service, roster)"),
 ('''    async def _stop_when_asked(self, service: RpcService) -> None:
        await self._asked_to_stop.wait()
''', '''    async def _stop_when_asked(self, service: RpcService, roster: Roster) -> None:
        await self._asked_to_stop.wait()
        roster.leases.close()
'''),
 ("plugin, system, vm, vm_config, vm_watch\n", "plugin, system, vm, vm_config, vm_lease, vm_watch\n"),
 ("Handlers.of(system, vm, vm_config, vm_watch,", "Handlers.of(system, vm, vm_config, vm_lease, vm_watch,"))
sub("volant/daemon/rpc/handlers/guest.py",
 ("guest.Logs(tail=asked.tail, since=asked.since, follow=asked.follow)", "guest.Logs(tail=asked.tail, since=asked.since, after=asked.after, follow=asked.follow)"),
 ("        reader = holder.read(history_bytes=asked.history_bytes, follow=asked.follow)\n", "        reader = holder.read(history_bytes=asked.history_bytes, from_offset=asked.from_offset, follow=asked.follow)\n"),
 ('''        async for chunk in reader:
            if chunk.missed:
                await call.send(''', '''        next_offset = -1
        async for chunk in reader:
            if asked.from_offset is not None:
                if chunk.offset != next_offset:
                    await call.send_item(api.ConsolePlace(chunk.offset))
                next_offset = chunk.offset + len(chunk.data)
            elif chunk.missed:
                await call.send('''))
