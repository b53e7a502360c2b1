"""`volant@.service` in the hands of a manager that keeps the rules of systemd.service(5): started, heard, stopped, started again."""

from __future__ import annotations

import configparser
import os
import signal
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.hello import hello
from tests.patience import PATIENCE_S, until
from tests.rig import SURVIVING, VOLANT, Rig, rig
from volant.client.cli.running.outcome import CRASHED, FENCED

UNIT = Path(__file__).resolve().parents[3] / "contrib" / "systemd" / "volant@.service"

CREDENTIALS = struct.Struct("3i")
"""struct ucred of unix(7): pid, uid, gid."""


class Manager:
    """Runs the instance `web` of the unit, as Type=notify, NotifyAccess=main and Restart=on-failure say."""

    def __init__(self, host: Rig, address: str, environment: dict[str, str]) -> None:
        """`environment`: what the unit's EnvironmentFile has."""
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.read(UNIT)
        self._service = unit["Service"]
        self._host, self._address, self._environment = host, address, environment
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(address.replace("@", "\0", 1))
        self._socket.settimeout(0.05)
        self.process: subprocess.Popen[bytes]
        self.told: list[str] = []
        """What the present process has said."""

    def start(self) -> None:
        """Return once it says that it is ready."""
        words = self._service["ExecStart"].replace("%i", "web").split()[1:]
        filled = [part for word in words for part in (self._environment.get(word[1:], "").split() if word.startswith("$") else [word])]
        environ = {**os.environ, "VOLANT_SOCKET": str(self._host.socket), "NOTIFY_SOCKET": self._address}
        self.told = []
        self.process = subprocess.Popen([*VOLANT, *filled], env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        until(self.heard("READY=1"))

    def heard(self, line: str) -> Callable[[], bool]:
        """Whether the process has said this; nobody else is listened to."""

        def look() -> bool:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(4_096, socket.CMSG_SPACE(CREDENTIALS.size))
            except TimeoutError:
                return line in self.told
            [(_, _, credentials)] = ancillary
            if CREDENTIALS.unpack(credentials)[0] == self.process.pid:
                self.told += data.decode().splitlines()
            return line in self.told

        return look

    def stop(self) -> int:
        """As `systemctl stop` does; the exit code."""
        self.process.terminate()
        return self.process.wait(int(self._service["TimeoutStopSec"].removesuffix("s")))

    def starts_again(self) -> bool:
        """Once the process has ended by itself: whether Restart=on-failure starts another one, which then is ready."""
        code = self.process.wait(PATIENCE_S)
        succeeded = code in (0, -signal.SIGTERM, int(self._service["SuccessExitStatus"]))
        if succeeded or str(code) in self._service["RestartPreventExitStatus"].split():
            return False
        self.start()
        return True

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._socket.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(program=SURVIVING, network="none") as made:
        made.start()
        made.volant("plugin", "install", hello(tmp_path_factory.mktemp("hello")))
        yield made


@pytest.fixture
def manager(request: pytest.FixtureRequest, host: Rig) -> Iterator[Manager]:
    """The unit, started and ready; it speaks to a path, or with the parameter `@` to an abstract address."""
    address = f"@{host.root.name}" if getattr(request, "param", "") == "@" else str(host.root / "notify")
    made = Manager(host, address, {"PLUGIN": "hello", "OPTIONS": "--memory 192M --label unit=yes"})
    made.start()
    yield made
    made.close()
    host.volant("vm", "delete", "web", "--force")
    (host.root / "notify").unlink(missing_ok=True)


def vm(host: Rig) -> Any:
    return host.json("vm", "get", "web")


@pytest.mark.parametrize("manager", ["", "@"], indirect=True)
def test_it_is_ready_with_its_vm_and_stops_with_it(host: Rig, manager: Manager) -> None:
    found = vm(host)
    assert (found["status"], found["memory_mb"], found["labels"]["unit"]) == ("ready", 192, "yes")
    assert found["lease"]["engine_id"] == "volant@web" and str(manager.process.pid) in found["lease"]["holder"]
    assert "STATUS=web is ready" in manager.told
    assert manager.stop() == 128 + signal.SIGTERM
    until(manager.heard("STOPPING=1"))
    assert not manager.starts_again()
    assert vm(host)["status"] == "stopped" and not vm(host)["lease"]["holder"]


def test_a_killed_runner_is_started_again_and_has_the_same_vm(host: Rig, manager: Manager) -> None:
    before = vm(host)
    manager.process.kill()
    assert manager.starts_again()
    assert (vm(host)["boot"], vm(host)["pid"]) == (1, before["pid"])
    assert manager.stop() == 128 + signal.SIGTERM


def test_a_vm_that_crashes_is_started_again(host: Rig, manager: Manager) -> None:
    os.kill(vm(host)["pid"], signal.SIGKILL)
    assert manager.process.wait(PATIENCE_S) == CRASHED
    assert manager.starts_again()
    assert (vm(host)["boot"], vm(host)["status"]) == (2, "ready")


def test_restarts_of_the_daemon_are_not_its_business(host: Rig, manager: Manager) -> None:
    before = vm(host)
    host.stop()
    until(manager.heard("STATUS=volantd is away; the VM goes on"))
    host.start()
    until(lambda: vm(host)["lease"]["connected"])
    assert manager.process.poll() is None and vm(host)["pid"] == before["pid"]
    assert manager.stop() == 128 + signal.SIGTERM


def test_one_that_was_replaced_stays_down(host: Rig, manager: Manager) -> None:
    with host.under_way("run", "--reattach", "--engine-id", "other", "--name", "web"):
        assert manager.process.wait(PATIENCE_S) == FENCED
        assert not manager.starts_again()
        assert vm(host)["status"] == "ready"
