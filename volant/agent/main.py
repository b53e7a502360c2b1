"""kestrel, the guest's agent, as PID 1: it must never end, for the kernel panics when it does."""

from __future__ import annotations

import os
import time
from typing import NoReturn

from volant.agent.channel import open_port
from volant.agent.console import Console
from volant.agent.core import Agent
from volant.agent.drivers import Drivers
from volant.agent.guest import bring_up
from volant.agent.machine import Machine
from volant.agent.session import describe

LAZY_MODULES = ("datetime", "traceback", "volant.agent.tar")
"""What the agent imports only when it needs it, to be ready sooner; its image has to hold them all the same."""

DEFECT_PAUSE_S = 1.0
"""After a defect of the loop itself, so that one that repeats doesn't burn the CPU."""

_FOR_EVER_S = 1e9


def boot() -> NoReturn:
    """Be PID 1. Whatever fails is said on the console, and the agent goes on with what it has."""
    console = Console(1)
    agent = Agent(console, Machine())
    try:
        _prepare(agent)
    except BaseException as defect:
        _report(agent, defect)
    while True:
        try:
            agent.loop.run(_stay(agent))
        except BaseException as defect:
            _report(agent, defect)
            time.sleep(DEFECT_PAUSE_S)


def _prepare(agent: Agent) -> None:
    """Start the tasks that do all the rest."""
    # A stuck console must never hold up PID 1: lines are lost instead.
    os.set_blocking(1, False)
    agent.status.reached("init")
    agent.status.enter("booting")
    drivers = Drivers(f"/lib/modules/{os.uname().release}")
    agent.start(open_port)
    agent.loop.spawn(bring_up(agent, drivers), "boot")


async def _stay(agent: Agent) -> None:
    while True:
        await agent.loop.sleep(_FOR_EVER_S)


def _report(agent: Agent, defect: BaseException) -> None:
    agent.status.enter("failed", f"the agent has a defect: {type(defect).__name__}: {defect}")
    agent.logs.say(describe(defect))
