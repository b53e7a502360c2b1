"""Hosts that lack something: disk space, programs, a free subnet, addresses, rights. Root, mostly without a guest."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.complaints import complaint, holdings, manifest, nothing_left, undisturbed, without_programs
from tests.netns import new_netns
from tests.patience import until
from tests.rig import HOST_KERNELS, VOLANT, Rig, rig
from tests.strangers import as_stranger
from volant.proto.errors import ExitCode

pytestmark = pytest.mark.root


# --------------------------------------------------------------------------------------------------------------------- full disks


@contextmanager
def small_disk(house: Rig, mib: int) -> Iterator[Path]:
    """The rig's state folder on a file system of `mib` MiB; the path of a file that `fill` and the test may use."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=711", "volant-test", str(house.state)], check=True)
    try:
        (house.state / "kernels").symlink_to(HOST_KERNELS)
        yield house.state / "filler"
    finally:
        house.close()
        subprocess.run(["umount", "--lazy", str(house.state)], check=True)


def fill(filler: Path) -> None:
    """Take all the space that is left."""
    with filler.open("wb", buffering=0) as file:
        try:
            for size in (65_536, 4_096, 1):
                while file.write(bytes(size)) == size:
                    pass
        except OSError:
            pass


def test_a_full_disk_at_install(media: Path, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(8_000_000))
    big = manifest(tmp_path / "m.json", media / "plugin-ext4.json", rootfs={"url": str(tmp_path / "big"), "format": "raw"})
    with rig(hypervisor="fake", network="none") as house, small_disk(house, 5):
        house.start()
        house.volant("plugin", "install", str(media / "plugin.json"))
        with nothing_left(house):
            done = house.volant("plugin", "install", big, check=False)
            complaint(done, ExitCode.FAILED, "full", "free some space")
        house.volant("vm", "create", "after", "--plugin", "hello", "--wait")
        assert "Traceback" not in house.log.read_text()


def test_a_full_disk_refuses_changes_and_takes_them_again_later(media: Path) -> None:
    with rig(hypervisor="fake", network="none") as house, small_disk(house, 8) as filler:
        house.start()
        house.volant("plugin", "install", str(media / "plugin.json"))
        for name in ("calm", "other", "gone"):
            house.volant("vm", "create", name, "--plugin", "hello", "--wait")
        fill(filler)
        with nothing_left(house), undisturbed(house, "calm"):
            done = house.volant("vm", "create", "more", "--plugin", "hello", "--wait", check=False)
            complaint(done, ExitCode.FAILED, "no space left", "df -h")
            complaint(house.volant("plugin", "disable", "hello", check=False), ExitCode.FAILED, "no space left", "df -h")
            complaint(house.volant("vm", "restart", "other", check=False), ExitCode.FAILED, "no space left", "df -h")
            assert house.json("plugin", "show", "hello")["enabled"]
        with undisturbed(house, "calm"):
            # Making room must not need any.
            house.volant("vm", "stop", "other")
            house.volant("vm", "delete", "gone", "--force")
        assert holdings(house).vms == {"calm", "other"}
        filler.unlink()
        with undisturbed(house, "calm"):
            house.volant("vm", "start", "other", "--wait")
            house.volant("vm", "create", "more", "--plugin", "hello", "--wait")
            for name in ("other", "more"):
                house.volant("vm", "delete", name, "--force")
        assert holdings(house).vms == {"calm"}
        assert "Traceback" not in house.log.read_text()
        assert house.stop() == 0


@pytest.mark.vm
def test_a_guest_that_ends_while_the_disk_is_full(media: Path) -> None:
    """What happened can't be stored now; it is, as soon as there is space again."""
    with rig(network="none", accel="tcg") as house, small_disk(house, 200) as filler:
        house.start()
        house.volant("plugin", "install", str(media / "plugin.json"))
        house.volant("vm", "create", "gone", "--plugin", "hello", "--wait")
        pid = house.json("vm", "get", "gone")["pid"]
        fill(filler)
        os.kill(pid, signal.SIGKILL)
        time.sleep(1)
        assert house.volant("vm", "list").returncode == 0
        filler.unlink()
        until(lambda: house.json("vm", "get", "gone")["status"] == "crashed")
        house.volant("vm", "start", "gone", "--wait")
        house.volant("vm", "delete", "gone", "--force")
        left = holdings(house)
        assert not (left.vms or left.folders or left.objects or left.processes)


