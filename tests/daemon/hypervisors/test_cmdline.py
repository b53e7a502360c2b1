"""The launcher's words of the kernel command line."""

from __future__ import annotations

from volant.daemon.hypervisors.cmdline import kernel_words


def test_an_emulated_guest_is_told_the_rate_of_its_clock() -> None:
    words = kernel_words("tcg", 2_596_120).split()
    assert words[:6] == ["console=ttyS0", "quiet", "reboot=t", "panic=-1", "tsc_early_khz=2596120", "tsc=reliable"]
    assert "mitigations=off" in words


def test_an_unknown_rate_is_not_told() -> None:
    assert "tsc" not in kernel_words("tcg", 0)


def test_under_kvm_the_guest_keeps_its_mitigations_and_finds_its_clock_itself() -> None:
    words = kernel_words("kvm", 2_596_120).split()
    assert words[0] == "console=ttyS0"
    assert not {"mitigations=off", "nokaslr", "apparmor=0", "tsc=reliable"} & set(words)


def test_the_words_leave_room_for_the_rest() -> None:
    assert len(kernel_words("tcg", 9_999_999)) < 400
