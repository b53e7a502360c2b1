"""QEMU's command line, by value."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from volant.daemon.hypervisors.qemu import argv
from volant.daemon.ports import DiskPlan, LaunchPlan, NicPlan
from volant.proto.api.vm import Forward
from volant.proto.specs.states import NetworkMode

PLAN = LaunchPlan(
    vm_id="0123456789ab",
    name="web-1",
    runtime_dir=Path("/run/volant/vms/0123456789ab"),
    console_log=Path("/state/console.log"),
    kernel=Path("/k/vmlinuz"),
    initramfs=Path("/k/initramfs"),
    cmdline="console=ttyS0 quiet",
    vcpus=2,
    memory_mib=256,
    accel="tcg",
)
FDS = argv.Descriptors(control=5, console=6, agent=7, console_log=8)
MAC = "52:54:00:00:00:01"


def test_the_whole_command_line() -> None:
    assert argv.command_line("/usr/bin/qemu", PLAN, FDS) == [
        "/usr/bin/qemu",
        "-machine", "microvm,pit=on,pic=on,rtc=on,acpi=on,usb=off,graphics=off",
        "-accel", "tcg,tb-size=80",
        "-cpu", "max",
        "-m", "256M",
        "-smp", "2",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-global", "virtio-mmio.force-legacy=false",
        "-device", "pvpanic",
        "-name", "guest=web-1,process=volant-0123456789ab",
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-chardev", "socket,id=control,fd=5,server=on,wait=off",
        "-mon", "chardev=control,mode=control",
        "-add-fd", "fd=8,set=1",
        "-chardev", "pipe,id=console,path=/proc/self/fd/6/line,logfile=/dev/fdset/1,logappend=on",
        "-serial", "chardev:console",
        "-device", "virtio-serial-device,id=serial",
        "-chardev", "socket,id=agent,fd=7,server=on,wait=off",
        "-device", "virtserialport,bus=serial.0,chardev=agent,name=org.volant.agent.0",
        "-kernel", "/k/vmlinuz", "-initrd", "/k/initramfs", "-append", "console=ttyS0 quiet",
    ]  # fmt: skip


def test_kvm_runs_the_hosts_own_cpu() -> None:
    line = argv.machine(replace(PLAN, accel="kvm"))
    assert line[line.index("-accel") + 1] == "kvm"
    assert line[line.index("-cpu") + 1] == "host"


def test_a_disk_is_json_whatever_its_path_holds() -> None:
    path = '/disks/a,readonly=on,"b"\\ %s.img'
    flag, backend, device_flag, device = argv.disk(1, DiskPlan(path=Path(path), format="qcow2", readonly=True, serial="disk-0"))
    assert (flag, device_flag) == ("-blockdev", "-device")
    told = json.loads(backend)
    assert told["file"] == {"driver": "file", "filename": path}
    assert (told["driver"], told["read-only"]) == ("qcow2", True)
    assert json.loads(device) == {"driver": "virtio-blk-device", "drive": told["node-name"], "serial": "disk-0"}


def test_disks_come_in_their_order() -> None:
    disks = tuple(DiskPlan(path=Path(f"/d/{serial}"), format="raw", readonly=False, serial=serial) for serial in ("rootfs", "disk-0"))
    line = argv.command_line("qemu", replace(PLAN, disks=disks), FDS)
    devices = [json.loads(word) for word in line if word.startswith('{"driver":"virtio-blk')]
    assert [device["serial"] for device in devices] == ["rootfs", "disk-0"]


def test_a_tap_is_passed_by_descriptor() -> None:
    line = argv.nic(NicPlan(mode=NetworkMode.BRIDGED, mac=MAC, tap="vt0"), 9)
    assert line[:2] == ["-netdev", "tap,id=net0,fd=9"]
    assert json.loads(line[3]) == {"driver": "virtio-net-device", "netdev": "net0", "mac": MAC}


def test_a_tap_without_a_descriptor_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="tap"):
        argv.nic(NicPlan(mode=NetworkMode.BRIDGED, mac=MAC), None)


def test_user_mode_forwards_ports_of_the_host() -> None:
    forwards = (Forward(80, 8080), Forward(53, 5353, "udp", "127.0.0.2"))
    line = argv.nic(NicPlan(mode=NetworkMode.USER, mac=MAC, forwards=forwards), None)
    assert line[1] == "user,id=net0,ipv6=off,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp:127.0.0.2:5353-:53"


def test_a_forward_cannot_become_an_option() -> None:
    line = argv.nic(NicPlan(mode=NetworkMode.USER, mac=MAC, forwards=(Forward(80, 8080, "tcp", "127.0.0.1,restrict=off"),)), None)
    assert line[1].endswith("hostfwd=tcp:127.0.0.1,,restrict=off:8080-:80")


@pytest.mark.parametrize("mode", [NetworkMode.NONE, NetworkMode.VSOCK])
def test_without_a_network_there_is_no_card(mode: NetworkMode) -> None:
    assert argv.nic(NicPlan(mode=mode, mac=MAC), None) == []


def test_the_config_travels_by_descriptor() -> None:
    fds = replace(FDS, config=10, tap=11)
    assert fds.all() == (5, 6, 7, 8, 10, 11)
    line = argv.command_line("qemu", PLAN, fds)
    assert line[line.index("-fw_cfg") + 1] == "name=opt/org.volant/config,file=/proc/self/fd/10"


def test_a_name_cannot_become_an_option() -> None:
    assert argv.process(replace(PLAN, name="a,debug-threads=on"))[1] == "guest=a,,debug-threads=on,process=volant-0123456789ab"
