"""A daemon with canned answers, and the `volant` command run as a person or a script runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.cli.records import event, plugin, vm
from tests.fakes.rpc_server import RpcServer, Served, serving
from tests.orchestra import Orchestra
from tests.patience import PATIENCE_S
from volant.proto.errors import NoSuchPlugin, NoSuchVm

Run = Callable[..., subprocess.CompletedProcess[str]]

COMMAND = [sys.executable, "-m", "volant.client.cli"]
DEADLINE = PATIENCE_S
"""Seconds after which a command hangs, on a busy machine."""


def get_vm(call: Served) -> object:
    if call.params["name"] not in ("web-1", "web-2"):
        raise NoSuchVm(call.params["name"])
    return vm(call.params["name"])


def show_plugin(call: Served) -> object:
    if call.params["name"] != "hello":
        raise NoSuchPlugin(call.params["name"])
    return plugin()


def install(call: Served) -> object:
    call.item({"step": "initramfs", "done": 1, "total": 2})
    return plugin(manifest=call.params["manifest"], warnings=["cpu: unknown field"])


def follow(call: Served) -> object:
    for seq in (1, 2):
        call.item(event(seq))
    return {"name": ""}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RpcServer]:
    """A daemon with two VMs and a plugin."""
    handlers = {
        "vm.list": lambda call: {"items": [vm("web-1"), vm("web-2", status="stopped")], "total": 2, "seq": 7},
        "vm.get": get_vm,
        **{f"vm.{verb}": get_vm for verb in ("start", "stop", "restart", "wait")},
        "vm.create": lambda call: vm(call.params["name"]),
        "vm.delete": lambda call: {"name": get_vm(call) and call.params["name"]},
        "vm.actions": lambda call: {
            "items": [{"name": "status", "description": "how it is", "method": "GET", "path": "/status", "timeout_ms": 1000}]
        },
        "plugin.list": lambda call: {"items": [plugin()], "seq": 7},
        "plugin.show": show_plugin,
        "plugin.enable": lambda call: {"items": [show_plugin(call)], "seq": 7},
        "plugin.install": install,
        "event.list": lambda call: {"items": [event(1), event(2)], "seq": 2, "oldest": 1},
        "event.follow": follow,
        "system.ping": lambda call: {"time": "2026-01-31T12:00:00Z"},
    }
    with serving(tmp_path / "d.sock", handlers) as running:
        yield running


@pytest.fixture
def environment(server: RpcServer) -> dict[str, str]:
    """What the command sees of the world: no colours or widths of the machine that tests run on."""
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES", "TERM")}
    return kept | {"VOLANT_SOCKET": str(server.path), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def volant(environment: dict[str, str]) -> Run:
    """Run a command line as a script does; standard input is empty unless given."""

    def run(*words: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words], input=stdin, capture_output=True, text=True, env=environment | variables, timeout=DEADLINE, check=False
        )

    return run


@pytest.fixture
def house() -> Iterator[Orchestra]:
    """A state folder and a fake host, to run daemons on."""
    root = Path(tempfile.mkdtemp(prefix="vl-"))  # short enough for a socket's path
    try:
        yield Orchestra(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
