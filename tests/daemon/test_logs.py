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

from volant.daemon.logs import is_journal, set_up

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
