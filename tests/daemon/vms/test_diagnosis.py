"""What a console tells of a boot that failed."""

from __future__ import annotations

import pytest

from volant.daemon.vms.diagnosis import SHOWN, diagnose, excerpt, launch_fault, out_of_memory, panicked


@pytest.mark.parametrize(
    ("console", "sentence"),
    [
        ("Kernel panic - not syncing: No working init found.  Try passing init=", "the initramfs has no /init that the kernel can run"),
        ("Initramfs unpacking failed: junk within compressed archive", "the kernel could not unpack the initramfs"),
        ("Kernel panic - not syncing: System is deadlocked on memory", "the guest ran out of memory"),
        ("kestrel: failed: the workload exited with code 3\nKernel panic - not syncing: x", "the workload exited with code 3"),
        ("Kernel panic - not syncing: VFS: Unable to mount root fs", "the guest's kernel panicked: VFS: Unable to mount root fs"),
    ],
)
def test_the_cause_that_explains_most_is_named(console: str, sentence: str) -> None:
    cause = diagnose(console)
    assert cause is not None and cause.sentence == sentence and cause.hint


@pytest.mark.parametrize(
    ("console", "sentence"),
    [
        (
            "oom-kill:constraint=CONSTRAINT_NONE,task=sh\nOut of memory: Killed process 70 (sh) total-vm:9kB\n"
            "[   12.3] Out of memory: Killed process 77 (python3) total-vm:812344kB",
            "the guest ran out of memory, and its kernel killed process 77 (python3)",
        ),
        (
            "Memory cgroup out of memory: Killed process 5 (a b) anon-rss:1kB",
            "the guest ran out of memory, and its kernel killed process 5 (a b)",
        ),
        ("Out of memory: Killed process 12345678901 (x)", ""),
        ("kestrel: ready", ""),
    ],
)
def test_what_a_guests_oom_killer_took_is_named(console: str, sentence: str) -> None:
    assert out_of_memory(console) == sentence


@pytest.mark.parametrize(
    ("cause", "console", "reason", "named"),
    [
        ("guest-panic", "Kernel panic - not syncing: x", "the guest's kernel panicked: x", "guest-panic"),
        ("guest-panic", "Out of memory: Killed process 1 (init)", "the guest's kernel panicked: the guest ran out of memory", "guest-oom"),
        ("host-oom", "Out of memory: Killed process 7 (sh)", "the guest's kernel panicked", "host-oom"),
        ("", "kestrel: ready", "the guest's kernel panicked", None),
    ],
)
def test_a_failures_cause_is_a_word_for_programs(cause: str, console: str, reason: str, named: str | None) -> None:
    fault = launch_fault("web", "the guest's kernel panicked", ready=True, cause=cause, console=console)
    assert (fault.message, fault.data.get("cause")) == (f"VM 'web' crashed: {reason}", named)


def test_an_excerpt_shows_a_panic_rather_than_the_trace_behind_it() -> None:
    trace = [f" ? do_{number}+0x1/0x2" for number in range(40)]
    boot = ["Linux version 6.1", *(f"line {number}" for number in range(50))]
    panic = "Kernel panic - not syncing: sysrq triggered crash"
    shown = excerpt([*boot, panic, *trace]).splitlines()
    assert shown[:5] == ["line 47", "line 48", "line 49", panic, trace[0]] and len(shown) == SHOWN
    assert excerpt(boot).splitlines() == boot[-SHOWN:]
    assert excerpt(boot[:3]).splitlines() == boot[:3] and excerpt([]) == ""


def test_an_ordinary_console_shows_no_cause() -> None:
    assert diagnose("Linux version 6.1\nkestrel: ready") is None
    assert not panicked("kestrel: ready")


def test_a_failure_carries_what_explains_it() -> None:
    fault = launch_fault("web", "its agent never answered", console="a\nb", stderr="boom", command_line=("qemu", "-M", "microvm"))
    assert fault.message == "VM 'web' did not come up: its agent never answered"
    assert fault.data == {"console": "a\nb", "stderr": "boom", "command_line": ["qemu", "-M", "microvm"]}
    assert "volant vm console web" in fault.hint


def test_a_silent_guest_points_at_its_kernel() -> None:
    assert "kernel" in launch_fault("web", "its agent never answered").hint
