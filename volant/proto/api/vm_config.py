"""Calls about a VM's config: what is set over its plugin's manifest, version by version. They belong to the noun `vm`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from volant.proto import errors
from volant.proto.api.vm import NOUN, Forward, VmName
from volant.proto.method import Http, Method
from volant.proto.specs.states import BootMode

KEPT_VERSIONS = 200
"""Versions of one VM's config that are kept, the newest ones and the one that runs: years of changes by people, and a bound for scripts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigVersion:
    """One version of a VM's config: who asked for it, when, from where."""

    version: int
    note: str
    """How it came about, as `created`, `changed` or `rolled back to 2`."""
    changes: tuple[str, ...]
    """Fields that differ from the version kept before it, as `memory_mb` or `env.COLOUR`; empty for the first."""
    created_at: str
    author: str
    """As `uid:0(root)`."""
    origin: str
    """As `pid 4711 (volant)`; empty where it is not known."""
    config: dict[str, Any]
    """Every field with its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmConfigView:
    """One version of a VM's config beside what runs."""

    name: str
    config_version: int
    """The newest version, which the next start uses."""
    running_version: int
    """What the VM runs with; 0 when it does not run."""
    pending_changes: tuple[str, ...]
    """Fields that wait for a restart."""
    shown: ConfigVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class GetConfig:
    """A version of a VM's config; 0 is the newest."""

    name: str
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchVm:
    """Change a VM's config; what is not given stays. A running VM has it from its next start on."""

    name: str
    cpu_cores: int | None = None
    memory_mb: int | None = None
    env: dict[str, str] = field(default_factory=dict)
    """Variables to set; the others stay."""
    labels: dict[str, str] = field(default_factory=dict)
    """Labels to set; the others stay."""
    kernel: str | None = None
    cmdline: str | None = None
    boot: BootMode | None = None
    forwards: tuple[Forward, ...] | None = None
    """All forwards, in place of those that are there."""
    restart: str | None = None
    """In force at once, as `autostart` is."""
    autostart: bool | None = None
    unset: tuple[str, ...] = ()
    """Fields to give back to the manifest or the daemon's default, as `memory_mb`, `env.COLOUR` or `labels.tier`."""
    expected_version: int | None = None
    """Refuse unless this is the newest version."""
    dry_run: bool = False
    """Check it and show what would be, change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigHistory:
    """The versions that are kept, oldest first."""

    name: str
    running_version: int
    items: tuple[ConfigVersion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffConfig:
    """Compare two versions. Without `new` the newest; without `old` the one that runs where that is another, else the one before."""

    name: str
    old: int = 0
    new: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """One field; null where a version has none such."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigDiff:
    name: str
    old: int
    new: int
    items: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackConfig:
    """Make a new version that holds what `version` held."""

    name: str
    version: int
    expected_version: int | None = None
    """Refuse unless this is the newest version."""


_LOOKUP = (errors.NoSuchVm, errors.InvalidParams, errors.NoSuchVersion)
_CHANGE = (*_LOOKUP, errors.VersionStale, errors.Denied, errors.StoreFailed, errors.HostShort)

CONFIG = NOUN.add(
    Method("vm.config", GetConfig, VmConfigView, "show a VM's config", faults=_LOOKUP, http=Http("GET", "/vms/{name}/config"), private=True)
)
PATCH = NOUN.add(
    Method(
        "vm.patch", PatchVm, VmConfigView, "change a VM's config", faults=_CHANGE, http=Http("PATCH", "/vms/{name}/config"), changes=True
    )
)
CONFIG_HISTORY = NOUN.add(
    Method(
        "vm.config_history", VmName, ConfigHistory, "list the versions of a VM's config", faults=_LOOKUP,
        http=Http("GET", "/vms/{name}/config/history"), private=True,
    )
)  # fmt: skip
CONFIG_DIFF = NOUN.add(
    Method(
        "vm.config_diff", DiffConfig, ConfigDiff, "compare two versions of a VM's config", faults=_LOOKUP,
        http=Http("GET", "/vms/{name}/config/diff"), private=True,
    )
)  # fmt: skip
CONFIG_ROLLBACK = NOUN.add(
    Method(
        "vm.config_rollback", RollbackConfig, VmConfigView, "go back to an earlier version of a VM's config", faults=_CHANGE,
        http=Http("POST", "/vms/{name}/config/rollback"), changes=True,
    )
)  # fmt: skip
