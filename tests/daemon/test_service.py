"""The daemon as a service manager and the host's users meet it: real processes, with guests of the fake's."""

from __future__ import annotations

import grp
import json
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests import strangers
from tests.patience import until
from tests.rig import START_S, VOLANT, Rig, rig
from volant.daemon.rpc.listener import bind_socket
from volant.proto.errors import ExitCode

STRANGER = 54_321
"""A uid and gid that nobody has."""


@pytest.fixture
def house() -> Iterator[Rig]:
    with rig(hypervisor="fake", network="none") as made:
        yield made


@pytest.fixture
def manager(house: Rig) -> Iterator[socket.socket]:
    """What listens at NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(house.root / "notify"))
        bound.settimeout(START_S)
        yield bound


def heard_until(manager: socket.socket, line: str) -> list[str]:
    """The lines of all messages up to and with the one that holds `line`."""
    found: list[str] = []
    while line not in found:
        found += manager.recv(4_096).decode().split("\n")
    return found


def test_a_second_signal_while_it_stops_changes_nothing(house: Rig, manager: socket.socket) -> None:
    environ = {**os.environ, "NOTIFY_SOCKET": str(house.root / "notify")}
    house.daemon = daemon = subprocess.Popen(house.argv(), env=environ, stderr=subprocess.PIPE)
    heard_until(manager, "READY=1")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        daemon.send_signal(number)
    _, said = daemon.communicate(timeout=START_S)
    assert daemon.returncode == 0 and b"Traceback" not in said


def test_the_manager_hears_ready_status_signs_of_life_and_stopping(house: Rig, manager: socket.socket) -> None:
    environ = {**os.environ, "NOTIFY_SOCKET": str(house.root / "notify"), "WATCHDOG_USEC": "100000"}
    house.daemon = subprocess.Popen(house.argv(), env=environ, stderr=subprocess.PIPE)
    said = heard_until(manager, "READY=1")
    assert said.count("READY=1") == 1
    # Whoever is told so connects at once, and is answered.
    house.volant("system", "ping", timeout=START_S)
    assert "STATUS=0 VMs" in said + heard_until(manager, "WATCHDOG=1")
    heard_until(manager, "WATCHDOG=1")
    house.daemon.terminate()
    assert "STOPPING=1" in heard_until(manager, "STATUS=stopping; the VMs go on")
    house.daemon.communicate(timeout=START_S)
    assert house.daemon.returncode == 0


def test_a_daemon_that_cannot_start_is_never_ready(house: Rig, manager: socket.socket) -> None:
    house.socket.parent.mkdir()
    house.socket.write_text("in the way")
    done = subprocess.run(
        house.argv(), env={**os.environ, "NOTIFY_SOCKET": str(house.root / "notify")}, capture_output=True, text=True, timeout=START_S
    )
    assert done.returncode == ExitCode.CONFLICT
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            assert b"READY" not in manager.recv(4_096)


# --------------------------------------------------------------------------------------------------------------- socket activation


def activated(listening: list[socket.socket], argv: list[str]) -> subprocess.Popen[bytes]:
    """Start a program as systemd does: the sockets from descriptor 3 on, and variables that name the process."""
    fds = [one.fileno() for one in listening]
    program = (
        "import fcntl, os, sys\n"
        f"copies = [fcntl.fcntl(fd, fcntl.F_DUPFD, 64) for fd in {fds}]\n"  # so that none is overwritten before its turn
        "for place, copy in enumerate(copies, 3): os.dup2(copy, place)\n"
        "os.environ['LISTEN_PID'] = str(os.getpid())\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, *argv],
        pass_fds=fds,
        env={**os.environ, "LISTEN_FDS": str(len(listening))},
        stderr=subprocess.PIPE,
    )


def test_a_socket_that_was_passed_is_served_and_left_where_it_is(house: Rig) -> None:
    house.runtime.mkdir()
    with bind_socket(house.socket) as listening:
        inode = house.socket.stat().st_ino
        for _ in range(2):  # the second daemon serves whoever came while there was none
            with house.under_way("vm", "list", "-o", "json") as early:
                until(lambda: bool(select.select([listening], [], [], 0)[0]))
                house.daemon = started = activated([listening], house.argv())
                shown, _ = early.communicate(timeout=START_S)
                assert (early.returncode, json.loads(shown)["items"]) == (ExitCode.OK, [])
            assert house.stop() == 0
            started.communicate()
            assert house.socket.stat().st_ino == inode


def test_the_socket_that_was_passed_may_be_another_than_the_settings_name(house: Rig) -> None:
    path = house.root / "other.sock"
    with bind_socket(path) as listening:
        house.daemon = started = activated([listening], house.argv("--log-format", "json"))
        done = house.volant("--socket", str(path), "system", "info", "-o", "json", timeout=START_S)
        assert json.loads(done.stdout)["socket"] == str(path) and not house.socket.exists()
        assert house.stop() == 0
        started.communicate()


@pytest.mark.parametrize(
    ("kind", "count", "says"), [(socket.SOCK_DGRAM, 1, "no listening Unix stream socket"), (socket.SOCK_STREAM, 2, "passed 2 sockets")]
)
def test_other_sockets_are_refused(house: Rig, kind: socket.SocketKind, count: int, says: str) -> None:
    passed = [socket.socket(socket.AF_UNIX, kind) for _ in range(count)]
    try:
        ended = activated(passed, house.argv())
        _, errors = ended.communicate(timeout=START_S)
        assert ended.returncode == ExitCode.USAGE and says.encode() in errors and b"volantd.socket" in errors
    finally:
        for one in passed:
            one.close()


def test_systemd_activates_it(house: Rig) -> None:
    program = shutil.which("systemd-socket-activate")
    if program is None:
        assert not os.environ.get("CI"), "systemd-socket-activate is missing"
        pytest.skip("systemd-socket-activate is not installed")
    house.runtime.mkdir()
    with house.log.open("w") as log:
        house.daemon = subprocess.Popen([program, "-l", str(house.socket), *house.argv()], stderr=log)
    until(house.socket.exists)
    done = house.volant("system", "info", "-o", "json", timeout=START_S)
    assert json.loads(done.stdout)["pid"] == house.daemon.pid
    assert house.stop() == 0
    assert house.socket.exists()


# ------------------------------------------------------------------------------------------------------------------ who may do what


def as_stranger(house: Rig, *words: str, groups: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """The `volant` command as a user that is in these groups alone."""
    house.root.chmod(0o755)
    return subprocess.run(
        strangers.as_stranger([*VOLANT, *words], uid=STRANGER, groups=[grp.getgrnam(name).gr_gid for name in groups]),
        capture_output=True,
        text=True,
        timeout=START_S,
        env={**os.environ, "VOLANT_SOCKET": str(house.socket), "HOME": "/"},
    )


@pytest.mark.root
def test_the_group_may_do_everything_readers_may_look_and_others_are_told_why_not() -> None:
    with rig(hypervisor="fake", network="none", socket_group="games", readonly_group="news") as house:
        house.start()
        found = house.socket.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o660, 0, grp.getgrnam("games").gr_gid)
        delete = ("vm", "delete", "nobody")

        assert as_stranger(house, "vm", "list", groups=("games",)).returncode == ExitCode.OK
        assert as_stranger(house, *delete, groups=("games",)).returncode == ExitCode.NOT_FOUND

        assert as_stranger(house, "vm", "list", groups=("news",)).returncode == ExitCode.OK
        refused = as_stranger(house, *delete, groups=("news",))
        assert refused.returncode == ExitCode.PERMISSION
        assert f"you (uid:{STRANGER}) may look, but not call vm.delete" in refused.stderr and "join the group 'games'" in refused.stderr

        outside = as_stranger(house, "vm", "list", groups=("adm",))
        assert outside.returncode == ExitCode.PERMISSION
        assert f"you may not open {house.socket}" in outside.stderr and "join the group 'games'" in outside.stderr

        house.socket.chmod(0o666)  # widens who may connect, and nothing else
        let_in = as_stranger(house, "vm", "list", groups=("adm",))
        assert let_in.returncode == ExitCode.PERMISSION
        assert f"you (uid:{STRANGER}) may not use this daemon" in let_in.stderr and "join the group 'news' to look" in let_in.stderr


@pytest.mark.root
def test_readers_may_open_a_socket_that_was_passed(house: Rig) -> None:
    house.runtime.mkdir()
    with bind_socket(house.socket, group="games") as listening:
        house.daemon = started = activated([listening], house.argv("--socket-group", "games", "--readonly-group", "news"))
        house.volant("vm", "list", timeout=START_S)
        assert as_stranger(house, "vm", "list", groups=("news",)).returncode == ExitCode.OK
        assert house.stop() == 0
        started.communicate()


def test_a_group_of_readers_that_does_not_exist_is_said_so(house: Rig) -> None:
    house.start("--readonly-group", "no-such-group")
    house.volant("system", "ping")  # the socket listens before this is said, and answers after it
    assert "the group 'no-such-group' does not exist" in house.log.read_text()


# ------------------------------------------------------------------------------------------------------------------------- the log


def test_the_log_for_programs_is_json_from_the_first_line_to_the_last(house: Rig) -> None:
    house.start("--log-format", "json", environ={"VOLANT_API_KEY": "k"})
    house.stop()
    lines = [json.loads(line) for line in house.log.read_text().splitlines()]
    assert lines[0]["level"] == "warning" and lines[0]["message"].startswith("VOLANT_API_KEY has no effect")
    assert any(line["message"] == f"volantd serves {house.socket}" for line in lines)
    assert any(line["message"] == "SIGTERM: stopping; the VMs go on" for line in lines)
