"""Real daemons for measurements, and the environment in which a person's commands reach them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.rig import Rig
from volant.client.blocking import Client
from volant.fledge.cpio import Writer

COMMAND = (sys.executable, "-c", "from volant.client.cli.main import entry; entry()")
"""What the installed `volant` script does; run this way it needs no installation."""

PLUGIN = "tiny"


def start_fake(host: Rig) -> tuple[int, Client]:
    """A daemon with the fake launcher's settings and the plugin `PLUGIN`: its pid, and a client of it."""
    daemon = host.start("--log-level", "warning")
    host.volant("plugin", "install", str(_plugin(host.root)))
    return daemon.pid, host.client()


def environment(host: Rig) -> dict[str, str]:
    """As a person has it: no special interpreter settings, and bytecode that is cached, as it is from the second run on."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | {
        "VOLANT_SOCKET": str(host.socket),
        "PYTHONPYCACHEPREFIX": str(host.root / "bytecode"),
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }


def _plugin(folder: Path) -> Path:
    """The manifest of a small plugin that a fake guest can run."""
    archive = folder / "tiny.cpio"
    with archive.open("wb") as file:
        writer = Writer(file)
        writer.directory("bin")
        writer.file("bin/serve", b"#!/bin/sh\n", mode=0o755)
        writer.close()
    manifest = folder / "tiny.json"
    made = {
        "schema_version": "1",
        "name": PLUGIN,
        "version": "1.0.0",
        "initramfs": {"url": str(archive)},
        "resources": {"cpu_cores": 1, "memory_mb": 128},
        "workload": {"type": "http", "base_url": "http://127.0.0.1:8000", "entrypoint": ["/bin/serve"]},
        "actions": {"greet": {"method": "GET", "path": "/greet", "description": "says hello"}},
    }
    manifest.write_text(json.dumps(made))
    return manifest
