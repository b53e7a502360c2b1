"""What only a real QEMU can show."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.daemon.hypervisors.test_qemu_kit import QemuRig
from tests.kits.hypervisor import GREETING, power_off, typed, wait_log
from volant.daemon.consoles.console import Console
from volant.daemon.consoles.log import CONSOLE_KEEP, TRIM_STEP
from volant.daemon.hypervisors.qemu.driver import QemuHypervisor, QemuSettings
from volant.daemon.hypervisors.qemu.probe import BootFiles
from volant.daemon.hypervisors.qemu.serial import SerialFiles
from volant.daemon.ports import DiskPlan, NicPlan
from volant.proto.api.vm import Forward
from volant.proto.errors import AddressTaken, HostShort, LaunchFailed
from volant.proto.specs.states import NetworkMode

pytestmark = pytest.mark.vm

ID = "0a1b2c3d4e5f"
MAC = "52:54:00:00:00:01"


@pytest.fixture
async def rig(short_path: Path, nursery: trio.Nursery) -> AsyncIterator[QemuRig]:
    yield QemuRig(short_path, nursery)


async def test_paths_full_of_specials_are_paths(rig: QemuRig, short_path: Path) -> None:
    folder = short_path / 'a,readonly=on "b" \\c %s,,file=x'
    folder.mkdir()
    disk = folder / "disk,serial=other.img"
    disk.write_bytes(bytes(1 << 20))
    plan = rig.plan(ID)
    initramfs = folder / "initramfs,x"
    shutil.copy(plan.initramfs, initramfs)
    plan = replace(
        plan,
        runtime_dir=folder,
        console_log=folder / "console,logappend=off.log",
        initramfs=initramfs,
        disks=(DiskPlan(path=disk, format="raw", readonly=False, serial="rootfs"),),
        config_blob=b'{"a": ","}',
    )
    vmm = await rig.launcher().launch(plan)
    await wait_log(rig, plan, GREETING)
    assert (await power_off(rig, vmm)).cause == "guest-shutdown"
    assert {path.name for path in folder.iterdir()} == {disk.name, plan.console_log.name, initramfs.name, "qemu.stderr"}


async def test_a_guest_that_panics_is_told_from_one_that_reboots(rig: QemuRig) -> None:
    plan = rig.plan(ID)
    vmm = await rig.launcher().launch(plan)
    await wait_log(rig, plan, GREETING)
    async with typed(vmm, b"panic"):
        with trio.fail_after(rig.patience):
            assert (await vmm.wait_exited()).cause == "guest-panic"


async def test_a_flood_on_the_console_stops_neither_guest_nor_reader_and_stays_bounded(rig: QemuRig, nursery: trio.Nursery) -> None:
    plan = rig.plan(ID)
    vmm = await rig.launcher().launch(plan)
    console = Console(ID, plan.console_log)
    nursery.start_soon(console.hold, await vmm.open_console())
    await wait_log(rig, plan, GREETING)
    async with console.writer("test") as writer:
        await writer.send(b"flood of words\n")
        read = 0
        with trio.fail_after(rig.patience):
            async for chunk in console.read(from_offset=0):
                read += chunk.missed + len(chunk.data)
                if read > 200_000:
                    break
    assert plan.console_log.stat().st_blocks * 512 <= CONSOLE_KEEP + 2 * TRIM_STEP
    await vmm.kill()


async def test_each_byte_is_printed_once_however_late_it_is_read(rig: QemuRig) -> None:
    plan = rig.plan(ID)
    vmm = await rig.launcher().launch(plan)
    await wait_log(rig, plan, GREETING)
    begin = plan.console_log.stat().st_size
    async with await vmm.open_console() as unread:
        await unread.send_all(b"flood of words\n")
        with trio.fail_after(rig.patience):
            while plan.console_log.stat().st_size < begin + 20_000:
                await trio.sleep(0.01)
    assert set(plan.console_log.read_bytes()[begin:].split(b"\r\n")[:-1]) == {b"flood of words"}
    await vmm.kill()


async def test_starts_and_ends_keep_no_descriptor(rig: QemuRig) -> None:
    plan, before = rig.plan(ID), len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        await (await rig.launcher().launch(plan)).kill()
        with pytest.raises(LaunchFailed):
            await rig.launcher().launch(replace(plan, kernel=Path("/no/such/kernel")))
    await trio.testing.wait_all_tasks_blocked()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_taken_port_is_named(rig: QemuRig) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        nic = NicPlan(mode=NetworkMode.USER, mac=MAC, forwards=(Forward(80, port),))
        with pytest.raises(AddressTaken, match=str(port)) as caught:
            await rig.launcher().launch(replace(rig.plan(ID), nic=nic))
    assert caught.value.data["vmm_exit_code"] == 1
    assert "-netdev" in caught.value.data["command_line"]


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"kernel": Path("/etc/hostname")}, LaunchFailed, "kernel"),
        ({"kernel": Path("/no/such/kernel")}, LaunchFailed, "kernel"),
        ({"initramfs": Path("/no/such/initramfs")}, LaunchFailed, "initramfs"),
        ({"memory_mib": 900_000_000}, HostShort, "memory"),
        ({"disks": (DiskPlan(path=Path("/no/such/disk"), format="raw", readonly=True, serial="x"),)}, LaunchFailed, "/no/such/disk"),
    ],
)
async def test_a_launch_that_cannot_work_says_why_and_leaves_nothing(
    rig: QemuRig, change: dict[str, object], kind: type[Exception], words: str
) -> None:
    plan = replace(rig.plan(ID), **change)  # type: ignore[arg-type]
    launcher = rig.launcher()
    with pytest.raises(kind, match=words):
        await launcher.launch(plan)
    assert await launcher.find(plan) is None
    assert list(plan.runtime_dir.glob("*.sock")) == []


async def test_a_missing_qemu_is_said_with_what_installs_it(tmp_path: Path, nursery: trio.Nursery) -> None:
    async def none() -> BootFiles:
        raise AssertionError("nothing is probed")

    settings = QemuSettings(probe_dir=tmp_path, binary="qemu-that-is-not-there")
    with pytest.raises(HostShort) as caught:
        await QemuHypervisor(nursery, settings, none).facts()
    assert "apt-get install" in caught.value.hint


async def _no_files() -> BootFiles:
    raise AssertionError("nothing is probed")


@pytest.mark.root
async def test_a_guest_boots_with_its_vmm_as_another_user_that_holds_no_more_than_it_needs(nursery: trio.Nursery) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        rig = QemuRig(folder, nursery)
        disk = folder / "disk.img"
        disk.write_bytes(bytes(1 << 20))
        disk.chmod(0o600)
        disks = (DiskPlan(path=disk, format="raw", readonly=False, serial="rootfs"),)
        plan = replace(rig.plan(ID), config_blob=b"{}", disks=disks)
        settings = QemuSettings(probe_dir=folder / "probe", accel="tcg", user="nobody")
        vmm = await QemuHypervisor(nursery, settings, _no_files).launch(plan)
        await wait_log(rig, plan, GREETING)
        process = Path("/proc") / str(vmm.identity.pid)
        status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
        nobody = pwd.getpwnam("nobody")
        assert status["Uid"].split() == [str(nobody.pw_uid)] * 4 and status["Gid"].split() == [str(nobody.pw_gid)] * 4
        assert "0" not in status["Groups"].split()
        assert (status["CapEff"], status["NoNewPrivs"], status["Seccomp"]) == ("0000000000000000", "1", "2")
        held = {os.readlink(fd) for fd in (process / "fd").iterdir()}
        files = {path for path in held if path.startswith("/") and path not in ("/dev/null", "/dev/urandom")}
        serial = SerialFiles.of(plan.runtime_dir)
        own = {str(plan.console_log), str(plan.runtime_dir / "qemu.stderr"), str(disk), "/memfd:volant-config (deleted)"}
        assert files == own | {str(serial.folder), str(serial.typed)}
        variables = {word.partition("=")[0] for word in (process / "environ").read_text().split("\0") if word}
        assert variables == {"VOLANT_VM", "VOLANT_VM_FOLDER", "PATH"}
        for path in (plan.runtime_dir / "qmp.sock", plan.runtime_dir / "agent.sock", plan.console_log):
            assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (0, 0o600)
        assert (serial.typed.stat().st_uid, stat.S_IMODE(serial.typed.stat().st_mode)) == (nobody.pw_uid, 0o600)
        assert (serial.folder.stat().st_uid, stat.S_IMODE(serial.folder.stat().st_mode)) == (0, 0o711)
        await power_off(rig, vmm)


@pytest.mark.root
@pytest.mark.parametrize(("user", "said"), [("no-such-user", True), ("", True), ("nobody", False)])
async def test_vms_that_run_as_root_are_warned_of(
    tmp_path: Path, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, user: str, said: bool
) -> None:
    await QemuHypervisor(nursery, QemuSettings(probe_dir=tmp_path, accel="tcg", user=user), _no_files).facts()
    assert ("VMs run as root" in caplog.text) is said


async def test_a_runtime_folder_whose_path_is_too_long_is_said(rig: QemuRig, tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    with pytest.raises(LaunchFailed, match="AF_UNIX"):
        await rig.launcher().launch(replace(rig.plan(ID), runtime_dir=deep))


async def test_auto_finds_an_acceleration_and_remembers_it(rig: QemuRig, short_path: Path, nursery: trio.Nursery) -> None:
    plan = rig.plan(ID)

    async def files() -> BootFiles:
        return BootFiles(plan.kernel, plan.initramfs)

    settings = QemuSettings(probe_dir=short_path / "probe")
    first = await QemuHypervisor(nursery, settings, files).facts()
    assert first.accel in ("kvm", "tcg")
    assert first.kernel_words.startswith("console=ttyS0")
    again = await QemuHypervisor(nursery, settings, files).facts()
    assert again == first
    assert not (short_path / "probe" / "guest").exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, which a test's own is not."""
    with tempfile.TemporaryDirectory(prefix="volant-test-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start a VMM as somebody else")
