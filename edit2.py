exec(open("/tmp/mine/edit1.py").read().split("sub(\"volant/proto/method.py\"")[0])
sub("volant/agent/status.py",
 ("        self.exit_code: int | None = None\n", "        self.exit_code: int | None = None\n        self.signal = 0\n"),
 ('''    def enter(self, phase: str, message: str = "", *, health: str | None = None, exit_code: int | None = None) -> None:
        """Change to `phase`."""
''', '''    def enter(
        self, phase: str, message: str = "", *, health: str | None = None, exit_code: int | None = None, signal: int = 0
    ) -> None:
        """Change to `phase`; code and signal are those of a workload that ended."""
'''),
 ("        self.exit_code = exit_code\n        self.version", "        self.exit_code, self.signal = exit_code, signal\n        self.version"),
 ('            "exit_code": self.exit_code,\n', '            "exit_code": self.exit_code,\n            "signal": self.signal,\n'))
sub("volant/agent/calls.py",
 ('        seq = self._logs.start_of(params.number("tail", 200, least=-1), instant(since) if since else None)\n',
  '        seq = self._logs.start_of(params.number("tail", 200, least=-1), instant(since) if since else None)\n        seq = max(seq, min(params.number("after", 0), self._logs.newest))\n'))
sub("volant/agent/workload.py",
 ("from volant.agent.loop import Loop, Task\n", "from volant.agent.loop import Condition, Loop, Task\n"),
 ("        self._stopping = False\n", '        self._stopping = False\n        self._ended = Condition(loop)\n        """Notified once the end of the workload, and all that it had put out, is with the watchers."""\n        self._is_over = False\n'),
 ('''            self._status.enter("failed", f"the workload could not be started: {error}")
            return
''', '''            self._status.enter("failed", f"the workload could not be started: {error}", exit_code=error.exit_code)
            return
'''),
 ('''        self._report_end(child)

    async def stop''', '''        self._report_end(child)
        self._is_over = True
        self._ended.notify()

    async def stop'''),
 ('''"""SIGTERM to the workload's group, SIGKILL after the grace; returns once it has ended."""
        self._stopping = True
        child = self.child
        if child is None or child.status is not None:
            return
        child.send(signal.SIGTERM)
        with self._loop.move_on_after(grace_s) as deadline:
            await child.wait()
        if deadline.expired:
            child.send(signal.SIGKILL)
            await child.wait()
''', '''"""SIGTERM to the workload's group, SIGKILL after the grace; returns once it has ended, and its end was told."""
        self._stopping = True
        child = self.child
        if child is None or self._is_over:
            return
        if child.status is None:
            child.send(signal.SIGTERM)
            with self._loop.move_on_after(grace_s) as deadline:
                await child.wait()
            if deadline.expired:
                child.send(signal.SIGKILL)
        while not self._is_over:
            await self._ended.wait()
'''),
 ('health="unknown", exit_code=child.exit_code)', 'health="unknown", exit_code=child.exit_code, signal=child.signal)'),
 ('health="unhealthy", exit_code=child.exit_code)', 'health="unhealthy", exit_code=child.exit_code, signal=child.signal)'),
)
