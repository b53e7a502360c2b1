"""A hostile daemon before each of the clients: they end with what was asked for or with one clear fault, and never hang."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.hostile_daemon import ID, PATIENCE_S, HostileDaemon, hostile_daemon, item, reply
from tests.fuzz.mutants import TEXTS, Words, declared, mutants
from tests.fuzz.running import Property
from tests.fuzz.sessions import METHODS
from tests.fuzz.zygote import CRASHED
from tests.vectors.make import MESSAGES
from volant.client import AsyncClient, Client
from volant.proto.errors import ExitCode, Fault
from volant.proto.messages import Kind
from volant.proto.method import Method, Shape

TAKEN = 200
"""Items that a client takes of a stream before it has seen enough."""

_TIMES = st.sampled_from(["2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00Z", ""]) | TEXTS
_WORDS: Words = {
    "name": st.sampled_from(["web", "web-1"]) | TEXTS,
    "status": st.sampled_from(["ready", "failed", "progressing"]),
    **dict.fromkeys(("time", "created_at", "started_at", "ready_at", "stopped_at", "installed_at", "next_try_at", "since"), _TIMES),
}  # fmt: skip
_FAULT = mutants(st.just(next(said.message[2] for said in MESSAGES if said.name == "fault")))


def answers(method: Method[Any, Any]) -> st.SearchStrategy[list[Any]]:
    """What a daemon says to one call: items and a reply as declared, with few places of them changed."""
    result = mutants(declared(method.result, _WORDS), most=2)
    ends = st.lists(result.map(reply), max_size=1) | _FAULT.map(lambda fault: [[int(Kind.FAULT), ID, fault]])
    moved: st.SearchStrategy[list[Any]] = st.just([])
    if method.item is not None:
        moved = st.lists(mutants(declared(method.item, _WORDS), most=1).map(item), max_size=3)
    if method.shape is Shape.BYTES:
        data = st.tuples(st.just(int(Kind.DATA)), st.just(ID), st.integers(0, 2), st.binary(max_size=30)).map(list)
        close = st.tuples(st.just(int(Kind.END)), st.just(ID), st.integers(1, 2)).map(list)
        moved = st.builds(list.__add__, moved, st.lists(data | close, max_size=3))
    return mutants(st.builds(list.__add__, moved, ends), most=1).map(lambda said: said if isinstance(said, list) else [said])


def scripts(*methods: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "greets": st.integers(0, 9).map(bool),
            "answers": st.fixed_dictionaries({name: answers(METHODS[name]) for name in methods}),
            "damage": st.just([]) | st.just([]) | st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)).map(list), max_size=3),
            "endless": st.sampled_from([None] * 9 + [item({}), item("x" * 100)]),
        }
    )


SDK_CASES = st.sampled_from(sorted(METHODS)).flatmap(lambda name: st.tuples(st.just(name), scripts(name)))

SHOWN: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("vm", "list"), ("vm.list",)), (("vm", "get", "web"), ("vm.get", "vm.list")), (("vm", "config", "web"), ("vm.config",)),
    (("vm", "history", "web"), ("vm.config_history",)), (("vm", "diff", "web", "1", "2"), ("vm.config_diff",)),
    (("vm", "actions", "web"), ("vm.actions",)), (("explain", "vm", "web"), ("vm.explain",)), (("plugin", "list"), ("plugin.list",)),
    (("plugin", "show", "hello"), ("plugin.show",)), (("deployment", "list"), ("deployment.list",)),
    (("deployment", "get", "web"), ("deployment.get",)), (("deployment", "history", "web"), ("deployment.history",)),
    (("event", "list"), ("event.list",)), (("system", "info"), ("system.info",)), (("ledger",), ("system.ledger",)),
)  # fmt: skip
"""Commands that show records in any format, and the methods that they call."""

_BRIEFLY = ("--reconnect", "200ms")
DONE: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("vm", "create", "web", "--plugin", "hello", "--wait"), ("vm.create", "vm.wait", "vm.get", "event.follow")),
    (("vm", "stop", "web"), ("vm.stop", "vm.list")), (("vm", "start", "web", "--wait"), ("vm.start", "vm.wait")),
    (("vm", "delete", "web", "--force"), ("vm.delete",)), (("vm", "wait", "web", "--for", "ready"), ("vm.wait",)),
    (("vm", "call", "web", "greet"), ("vm.call", "vm.actions")), (("vm", "exec", "web", "--", "true"), ("vm.exec",)),
    (("vm", "logs", "web", *_BRIEFLY), ("vm.logs", "vm.get")), (("vm", "console", "web", "--read-only"), ("vm.console",)),
    (("vm", "set", "web", "--memory", "256"), ("vm.patch", "vm.config")), (("plugin", "remove", "hello"), ("plugin.remove",)),
    (("deployment", "status", "web", *_BRIEFLY), ("deployment.status",)), (("deployment", "scale", "web", "2"), ("deployment.scale",)),
    (("events", "--follow", *_BRIEFLY), ("event.list", "event.follow")), (("system", "ping"), ("system.ping",)),
)  # fmt: skip
"""Commands that do something."""

_FORMATS = st.sampled_from(["table", "wide", "json", "yaml", "tsv", "name"])
CLI_CASES = st.sampled_from(SHOWN).flatmap(
    lambda known: st.tuples(_FORMATS.map(lambda shown: [*known[0], "-o", shown]), scripts(*known[1]))
) | st.sampled_from(DONE).flatmap(lambda known: st.tuples(st.just(list(known[0])), scripts(*known[1])))


@contextmanager
def client() -> Iterator[Sequence[Property]]:
    with tempfile.TemporaryDirectory(prefix="vl-") as folder:
        path = Path(folder) / "s"
        with hostile_daemon(path) as daemon, command(path) as volant:
            yield [
                Property("the blocking client ends well or with a fault", SDK_CASES, lambda case: check_blocking(daemon, path, case)),
                Property("the asyncio client ends well or with a fault", SDK_CASES, lambda case: check_asyncio(daemon, path, case)),
                Property("the command ends well or with one clear error", CLI_CASES, lambda case: check_command(daemon, volant, case)),
            ]


def check_blocking(daemon: HostileDaemon, path: Path, case: tuple[str, dict[str, Any]]) -> None:
    name, script = case
    daemon.play(script)
    began = time.monotonic()
    try:
        with Client(str(path)) as client:
            use(client, METHODS[name])
    except Fault as fault:
        check_fault(fault)
    check_end(daemon, METHODS[name], began)


def use(client: Client, method: Method[Any, Any]) -> None:
    """One call, typed."""
    params = smallest(method)
    if method.shape is Shape.UNARY:
        client.call(method, params)
    elif method.shape is Shape.STREAM:
        with client.stream(method, params) as stream:
            for _, _ in zip(range(TAKEN), stream, strict=False):
                pass
    else:
        with client.bytes_call(method, params) as call:
            call.try_send(0, b"hello")
            for _, _ in zip(range(TAKEN), call, strict=False):
                pass


def check_asyncio(daemon: HostileDaemon, path: Path, case: tuple[str, dict[str, Any]]) -> None:
    name, script = case
    daemon.play(script)
    began = time.monotonic()
    try:
        asyncio.run(use_asyncio(path, METHODS[name]))
    except Fault as fault:
        check_fault(fault)
    check_end(daemon, METHODS[name], began)


async def use_asyncio(path: Path, method: Method[Any, Any]) -> None:
    params = smallest(method)
    async with AsyncClient(str(path)) as client:
        if method.shape is Shape.UNARY:
            await client.call(method, params)
            return
        taken = 0
        async with client.stream(method, params) if method.shape is Shape.STREAM else client.bytes_call(method, params) as call:
            async for _ in call:
                taken += 1
                if taken == TAKEN:
                    break


def smallest(method: Method[Any, Any]) -> Any:
    """Parameters that are enough."""
    given = {"manifest": {}, "argv": ("true",), "token": 1, "old": 1, "new": 2, "version": 1, "replicas": 1, "until": "ready", "cursor": ""}
    required = [one.name for one in fields(method.params) if one.default is MISSING and one.default_factory is MISSING]
    return method.params(**{name: given.get(name, "web") for name in required})


def check_fault(fault: Fault) -> None:
    assert str(fault) == fault.message and fault.exit_code in set(ExitCode), repr(fault)


def check_end(daemon: HostileDaemon, method: Method[Any, Any], began: float) -> None:
    assert time.monotonic() - began < PATIENCE_S, "it hung"
    assert not daemon.overheard or method.shape is not Shape.UNARY, "it listened to a daemon that never answered"


# ------------------------------------------------------------------------------------------------------------------- the command


@contextmanager
def command(socket: Path) -> Iterator[subprocess.Popen[str]]:
    """The `volant` command, many times; ends when nobody asks for more."""
    environ = {**os.environ, "VOLANT_SOCKET": str(socket), "NO_COLOR": "1"}
    zygote = [sys.executable, "-m", "tests.fuzz.zygote"]
    with subprocess.Popen(zygote, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ) as process:
        yield process


def check_command(daemon: HostileDaemon, volant: subprocess.Popen[str], case: tuple[list[str], dict[str, Any]]) -> None:
    words, script = case
    daemon.play(script)
    assert volant.stdin is not None and volant.stdout is not None
    volant.stdin.write(json.dumps([words, PATIENCE_S]) + "\n")
    volant.stdin.flush()
    code, out, err = json.loads(volant.stdout.readline())
    shown = f"volant {' '.join(words)}: exit {code}\n{out[-2_000:]}{err[-4_000:]}"
    assert code is not None, f"it hung: {shown}"
    assert code != CRASHED and "Traceback" not in err, shown
    if "--" in words:  # the program's own exit code is passed on
        return
    assert code in set(ExitCode), shown
    complaints = [line for line in err.splitlines() if line.startswith(("error: ", '{"code": '))]
    if words[0] != "ledger" or complaints:  # its exit code says, too, that something is wrong on the host
        assert len(complaints) == (1 if code else 0), shown
    assert not complaints or not complaints[0].startswith("error: volant "), f"the command line is wrong: {shown}"
