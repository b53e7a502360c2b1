"""The agent against the contract, the bare interpreter and its image."""

from __future__ import annotations

import ast
import inspect
import shutil
import socket
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from tests.agent.harness import HOSTED, ROOT, Link, hosted
from volant.agent import main
from volant.agent.console import Console
from volant.agent.core import Agent
from volant.agent.machine import Machine
from volant.proto.api import guest
from volant.proto.errors import InvalidParams
from volant.proto.plain import from_plain

AGENT = Path(inspect.getfile(main)).parent

METHODS = guest.NOUN.methods


def _reads() -> dict[str, set[tuple[str, Any]]]:
    """Of each handler module: (parameter, default) pairs read from calls."""
    found: dict[str, set[tuple[str, Any]]] = {}
    for path in AGENT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value).endswith("params"):
                default = ast.literal_eval(node.args[1]) if len(node.args) > 1 else None
                found.setdefault(path.stem, set()).add((ast.literal_eval(node.args[0]), default))
    return found


def test_every_declared_method_has_a_handler() -> None:
    import signal

    before = signal.getsignal(signal.SIGCHLD)
    agent = Agent(Console(1), Machine())
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, before)
    assert set(agent._handlers()) == set(METHODS)


def test_parameters_are_read_by_the_names_and_defaults_declared() -> None:
    declared: dict[str, set[Any]] = {}
    for method in METHODS.values():
        for field in fields(method.params):
            declared.setdefault(field.name, set()).add(None if field.default is MISSING else field.default)
    for module, reads in _reads().items():
        for name, default in reads:
            assert name in declared, f"{module} reads {name!r}, which no guest method declares"
            assert default is None or default in declared[name], f"{module} reads {name!r} with the default {default!r}"
    read = {name for reads in _reads().values() for name, _ in reads}
    assert read == set(declared), "every declared parameter is read"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("guest.exec", {}),
        ("guest.exec", {"argv": []}),
        ("guest.exec", {"argv": "ls"}),
        ("guest.exec", {"argv": ["a\0b"]}),
        ("guest.exec", {"argv": ["true"], "env": {"A=B": "c"}}),
        ("guest.exec", {"argv": ["true"], "timeout_ms": -1}),
        ("guest.exec", {"argv": ["true"], "tty": 1}),
        ("guest.logs", {"tail": -2}),
        ("guest.http", {"method": "GET", "path": "/", "headers": [["a"]]}),
        ("guest.copy_in", {"path": 5}),
        ("guest.sync", {"time_ns": "now"}),
    ],
)
def test_wrong_parameters_are_refused_by_name(method: str, params: dict[str, Any]) -> None:
    with hosted() as agent, pytest.raises(InvalidParams):
        agent.attach().call(method, **params)


def test_answers_have_the_declared_types() -> None:
    with hosted() as agent:
        link = agent.attach()
        assert from_plain(guest.GuestInfo, link.call("guest.info").result).version
        watch = link.start("guest.watch")
        link.until(lambda: watch.items)
        assert from_plain(guest.GuestStatus, watch.items[0]).phase == "booting"
        call = link.exec("true")
        assert METHODS["guest.exec"].item is not None
        from_plain(METHODS["guest.exec"].item, call.items[0])
        from_plain(METHODS["guest.exec"].result, call.result)


def test_what_is_imported_late_is_listed_for_the_image() -> None:
    late = set()
    for path in AGENT.glob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Import):
                        late |= {alias.name for alias in node.names}
                    elif isinstance(node, ast.ImportFrom):
                        late |= {
                            f"{node.module}.{alias.name}" if node.module == "volant.agent" else str(node.module) for alias in node.names
                        }
    assert late == set(main.LAZY_MODULES)


def test_proto_and_agent_alone_answer_a_call(tmp_path: Path) -> None:
    for room in ("proto", "agent"):
        shutil.copytree(ROOT / "volant" / room, tmp_path / "volant" / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "volant/__init__.py", tmp_path / "volant")
    ours, theirs = socket.socketpair()
    argv = [sys.executable, "-I", "-S", str(HOSTED), str(tmp_path), str(theirs.fileno()), "/", "{}"]
    process = subprocess.Popen(argv, pass_fds=[theirs.fileno()], cwd=tmp_path)
    try:
        with ours, theirs:
            assert Link(ours).attach().call("guest.info").result["version"]
    finally:
        process.kill()
        process.wait()


def test_the_agent_imports_little() -> None:
    """Each of these costs 20 to 250 ms at every boot of an emulated guest."""
    heavy = {"asyncio", "dataclasses", "inspect", "subprocess", "threading", "http.client", "email", "datetime", "tarfile", "traceback"}
    heavy |= {"logging", "volant.proto.api.guest", "volant.proto.cbor", "cbor2"}
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import volant.agent.main; print(*(m for m in {heavy} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
