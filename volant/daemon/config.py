"""What the daemon can be told: one frozen value, from `VOLANT_*` variables and flags over built-in defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from volant.proto.errors import InvalidParams
from volant.proto.specs.states import NetworkMode

ENV_PREFIX = "VOLANT_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting of `volantd`; each is also `VOLANT_<NAME>` and `--<name>`."""

    state_dir: Path
    """Disks, images, kernels and the database."""
    runtime_dir: Path
    """Sockets; short, since a socket's path may have 107 bytes."""
    socket: Path
    socket_group: str = "volant"
    """Group that may use the socket, where it exists."""
    hypervisor: str = "qemu"
    """qemu or fake."""
    accel: str = "auto"
    """auto, kvm or tcg."""
    kernel: str = ""
    """Path of the guests' kernel; empty: the one set up in the state folder."""
    network: NetworkMode = NetworkMode.BRIDGED
    """Mode of VMs whose manifest and request name none."""
    bridge: str = "vbr0"
    subnet: str = "192.168.127.0/24"
    boot_timeout_s: float = 120.0
    """How long a guest may take to become ready; software emulation on a busy host needs most of it."""
    boots: int = 0
    """How many guests boot at once; 0: as many as the host has CPUs."""
    vmm_user: str = "volant-vmm"
    """User that VMMs run as when the daemon is root and the user exists."""
    event_keep: int = 100_000
    """How many events are kept."""
    log_level: str = "info"


def defaults(environ: Mapping[str, str], *, uid: int) -> Config:
    """The embedded defaults: system paths for root, the user's own folders for everybody else."""
    if uid == 0:
        runtime = Path("/run/volant")
        return Config(state_dir=Path("/var/lib/volant"), runtime_dir=runtime, socket=runtime / "volantd.sock")
    home = Path(environ.get("HOME") or "/")
    state = Path(environ.get("XDG_STATE_HOME") or home / ".local" / "state") / "volant"
    run = environ.get("XDG_RUNTIME_DIR")
    runtime = Path(run) / "volant" if run else Path(f"/tmp/volant-{uid}")  # noqa: S108 - made 0700 and checked to be ours
    return Config(state_dir=state, runtime_dir=runtime, socket=runtime / "volantd.sock", network=NetworkMode.USER)


def load(environ: Mapping[str, str], flags: Mapping[str, str | None], *, uid: int | None = None) -> Config:
    """Defaults, then `VOLANT_*`, then flags. InvalidParams names every value that makes no sense."""
    config = defaults(environ, uid=os.getuid() if uid is None else uid)
    given = {name: (value, f"{ENV_PREFIX}{name.upper()}") for name in _NAMES if (value := environ.get(ENV_PREFIX + name.upper()))}
    given |= {name: (value, "--" + name.replace("_", "-")) for name, value in flags.items() if value is not None}
    problems: list[str] = []
    changes: dict[str, object] = {}
    for name, (text, source) in given.items():
        try:
            changes[name] = _parsed(name, text)
        except ValueError as error:
            problems.append(f"{source}={text!r}: {error}")
    if problems:
        raise InvalidParams("; ".join(problems), hint="`volantd --help` describes each setting")
    if "runtime_dir" in changes and "socket" not in changes:
        changes["socket"] = Path(str(changes["runtime_dir"])) / "volantd.sock"
    return replace(config, **changes)  # type: ignore[arg-type]


_NAMES = tuple(item.name for item in fields(Config))
_CHOICES = {"hypervisor": ("qemu", "fake"), "accel": ("auto", "kvm", "tcg"), "log_level": ("debug", "info", "warning", "error")}
_PATHS = frozenset({"state_dir", "runtime_dir", "socket"})
_COUNTS = {"boots": 0, "event_keep": 100}


def _parsed(name: str, text: str) -> object:
    if name in _PATHS:
        path = Path(text)
        if not path.is_absolute():
            raise ValueError("must be an absolute path")
        return path
    if name in _CHOICES and text not in _CHOICES[name]:
        raise ValueError(f"must be one of {', '.join(_CHOICES[name])}")
    if name in _COUNTS:
        number = int(text) if text.isdecimal() else -1
        if number < _COUNTS[name]:
            raise ValueError(f"must be a whole number of at least {_COUNTS[name]}")
        return number
    if name == "boot_timeout_s":
        try:
            seconds = float(text)
        except ValueError:
            raise ValueError("must be a number of seconds") from None
        if not 1 <= seconds <= 3_600:
            raise ValueError("must be between 1 and 3600 seconds")
        return seconds
    if name == "network":
        if text not in set(NetworkMode) - {NetworkMode.DHCP}:
            raise ValueError("must be one of bridged, user, none, vsock")
        return NetworkMode(text)
    return text
