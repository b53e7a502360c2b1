"""What QEMU's last words mean."""

from __future__ import annotations

import pytest

from volant.daemon.hypervisors.qemu.failures import exit_cause, launch_fault
from volant.proto.errors import MAX_EXCERPT_CHARS, AddressTaken, Fault, HostShort, LaunchFailed

QEMU = "qemu-system-x86_64: "


@pytest.mark.parametrize(
    ("stderr", "kind", "words"),
    [
        (
            QEMU
            + "-netdev user,id=net0,hostfwd=tcp:127.0.0.1:38487-:80: Could not set up host forwarding rule 'tcp:127.0.0.1:38487-:80'\n",
            AddressTaken,
            "port 38487 of 127.0.0.1",
        ),
        (QEMU + "cannot set up guest memory 'microvm.ram': Cannot allocate memory\n", HostShort, "memory"),
        ("qemu: linux kernel too old to load a ram disk\n", LaunchFailed, "can't load the kernel"),
        ("qemu: could not open kernel file '/nope': No such file or directory\n", LaunchFailed, "can't load the kernel"),
        ("qemu: error reading initrd /nope: Failed to open file\n", LaunchFailed, "can't load the initramfs"),
        ('-device {"drive":"disk0"}: Failed to get "write" lock\nIs another process using the image [/d]?\n', LaunchFailed, "in use"),
        ("Could not access KVM kernel module: Permission denied\n", LaunchFailed, "KVM can't be used"),
        (QEMU + "-blockdev {...}: Could not open '/d': Permission denied\n", LaunchFailed, "may not open"),
        (
            QEMU + '-blockdev {"file":{"driver":"file"}}: Image is not in qcow2 format\n',
            LaunchFailed,
            "(exit code 1): Image is not in qcow2 format",
        ),
        ("", LaunchFailed, "it said nothing"),
    ],
)
def test_the_fault_says_what_is_wrong(stderr: str, kind: type[Fault], words: str) -> None:
    fault = launch_fault("web-1", stderr=stderr, command_line=["qemu", "-m"], exit_code=1)
    assert type(fault) is kind
    assert words in fault.message
    assert fault.hint
    assert fault.data == {"stderr": stderr, "command_line": ["qemu", "-m"], "vmm_exit_code": 1}


def test_a_flood_of_complaints_is_cut_to_its_end() -> None:
    fault = launch_fault("web-1", stderr="x" * 1_000_000 + "the end", command_line=[], exit_code=-6)
    assert len(fault.data["stderr"]) == MAX_EXCERPT_CHARS
    assert "killed by signal 6" in fault.message


@pytest.mark.parametrize(
    ("reason", "panicked", "killed", "exit_code", "console", "cause"),
    [
        ("guest-shutdown", False, False, 0, b"", "guest-shutdown"),
        ("guest-shutdown", False, True, -9, b"", "guest-shutdown"),
        ("guest-reset", False, False, 0, b"reboot: Restarting system", "guest-reset"),
        ("guest-reset", False, False, 0, b"Kernel panic - not syncing: Attempted to kill init!", "guest-panic"),
        ("guest-panic", True, False, 0, b"", "guest-panic"),
        ("", True, False, 0, b"", "guest-panic"),
        ("", False, True, -9, b"", "killed"),
        ("", False, False, -9, b"", "killed"),
        ("host-signal", False, False, 0, b"", "host-signal"),
        ("host-error", False, False, 1, b"", "error"),
        ("", False, False, -6, b"", "error"),
        ("", False, False, None, b"", "unknown"),
    ],
)
def test_how_an_end_is_called(reason: str, panicked: bool, killed: bool, exit_code: int | None, console: bytes, cause: str) -> None:
    said = exit_cause(shutdown_reason=reason, panicked=panicked, killed=killed, exit_code=exit_code, console_end=console)
    assert said == cause
