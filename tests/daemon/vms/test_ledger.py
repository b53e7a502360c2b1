"""The owner rows of a launch: what they announce, and when they go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.records import plugin_record, vm_record
from volant.daemon.ports import DropObject, HostObject
from volant.daemon.vms.ledger import Claim, is_absent, launch_objects
from volant.daemon.vms.plan import Places
from volant.proto.specs.states import BootMode, NetworkMode
from volant.proto.specs.vmconfig import VmConfig

WHERE = Places(Path("/state"), Path("/run/vm"))


def config(**fields: Any) -> VmConfig:
    given: dict[str, Any] = {
        "plugin": "demo", "plugin_version": "1.0.0", "cpu_cores": 1, "memory_mb": 128, "network": NetworkMode.NONE, "ip": "", "env": {},
        "labels": {}, "kernel": "", "cmdline": "", "boot": BootMode.AUTO, "forwards": (), "hypervisor": "qemu",
    }  # fmt: skip
    return VmConfig(**(given | fields))


def announced(artifacts: dict[str, str], manifest: dict[str, Any] | None = None, **fields: Any) -> set[tuple[str, str]]:
    """Kind and name of each row but those that every launch has."""
    record = vm_record(tap="vol1")
    plugin = plugin_record(artifacts=artifacts, manifest=manifest or {})
    rows = launch_objects(record, config(**fields), plugin, WHERE, (Path("/run/vm/qmp.sock"),))
    assert {row.vm_id for row in rows} == {record.id}
    found = {(row.kind, row.name) for row in rows}
    always = {("process", record.id), ("folder", "/state"), ("folder", "/run/vm"), ("socket", "/run/vm/qmp.sock")}
    assert always <= found
    return found - always


ROOT = {("disk", "/state/root.qcow2"), ("disk", "/state/upper.img")}


@pytest.mark.parametrize(
    ("artifacts", "fields", "rows"),
    [
        ({"initramfs": "a"}, {}, set()),
        ({"rootfs": "a"}, {}, ROOT),
        ({"rootfs": "a", "initramfs": "b"}, {"boot": BootMode.ROOTFS}, ROOT),
        ({"rootfs": "a", "initramfs": "b"}, {"boot": BootMode.INITRAMFS}, set()),
        ({"initramfs": "a"}, {"network": NetworkMode.BRIDGED}, {("tap", "vol1"), ("firewall", "vol1")}),
    ],
)
def test_a_launch_announces_what_it_may_make(artifacts: dict[str, str], fields: dict[str, Any], rows: set[tuple[str, str]]) -> None:
    assert announced(artifacts, **fields) == rows


def test_only_disks_that_the_guest_may_write_are_the_vms_own() -> None:
    disks = [{"name": "a", "readonly": True}, {"name": "b"}]
    assert announced({"initramfs": "a"}, {"disks": disks}) == {("disk", "/state/disk-1.qcow2")}


def test_a_row_goes_once_its_object_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    there, gone = (HostObject(kind="disk", name=str(tmp_path / name), vm_id="a") for name in ("there", "gone"))
    tap, process = HostObject(kind="tap", name="vol1", vm_id="a"), HostObject(kind="process", name="a", vm_id="a")
    assert [is_absent(item) for item in (there, gone, tap)] == [False, True, False]

    claim = Claim((there, gone, tap, process))
    assert claim.absent_files() == (DropObject("disk", gone.name),)
    claim.made("tap", "vol1")
    assert claim.free() == (DropObject("disk", gone.name), DropObject("process", "a"))
    claim.gone("tap", "vol1")
    assert DropObject("tap", "vol1") in claim.free()

    adopted = Claim((there, gone, tap, process), made=True)
    assert adopted.free() == ()
    adopted.look()
    assert adopted.free() == (DropObject("disk", gone.name),)
