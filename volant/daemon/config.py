"""What the daemon can be told: one frozen value. Each setting is declared once; file, variables, flags, help and docs follow from it.

`settings` reads them from where they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from volant.proto.specs.states import NetworkMode


@dataclass(frozen=True, slots=True)
class Kind:
    """What a setting's values are."""

    parse: Callable[[str], object]
    """The value of a text; ValueError says what it must be."""
    shown: str
    """What help and docs call such a value."""
    natives: tuple[type, ...] = (str,)
    """Python's types of TOML's values for it."""


def _path(text: str) -> Path:
    if not Path(text).is_absolute():
        raise ValueError("must be an absolute path")
    return Path(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError("must be a number of seconds") from None
    if not 1 <= seconds <= 3_600:
        raise ValueError("must be between 1 and 3600 seconds")
    return seconds


def _network(text: str) -> NetworkMode:
    if text not in set(NetworkMode) - {NetworkMode.DHCP}:
        raise ValueError("must be one of bridged, user, none, vsock")
    return NetworkMode(text)


def _one_of(*choices: str) -> Kind:
    def chosen(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return Kind(chosen, f"{', '.join(choices[:-1])} or {choices[-1]}")


def _count(least: int, most: int = 999_999_999) -> Kind:
    def counted(text: str) -> int:
        # Limited in length too: int() takes seconds for a million digits.
        if not (text.isascii() and text.isdecimal() and len(text) <= 9) or int(text) < least:
            raise ValueError(f"must be a whole number of at least {least}")
        if int(text) > most:
            raise ValueError(f"must be at most {most}")
        return int(text)

    return Kind(counted, "number", (int,))


_PATH = Kind(_path, "path")
_TEXT = Kind(str, "text")
_SECONDS = Kind(_seconds, "seconds", (int, float))
_MODE = Kind(_network, "bridged, user, none or vsock")


def _about(help: str, kind: Kind = _TEXT) -> dict[str, Any]:
    return {"help": help, "kind": kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting of `volantd`; each is also `VOLANT_<NAME>` and `--<name>`."""

    state_dir: Path = field(metadata=_about("folder of disks, images, kernels and the database", _PATH))
    runtime_dir: Path = field(metadata=_about("folder of sockets; short, since a socket's path may have 107 bytes", _PATH))
    socket: Path = field(metadata=_about("the daemon's own socket", _PATH))
    socket_group: str = field(default="volant", metadata=_about("group whose members may do everything, where it exists"))
    readonly_group: str = field(default="", metadata=_about("group whose members may look and change nothing; empty: none"))
    hypervisor: str = field(
        default="qemu", metadata=_about("what VMs run on; fake is for trying things out without any guest", _one_of("qemu", "fake"))
    )
    accel: str = field(default="auto", metadata=_about("acceleration; auto finds out whether KVM works", _one_of("auto", "kvm", "tcg")))
    kernel: str = field(default="", metadata=_about("kernel that guests boot; empty: the one set up in the state folder"))
    network: NetworkMode = field(default=NetworkMode.BRIDGED, metadata=_about("mode of VMs that name none", _MODE))
    bridge: str = field(default="vbr0", metadata=_about("name of the bridge"))
    subnet: str = field(
        default="192.168.127.0/24", metadata=_about("the guests' subnet; an address in it, as 192.168.127.9/24, is the host's own")
    )
    boot_timeout_s: float = field(
        default=120.0, metadata=_about("how long a guest may take to become ready; emulation on a busy host needs most of it", _SECONDS)
    )
    boots: int = field(default=0, metadata=_about("how many guests boot at once; 0: as many as there are CPUs", _count(0)))
    vmm_user: str = field(default="volant-vmm", metadata=_about("user that VMMs run as when the daemon is root and the user exists"))
    event_keep: int = field(default=100_000, metadata=_about("how many events are kept", _count(100)))
    event_keep_days: int = field(
        default=0, metadata=_about("how many days events are kept; 0: only their number counts", _count(0, 36_500))
    )
    log_level: str = field(default="info", metadata=_about("least level that is logged", _one_of("debug", "info", "warning", "error")))
    log_format: str = field(default="text", metadata=_about("lines for people, or one JSON object a line", _one_of("text", "json")))


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting's declaration."""

    name: str
    help: str
    kind: Kind

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return "VOLANT_" + self.name.upper()


SETTINGS = {item.name: Setting(item.name, item.metadata["help"], item.metadata["kind"]) for item in fields(Config)}
"""By name, in the order of their declaration."""


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


def default_file(environ: Mapping[str, str], *, uid: int) -> Path:
    """Where the config file is looked for when nobody names one; it need not exist."""
    if uid == 0:
        return Path("/etc/volant/volantd.toml")
    return Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or "/") / ".config") / "volant" / "volantd.toml"