@pytest.mark.vm
def test_a_full_disk_at_create_and_under_a_running_guest(media: Path) -> None:
    with rig(network="none", accel="tcg") as house, small_disk(house, 200) as filler:
        house.start()
        house.volant("plugin", "install", str(media / "plugin-ext4.json"))
        house.volant("plugin", "install", str(media / "plugin.json"))
        house.volant("vm", "create", "calm", "--plugin", "hello", "--wait")
        house.volant("vm", "create", "writer", "--plugin", "hello-ext4", "--wait")
        with undisturbed(house, "calm"):
            before = holdings(house)
            free = os.statvfs(house.state)
            with filler.open("wb") as file:
                file.write(bytes(max(free.f_bavail * free.f_frsize - 500_000, 0)))
            # The guest's own disk has room for that; the host's has not.
            write = "head -c 2500000 /dev/urandom > /root/big && busybox sync && wc -c < /root/big"
            with house.under_way("vm", "exec", "writer", "--", "sh", "-c", write) as writing:
                until(lambda: "disk is full" in house.json("vm", "get", "writer")["reason"])
                assert writing.poll() is None
                assert "Hello" in house.volant("vm", "call", "calm", "hello").stdout
                filler.unlink()
                said, _ = writing.communicate(timeout=60)
                assert (writing.returncode, said.strip()) == (0, b"2500000")
            until(lambda: not house.json("vm", "get", "writer")["reason"])
            assert "SYSTEM_DISK_FREE" in house.volant("events").stdout
            house.volant("vm", "delete", "writer", "--force")
            assert holdings(house).folders < before.folders
            fill(filler)
            done = house.volant("vm", "create", "late", "--plugin", "hello-ext4", "--wait", check=False)
            complaint(done, ExitCode.FAILED, "space")
            filler.unlink()
            if "late" in holdings(house).vms:
                house.volant("vm", "delete", "late", "--force")
        assert holdings(house).vms == {"calm"}
        assert "Traceback" not in house.log.read_text()


# --------------------------------------------------------------------------------------------------------------- missing programs


def test_qemu_and_then_qemu_img_missing(media: Path, tmp_path: Path) -> None:
    with rig(network="none", accel="tcg") as house:
        house.start(environ={"PATH": without_programs(tmp_path / "none", "qemu")})
        for name in ("plugin.json", "plugin-ext4.json"):
            house.volant("plugin", "install", str(media / name))
        assert "is not installed" in str(house.json("system", "info"))
        with nothing_left(house):
            done = house.volant("vm", "create", "one", "--plugin", "hello", "--wait", check=False)
            complaint(done, ExitCode.FAILED, "qemu-system-x86_64 is not installed", "apt-get install qemu-system-x86")
            house.volant("vm", "delete", "one")
        assert house.stop() == 0
        house.start(environ={"PATH": without_programs(tmp_path / "no-img", "qemu-img")})
        with nothing_left(house):
            done = house.volant("vm", "create", "one", "--plugin", "hello-ext4", "--wait", check=False)
            complaint(done, ExitCode.FAILED, "qemu-img is not installed", "apt-get install qemu-utils")
            house.volant("vm", "delete", "one")
        assert house.stop() == 0


# ------------------------------------------------------------------------------------------------------------------------ network


def test_a_subnet_that_somebody_else_has(media: Path) -> None:
    with new_netns() as namespace:
        namespace.run("ip", "link", "add", "other0", "type", "bridge")
        namespace.run("ip", "addr", "add", "192.168.127.77/24", "dev", "other0")
        namespace.run("ip", "link", "set", "other0", "up")
        before = namespace.run("ip", "-br", "addr")
        with rig(netns=namespace, hypervisor="fake") as house:
            house.start()
            house.volant("plugin", "install", str(media / "plugin.json"))
            house.volant("vm", "create", "calm", "--plugin", "hello", "--network", "none", "--wait")
            with nothing_left(house), undisturbed(house, "calm"):
                done = house.volant("vm", "create", "one", "--plugin", "hello", "--wait", check=False)
                complaint(done, ExitCode.CONFLICT, "192.168.127.0/24 overlaps 192.168.127.77/24 of other0", "--subnet")
                house.volant("vm", "delete", "one")
            assert namespace.run("ip", "-br", "addr") == before


