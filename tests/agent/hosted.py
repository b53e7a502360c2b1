"""The agent as an ordinary process: `python -I -S hosted.py ROOT FD TREE CONFIG [PORT]`, PORT for its HTTP surface.

Its machine writes down what it is told.
"""

import ctypes
import json
import os
import sys

sys.path.insert(0, sys.argv[1])

from volant.agent import surface
from volant.agent.config import read_config
from volant.agent.console import Console
from volant.agent.core import Agent
from volant.agent.loop import Loop

PR_SET_CHILD_SUBREAPER = 36
"""<linux/prctl.h>: orphans among our descendants become our children, as they become PID 1's."""


class NotedMachine:
    """A machine whose clock, name and power are lines on stdout."""

    def set_clock(self, time_ns: int) -> None:
        print("clock", time_ns, flush=True)

    def add_entropy(self, seed: bytes) -> None:
        print("entropy", len(seed), flush=True)

    def set_hostname(self, name: str) -> None:
        print("hostname", name, flush=True)

    def set_console_size(self, rows: int, cols: int) -> None:
        print("console", rows, cols, flush=True)

    def power_off(self, *, restart: bool) -> None:
        print("restart" if restart else "power off", flush=True)
        os._exit(0)


async def _stay(loop: Loop) -> None:
    while True:
        await loop.sleep(3_600)


def main() -> None:
    fd, tree, blob = int(sys.argv[2]), sys.argv[3], sys.argv[4].encode()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    agent = Agent(Console(1), NotedMachine())

    async def open_pipe(loop: Loop) -> int:
        os.set_blocking(fd, False)
        return fd

    agent.start(open_pipe)
    if json.loads(blob) or tree != "/":
        config = read_config({}, blob)
        agent.begin(config, tree, "hosted")
        if len(sys.argv) > 5:
            served = surface.Surface(agent.loop, agent.status, config.actions, agent._do_request)
            agent.loop.spawn(served.run(surface.listen(int(sys.argv[5]))), "surface")
    agent.loop.run(_stay(agent.loop))


main()
