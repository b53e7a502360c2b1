exec(open("/tmp/mine/edit1.py").read().split("sub(\"volant/proto/method.py\"")[0])
sub("volant/daemon/vms/owner.py",
 ("    by: Asker = NOBODY\n", '    by: Asker = NOBODY\n    token: int = 0\n    """Of the lease that whoever asks believes to have; 0: none."""\n'),
 ("            if record.state.is_live or request.ask in (Ask.START, Ask.RESTART):\n", "            check_token(record, request.token)\n            if record.state.is_live or request.ask in (Ask.START, Ask.RESTART):\n"),
 ("        except Denied as denied:\n", "        except (Denied, Fenced) as denied:\n"),
 ("from volant.proto.errors import Denied, Failed, Fault,", "from volant.proto.errors import Denied, Failed, Fault, Fenced,"),
 ("from volant.daemon.vms.launch import remove_folder\n", "from volant.daemon.vms.fencing import check_token\nfrom volant.daemon.vms.launch import remove_folder\n"),
)
sub("volant/daemon/vms/agent.py",
 ('        self.met = False\n', '        self.ended: dict[str, int] = {}\n        """How the workload ended, as fields of the VM\'s record; empty while it has not."""\n        self.met = False\n'),
 ("                latest.put(_status(item))\n", "                status = _status(item)\n                self.ended = _end_of(status) or self.ended\n                latest.put(status)\n"),
 ('**({"timings": steps} if steps else {})}', '**({"timings": steps} if steps else {}), **_end_of(status)}'),
 ('return Update({"health": "unhealthy", "reason": why}, VmState.RUNNING, changes=(word,))', 'return Update({"health": "unhealthy", "reason": why, **self.ended}, VmState.RUNNING, changes=(word,))'),
 ("        finally:\n            self.link = None\n", "        finally:\n            self.link = None\n            self._book.wake()\n"),
 ("    async def follow(self, vmm: Vmm)", '''    async def wait_detached(self) -> None:
        """Until all that came on the link is heard: the guest's end of it is gone."""
        await self._book.wait_until(lambda: self.link is None)

    async def follow(self, vmm: Vmm)'''),
 ("def _status(plain: Any)", '''def _end_of(status: guest.GuestStatus) -> dict[str, int]:
    """How the workload ended, as fields of the record, whatever numbers the guest makes up; empty when it has not."""
    if status.phase not in ("exited", "failed") or status.exit_code is None:
        return {}
    return {"exit_code": status.exit_code & 0xFF, "exit_signal": status.signal & 0x7F}


def _status(plain: Any)'''),
)
sub("volant/daemon/vms/session.py",
 ('''            "stopped_at": self._services.now(),
''', '''            "stopped_at": self._services.now(),
            **self.agent.ended,
'''),
)
