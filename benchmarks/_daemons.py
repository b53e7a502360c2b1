"""Real daemons for measurements, and the environment in which a person's commands reach them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.fakes.hello import hello
from tests.rig import Rig
from volant.client.blocking import Client

COMMAND = (sys.executable, "-c", "from volant.client.cli.main import entry; entry()")
"""What the installed `volant` script does; run this way it needs no installation."""

PLUGIN = "tiny"


def start_fake(host: Rig) -> tuple[int, Client]:
    """A daemon with the fake launcher's settings and the plugin `PLUGIN`: its pid, and a client of it."""
    daemon = host.start("--log-level", "warning")
    host.volant("plugin", "install", hello(host.root, name=PLUGIN))
    return daemon.pid, host.client()


def environment(host: Rig) -> dict[str, str]:
    """As a person has it: no special interpreter settings, and bytecode that is cached, as it is from the second run on."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | {
        "VOLANT_SOCKET": str(host.socket),
        "PYTHONPYCACHEPREFIX": str(host.root / "bytecode"),
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
