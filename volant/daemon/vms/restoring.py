"""From a VM's stored rows to what its owner works with. Pure.

A row that is missing or can't be read takes neither the daemon nor the VM down: what runs is adopted, can be stopped and be deleted.
Only a start needs what is not there, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from volant.daemon.ports import Catalog, ConfigRecord, PluginRecord, VmRecord
from volant.proto.errors import Fault, InvalidParams, NoSuchPlugin, StoreFailed
from volant.proto.plain import from_plain, to_plain
from volant.proto.specs.restarts import problem_with_restart
from volant.proto.specs.states import BootMode, NetworkMode, VmState
from volant.proto.specs.vmconfig import VmConfig


@dataclass(frozen=True, slots=True)
class Restored:
    """One VM as it was found."""

    record: VmRecord
    stored_config: ConfigRecord
    booted_config: ConfigRecord
    """What its latest boot was started with; the newest one where that is not known."""
    plugin: PluginRecord
    damage: Fault | None
    """Why it can't be started; None when everything is there."""


def restored(record: VmRecord, configs: tuple[ConfigRecord, ...], catalog: Catalog, *, may_run: bool) -> Restored:
    """Put together what the store has. `configs`: the newest one and the one that it was last started with; `may_run`: the ledger
    has a process of this VM."""
    stored, damage = _config(record, _version(configs, record.config_version))
    booted = _version(configs, record.booted_config)
    if booted is None or _config(record, booted)[1] is not None:
        booted = stored
    try:
        plugin = catalog.record(record.plugin, record.plugin_version)
    except NoSuchPlugin as missing:
        plugin = PluginRecord(
            name=record.plugin, version=record.plugin_version, manifest={}, enabled=False, artifacts={}, installed_at=record.created_at
        )
        damage = damage or StoreFailed(missing.message, hint="install that plugin again and restart volantd, or delete the VM")
    return Restored(_as_seen_now(record, may_run=may_run), stored, booted, plugin, damage)


def _as_seen_now(record: VmRecord, *, may_run: bool) -> VmRecord:
    """Ready is what an agent says to this daemon; until it does, the VM is thought to run and no more. So is one that should have
    ended, and whose process nobody saw dead. Nobody holds a VM before saying so to this daemon."""
    if record.lease is not None and record.lease.connected:
        record = replace(record, lease=replace(record.lease, connected=False))
    if record.state is VmState.READY or (may_run and record.state in (VmState.STOPPED, VmState.CRASHED, VmState.FAILED)):
        return replace(record, state=VmState.RUNNING)
    return record


def _version(configs: tuple[ConfigRecord, ...], version: int) -> ConfigRecord | None:
    return next((config for config in configs if config.version == version), None)


def _config(record: VmRecord, stored: ConfigRecord | None) -> tuple[ConfigRecord, Fault | None]:
    """The config's row, and what is wrong with it; one that can't be read is made up."""
    why = f"the store has no config of VM {record.name!r}"
    if stored is not None:
        try:
            config = from_plain(VmConfig, stored.config)
            if problem := problem_with_restart(config.restart):
                raise InvalidParams(f"restart {problem}")
            return stored, None
        except InvalidParams as error:
            why = f"the stored config of VM {record.name!r} can't be read: {error.message}"
    guessed = to_plain(_guessed(record))
    row = ConfigRecord(vm_id=record.id, version=record.config_version, config=guessed, created_at=record.created_at, author="")
    return row, StoreFailed(why, hint="delete the VM and create it again; what runs of it goes on until then")


def _guessed(record: VmRecord) -> VmConfig:
    """What the record tells of the VM: enough to adopt, stop and delete it."""
    network = NetworkMode.BRIDGED if record.tap else NetworkMode.USER if record.mac else NetworkMode.NONE
    return VmConfig(
        plugin=record.plugin,
        plugin_version=record.plugin_version,
        cpu_cores=0,
        memory_mb=0,
        network=network,
        ip=record.ip,
        env={},
        labels={},
        kernel="",
        cmdline="",
        boot=BootMode.AUTO,
        forwards=record.forwards,
        hypervisor=record.hypervisor,
    )
