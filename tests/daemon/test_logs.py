"""Log lines: for people, for programs, and for the journal."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import NamedTuple, TextIO

import pytest
import trio
import trio.testing

from volant.daemon.events import MAX_BEHIND, Hub
from volant.daemon.logs import is_journal, set_up, tell_events
from volant.proto.api.event import Event

log = logging.getLogger("volant.test")


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """The root logger is everybody's: give it back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # `force` would close those of pytest
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Journal(NamedTuple):
    reader: socket.socket
    environ: dict[str, str]
    stderr: TextIO


@pytest.fixture
def journal() -> Iterator[Journal]:
    """What systemd gives a service as stderr, and the environment that says so."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        found = os.fstat(theirs.fileno())
        with open(theirs.fileno(), "w", closefd=False) as stream:
            yield Journal(ours, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}, stream)


def logged(format: str, level: str = "info") -> StringIO:
    stream = StringIO()
    set_up(level=level, format=format, environ={}, stream=stream)
    return stream


def fail() -> None:
    try:
        raise ValueError("so\nbad")
    except ValueError:
        log.exception("it failed")


def test_a_line_for_people_has_time_level_and_logger() -> None:
    stream = logged("text")
    log.info("VM %s started", "web")
    log.debug("unseen")
    time, rest = stream.getvalue().split(" ", 1)
    assert len(time) == len("2026-01-31T12:00:00.123Z") and time.endswith("Z")
    assert rest == "info volant.test: VM web started\n"


def test_nobody_can_forge_a_line_or_drive_the_terminal() -> None:
    stream = logged("text")
    log.info("peer said %s", "x\n2026 error volant: all lost\x1b[2J\u2028\x9b")
    assert stream.getvalue().count("\n") == 1
    assert "x\\u000a2026 error volant: all lost\\u001b[2J\\u2028\\u009b" in stream.getvalue()


def test_a_line_for_programs_is_one_object_with_what_is_known() -> None:
    stream = logged("json")
    log.warning("it\nhappened", extra={"vm": "web", "event": "VM_CRASHED"})
    log.info("plain", extra={"vm": ""})
    fail()
    first, second, third = (json.loads(line) for line in stream.getvalue().splitlines())
    assert {key: first[key] for key in ("level", "logger", "message", "vm", "event")} == {
        "level": "warning",
        "logger": "volant.test",
        "message": "it\nhappened",
        "vm": "web",
        "event": "VM_CRASHED",
    }
    assert first["time"].endswith("Z") and set(second) == {"time", "level", "logger", "message"}
    assert third["level"] == "error" and "ValueError: so\nbad" in third["trace"]


def test_the_journal_gets_a_priority_on_every_line_and_no_time(journal: Journal) -> None:
    set_up(level="debug", format="text", environ=journal.environ, stream=journal.stderr)
    log.debug("a")
    log.info("b")
    log.warning("c")
    fail()
    lines = journal.reader.recv(65_536).decode().splitlines()
    assert lines[:4] == [
        "<7>debug volant.test: a",
        "<6>info volant.test: b",
        "<4>warning volant.test: c",
        "<3>error volant.test: it failed",
    ]
    assert len(lines) > 6 and all(line.startswith("<3>") for line in lines[3:])


def test_json_in_the_journal_has_its_priority_too(journal: Journal) -> None:
    set_up(level="info", format="json", environ=journal.environ, stream=journal.stderr)
    log.error("x")
    line = journal.reader.recv(65_536).decode()
    assert line.startswith("<3>{") and json.loads(line[3:])["message"] == "x"


def test_stderr_that_was_redirected_is_not_the_journal(journal: Journal, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        assert not is_journal(journal.environ, stream)
    assert not is_journal(journal.environ, StringIO())
    assert not is_journal({}, stream)


async def test_what_happens_is_logged_with_vm_and_event_but_not_what_guests_say() -> None:
    stream = logged("json")
    hub = Hub(newest=0, encode=lambda _event: b"")
    told = (
        ("VM_READY", "web", ""),
        ("VM_LOG", "web", "secret"),
        ("VM_CRASHED", "web", "it is gone"),
        ("PLUGIN_REMOVED", "", "hello 1.0.0"),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell_events, hub)
        await trio.testing.wait_all_tasks_blocked()
        hub.publish(tuple(happened(seq, *one) for seq, one in enumerate(told, 1)))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["level"], line["message"], line.get("vm"), line["event"]) for line in lines] == [
        ("info", "VM web: VM_READY", "web", "VM_READY"),
        ("warning", "VM web: VM_CRASHED: it is gone", "web", "VM_CRASHED"),
        ("info", "PLUGIN_REMOVED: hello 1.0.0", None, "PLUGIN_REMOVED"),
    ]


async def test_a_burst_that_is_too_much_for_the_log_does_not_end_it() -> None:
    stream = logged("json")
    hub = Hub(newest=0, encode=lambda _event: b"")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell_events, hub)
        await trio.testing.wait_all_tasks_blocked()
        hub.publish(tuple(happened(seq, "VM_READY", "web", "") for seq in range(1, MAX_BEHIND + 2)))
        await trio.testing.wait_all_tasks_blocked()
        hub.publish((happened(MAX_BEHIND + 2, "VM_STOPPED", "web", ""),))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    first, *_, last = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["level"] == "warning" and "too slowly" in first["message"]
    assert last["event"] == "VM_STOPPED"


def happened(seq: int, kind: str, vm: str, message: str) -> Event:
    return Event(seq=seq, time="2026-01-31T12:00:00.000Z", kind=kind, vm=vm, vm_id=vm, message=message, data={})