async def test_the_vmm_runs_without_privileges(rig: QemuRig, open_folder: Path, nursery: trio.Nursery) -> None:
    disk = open_folder / "disk.img"
    disk.write_bytes(bytes(1 << 20))
    disk.chmod(0o600)
    plan = rig.plan(ID)
    initramfs, runtime = open_folder / "initramfs", open_folder / "runtime"
    shutil.copy(plan.initramfs, initramfs)
    plan = replace(
        plan,
        runtime_dir=runtime,
        console_log=runtime / "console.log",
        initramfs=initramfs,
        disks=(DiskPlan(path=disk, format="raw", readonly=False, serial="rootfs"),),
        nic=NicPlan(mode=NetworkMode.USER, mac=MAC),
        config_blob=b"{}" * 10_000,
    )

    async def files() -> BootFiles:
        return BootFiles(plan.kernel, initramfs)

    settings = QemuSettings(probe_dir=open_folder / "probe", accel="tcg", user="nobody")
    vmm = await QemuHypervisor(nursery, settings, files).launch(plan)
    status = Path(f"/proc/{vmm.identity.pid}/status").read_text()
    assert "Uid:\t65534\t65534\t65534\t65534" in status
    assert "CapEff:\t0000000000000000" in status
    assert "Seccomp:\t2" in status
    await wait_log(rig, plan, GREETING)
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    assert (await power_off(rig, vmm)).cause == "guest-shutdown"