def test_an_address_pool_that_is_empty(media: Path) -> None:
    with new_netns() as namespace, rig(netns=namespace, hypervisor="fake", subnet="10.9.0.0/30") as house:
        house.start()
        house.volant("plugin", "install", str(media / "plugin.json"))
        house.volant("vm", "create", "calm", "--plugin", "hello", "--wait")
        with undisturbed(house, "calm"):
            create = ("vm", "create", "more", "--plugin", "hello")
            for extra, code, says in (
                ((), ExitCode.FAILED, "every address of 10.9.0.0/30 is taken"),
                (("--ip", "10.9.0.2"), ExitCode.CONFLICT, "10.9.0.2 belongs to"),
                (("--ip", "10.9.0.3"), ExitCode.USAGE, "broadcast"),
                (("--ip", "10.9.1.1"), ExitCode.USAGE, "is not in the subnet"),
            ):
                with nothing_left(house):
                    complaint(house.volant(*create, *extra, check=False), code, says)
        house.volant("vm", "delete", "calm", "--force")
        house.volant("vm", "create", "more", "--plugin", "hello", "--wait")
        assert house.json("vm", "get", "more")["ip"] == "10.9.0.2"
        house.volant("vm", "delete", "more", "--force")
        left = holdings(house)
        assert not (left.vms or left.leases or left.taps or left.objects or left.folders)


def test_host_ports_that_are_taken(media: Path) -> None:
    with rig(hypervisor="fake", network="user") as house, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        house.start()
        house.volant("plugin", "install", str(media / "plugin.json"))
        house.volant("vm", "create", "calm", "--plugin", "hello", "-p", "0:80", "--wait")
        held = house.json("vm", "get", "calm")["forwards"][0]["host_port"]
        with undisturbed(house, "calm"):
            for wanted, says in ((port, "is in use by another program"), (held, "belongs to the VM 'calm'")):
                with nothing_left(house):
                    done = house.volant("vm", "create", "one", "--plugin", "hello", "-p", f"{wanted}:80", "--wait", check=False)
                    complaint(done, ExitCode.CONFLICT, f"tcp port {wanted} on 127.0.0.1 {says}", "another host port")
                    house.volant("vm", "delete", "one")


def test_a_daemon_that_may_not_make_bridges_hints_at_user_mode(media: Path) -> None:
    with rig(hypervisor="fake", network="bridged") as house:
        for folder in (house.root, house.state):
            os.chown(folder, 65_534, 65_534)
        # Where that user may read it: pytest's own folders are root's alone.
        shutil.copy(media / "hello.cpio", house.root)
        plugin = manifest(house.root / "plugin.json", media / "plugin.json", initramfs={"url": str(house.root / "hello.cpio")})
        environ = {**os.environ, "VOLANT_SOCKET": str(house.socket), "HOME": "/"}
        with house.log.open("wb") as log, subprocess.Popen(as_stranger(house.argv()), stderr=log, env=environ) as daemon:
            try:
                deadline = time.monotonic() + 20
                while not house.answers() and time.monotonic() < deadline:
                    time.sleep(0.02)
                house.volant("plugin", "install", plugin)
                with nothing_left(house):
                    done = house.volant("vm", "create", "one", "--plugin", "hello", "--wait", check=False)
                    complaint(done, ExitCode.FAILED, "needs root (CAP_NET_ADMIN)", "--network user")
                    house.volant("vm", "delete", "one")
                with nothing_left(house):
                    house.volant("vm", "create", "two", "--plugin", "hello", "--network", "user", "--wait")
                    house.volant("vm", "delete", "two", "--force")
            finally:
                daemon.terminate()
        assert daemon.returncode == 0


def test_no_permission_on_a_socket_with_a_group(media: Path) -> None:
    """The hint names the group that really may."""
    with rig(hypervisor="fake", network="none", socket_group="nogroup") as house:
        house.start()
        house.root.chmod(0o755)
        done = subprocess.run(
            as_stranger([*VOLANT, "vm", "list"], uid=1),
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ, "VOLANT_SOCKET": str(house.socket), "HOME": "/"},
        )
        complaint(done, ExitCode.PERMISSION, f"you may not open {house.socket}", "usermod -aG nogroup")
        assert json.loads(house.volant("vm", "list", "-o", "json").stdout)["items"] == []
        assert house.stop() == 0
