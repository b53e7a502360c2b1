"""Guests without Volant: raw QEMU, and the floor, a guest that does as little as a Python agent can do."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from volant.fledge.agentimage import frozen, init_script, interpreter
from volant.fledge.cpio import Entry, Writer
from volant.fledge.elf import library_closure, loadable
from volant.fledge.modules import load_order

POLL_S = 0.001
"""How often a console's log is looked at; half of it is how late a line is seen on average, with and without Volant alike."""
BOOT_S = 60.0
"""A guest that takes longer hangs."""

AGENT_LINE, READY_LINE = b"kestrel: starting", b"kestrel: ready"
"""The agent has done its part: it serves its channel and has started the workload. The workload is healthy."""

FLOOR_LINE = b"floor: ready"

FLOOR_MODULES = ("virtio_mmio", "virtio_console")
FLOOR_AGENT = '''"""Mount what is needed, load the drivers, import what an agent needs, open the port, say so."""

import ctypes
import json
import os
import selectors
import socket
import subprocess
import threading
import time

libc = ctypes.CDLL(None)


def boot():
    for source, target in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")):
        libc.mount(source.encode(), target.encode(), source.encode(), 0, None)
    for number in range({modules}):
        libc.syscall(313, os.open(f"/modules/{{number}}.ko", os.O_RDONLY), b"", 0)
    while True:
        try:
            (name,) = os.listdir("/sys/class/virtio-ports")
            port = os.open(f"/dev/{{name}}", os.O_RDWR)
            break
        except (OSError, ValueError):
            time.sleep(0.005)
    print("{line}", flush=True)
    while True:
        time.sleep(1_000)
'''


@dataclass(frozen=True, slots=True)
class Media:
    """What a guest boots from."""

    kernel: str
    initramfs: str
    cmdline: str
    memory: str = "128M"

    @classmethod
    def of_process(cls, pid: int) -> Media:
        """Those of a running QEMU."""
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        kernel, initramfs, cmdline, memory = (words[words.index(flag) + 1] for flag in ("-kernel", "-initrd", "-append", "-m"))
        return cls(kernel, initramfs, cmdline, memory)


class ConsoleWatch:
    """Looks for lines in a console's log as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = b""

    def wait(self, line: bytes) -> float:
        """When (perf_counter) `line` was first seen; AssertionError with the console's end when it doesn't come."""
        deadline = time.perf_counter() + BOOT_S
        while line not in self._seen:
            self._seen = self._path.read_bytes()
            now = time.perf_counter()
            assert now < deadline, f"no {line!r} on the console: {self._seen[-2000:]!r}"
            time.sleep(POLL_S)
        return now


class WatchedVm:
    """When (perf_counter) the next VM in a state folder was started, had its agent up, and got ready."""

    def __init__(self) -> None:
        self.started = 0.0
        self.agent = 0.0
        self.ready = 0.0

    def follow(self, vms: Path, before: set[str]) -> None:
        """Until it is ready."""
        console: Path | None = None
        while console is None:
            console = next((log for name in set(os.listdir(vms)) - before if (log := vms / name / "console.log").exists()), None)
            self.started = time.perf_counter()
            time.sleep(POLL_S)
        watch = ConsoleWatch(console)
        self.agent = watch.wait(AGENT_LINE)
        self.ready = watch.wait(READY_LINE)


@contextmanager
def watch_new_vm(vms: Path) -> Iterator[WatchedVm]:
    """Watch for the VM that is made and gets ready in the block; its times are known after it."""
    watched = WatchedVm()
    thread = threading.Thread(target=watched.follow, args=(vms, set(os.listdir(vms))))
    thread.start()
    yield watched
    thread.join()


@dataclass(frozen=True, slots=True)
class RawGuest:
    """QEMU started by hand."""

    pid: int
    console: ConsoleWatch


@contextmanager
def raw_guest(folder: Path, media: Media) -> Iterator[RawGuest]:
    """QEMU started by hand, with the agent's port and nothing more; killed at the end."""
    console, port = folder / "raw.log", folder / "raw.sock"
    console.write_bytes(b"")
    argv = [
        "qemu-system-x86_64", "-M", "microvm,accel=tcg,pit=on,pic=on,rtc=on,acpi=on,usb=off,graphics=off", "-cpu", "max",
        "-m", media.memory, "-smp", "1", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", f"file:{console}",
        "-global", "virtio-mmio.force-legacy=false", "-device", "virtio-serial-device,id=vs",
        "-chardev", f"socket,id=ag,path={port},server=on,wait=off",
        "-device", "virtserialport,bus=vs.0,chardev=ag,name=org.volant.agent.0",
        "-kernel", media.kernel, "-initrd", media.initramfs, "-append", media.cmdline,
    ]  # fmt: skip
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as qemu:
        try:
            yield RawGuest(qemu.pid, ConsoleWatch(console))
        finally:
            qemu.kill()


def cpu_ms(pid: int) -> float:
    """CPU time that a process's threads have used. See sched-stats in the kernel's documentation: nanoseconds on the CPU come first."""
    return sum(int(thread.joinpath("schedstat").read_text().split()[0]) for thread in Path(f"/proc/{pid}/task").iterdir()) / 1_000_000


def write_floor_image(path: Path, kernel_modules: Path) -> None:
    """The floor's initramfs: interpreter, its libraries, compiled standard library, two drivers, raw."""
    root = path.parent / "floor"
    root.mkdir()
    modules = load_order(kernel_modules, FLOOR_MODULES, FLOOR_MODULES)
    (root / "floor.py").write_text(FLOOR_AGENT.format(modules=len(modules), line=FLOOR_LINE.decode()))
    python = frozen(interpreter(), root, ("floor",))
    programs = {str(place): place for place in (python.executable, *map(Path, python.extensions))}
    files = {
        place: loadable(source.read_bytes(), str(source)) for place, source in (programs | library_closure([*programs.values()])).items()
    }
    files |= python.files
    files |= {f"/modules/{number}.ko": module.data for number, module in enumerate(modules)}
    files["/init"] = init_script("#!\nimport floor\n\nfloor.boot()\n", python.executable)
    with path.open("wb") as file:
        writer = Writer(file)
        for folder in sorted(_folders([*files, *(f"{folder}/" for folder in python.folders), "/proc/", "/sys/", "/dev/"])):
            writer.directory(folder)
        writer.add(Entry(name="dev/console", mode=0o020600, device=(5, 1)))
        for place, data in files.items():
            writer.file(place.lstrip("/"), data, mode=0o755)
        writer.close()


def _folders(places: list[str]) -> set[str]:
    """Every folder on the way to each place."""
    found: set[str] = set()
    for place in places:
        parts = os.path.dirname(place).strip("/").split("/")
        found |= {"/".join(parts[:size]) for size in range(1, len(parts) + 1)}
    return found - {""}
