"""A real volantd in a folder of its own, and the `volant` command against it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.netns import NetNs
from volant.client.blocking import Client
from volant.daemon.net.names import is_tap_name
from volant.selftest.processes import vmms

START_S = 30.0
"""How long the daemon may take to listen; it takes half a second on an idle machine."""

VOLANT = (sys.executable, "-m", "volant.client.cli")
"""The `volant` command, whether or not it is installed."""

SURVIVING = "tests.fakes.volantd"
"""The program of a daemon whose VMMs are fakes that outlive it."""

HOST_KERNELS = Path(os.environ.get("VOLANT_TEST_KERNELS", "/var/lib/volant/kernels"))


class Rig:
    """One state folder, on which daemons come and go."""

    def __init__(self, root: Path, *, netns: NetNs | None = None, program: str = "volant.daemon", **settings: str) -> None:
        self.root, self._netns, self._program = root, netns, program
        self.state, self.runtime = root / "s", root / "r"
        self.socket = self.runtime / "d.sock"
        self._settings = {"state-dir": str(self.state), "runtime-dir": str(self.runtime), "socket": str(self.socket)}
        self._settings |= {name.replace("_", "-"): value for name, value in settings.items()}
        self.daemon: subprocess.Popen[bytes] | None = None
        self.state.mkdir(exist_ok=True)
        if HOST_KERNELS.is_dir() and not (self.state / "kernels").exists():
            (self.state / "kernels").symlink_to(HOST_KERNELS)

    @property
    def log(self) -> Path:
        return self.root / "volantd.log"

    def start(self, *extra: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a daemon and wait until it answers. `environ` is laid over this process's."""
        environ = {**os.environ, "VOLANT_SOCKET": str(self.socket), **(environ or {})}
        with self.log.open("ab") as log:
            popen = self._netns.popen if self._netns else subprocess.Popen
            self.daemon = popen(self.argv(*extra), stdout=log, stderr=log, env=environ)
        deadline = time.monotonic() + START_S
        while not self.answers():
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"volantd did not come up:\n{self.log.read_text()}")
            time.sleep(0.02)
        return self.daemon

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
        return True

    def argv(self, *extra: str) -> list[str]:
        """The daemon's command line, for tests that start one by themselves."""
        settings = [word for name, value in self._settings.items() for word in (f"--{name}", value)]
        return [sys.executable, "-m", self._program, *settings, *extra]

    def client(self) -> Client:
        return Client(str(self.socket))

    def volant(self, *words: str, check: bool = True, stdin: str | None = None, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """The `volant` command as a person runs it, its output caught."""
        done = subprocess.run(
            [*VOLANT, *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, "VOLANT_SOCKET": str(self.socket)},
        )
        if check and done.returncode != 0:
            said = f"{done.stdout}{done.stderr}\n{self.log.read_text()[-4000:]}"
            raise AssertionError(f"volant {' '.join(words)}: exit {done.returncode}\n{said}")
        return done

    @contextmanager
    def under_way(self, *words: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
        """The `volant` command while the block runs, then killed; its standard streams are pipes unless `options` say otherwise."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        environ = {**os.environ, "VOLANT_SOCKET": str(self.socket)}
        with subprocess.Popen([*VOLANT, *words], env=environ, **{**pipes, **options}) as client:
            try:
                yield client
            finally:
                client.kill()

    def json(self, *words: str) -> Any:
        return json.loads(self.volant(*words, "-o", "json").stdout)

    def kill(self) -> None:
        """SIGKILL the daemon."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGTERM)
        return self.daemon.wait(timeout=30)

    def vmms(self) -> list[int]:
        """Pids of the VMMs whose files lie in this rig."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                try:
                    words = (folder / "cmdline").read_bytes()
                except OSError:
                    continue
                if words.startswith(b"/") and b"qemu-system" in words and str(self.root).encode() in words:
                    found.append(int(folder.name))
        return found

    def resident_kib(self) -> int:
        """What the daemon has in memory."""
        assert self.daemon is not None
        return int(Path(f"/proc/{self.daemon.pid}/status").read_text().split("VmRSS:")[1].split()[0])

    def descriptors(self) -> int:
        """How many the daemon has open."""
        assert self.daemon is not None
        return len(os.listdir(f"/proc/{self.daemon.pid}/fd"))

    def taps(self) -> frozenset[str]:
        """Names of the VMs' taps in this rig's network namespace; none without one, where they could be anybody's."""
        if self._netns is None:
            return frozenset()
        words = self._netns.run("ip", "-br", "link", "show", "type", "tun").splitlines()
        return frozenset(name for line in words if is_tap_name(name := line.split()[0]))

    def close(self) -> None:
        if self.daemon is not None and self.daemon.poll() is None:
            self.kill()
        for pid in {*self.vmms(), *vmms(self.runtime)}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def rig(*, netns: NetNs | None = None, program: str = "volant.daemon", **settings: str) -> Iterator[Rig]:
    """A rig in a short temporary folder; whatever the test left is killed at the end."""
    root = Path(tempfile.mkdtemp(prefix="vl-"))
    # A daemon that is root runs VMs as another user where the host has that one.
    root.chmod(0o711)
    made = Rig(root, netns=netns, program=program, **settings)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(root, ignore_errors=True)
