"""The words of a guest's kernel command line that depend on how the guest is emulated. Pure."""

from __future__ import annotations

BASE_WORDS = ("console=ttyS0", "quiet", "reboot=t", "panic=-1")
"""Serial console; a reboot and a panic both end the VMM at once (it runs with -no-reboot)."""

QUICK_WORDS = (
    "mitigations=off",
    "nokaslr",
    "audit=0",
    "apparmor=0",
    "nowatchdog",
    "rcupdate.rcu_expedited=1",
    "cryptomgr.notests",
    "no_timer_check",
    "8250.nr_uarts=1",
    "random.trust_cpu=on",
    "edac=off",
    "i8042.noaux",
    "pci=off",
)
"""About half a second less boot under emulation: self-tests, probes of hardware that isn't there, and CPU mitigations, which
guard nothing where every instruction is translated anyway."""

KVM_WORDS = ("no_timer_check", "8250.nr_uarts=1", "random.trust_cpu=on", "edac=off", "i8042.noaux", "pci=off")
"""The same without what weakens a guest that runs on the real CPU."""


def kernel_words(accel: str, tsc_khz: int) -> str:
    """The launcher's words for `accel` (kvm or tcg), separated by spaces.

    Under emulation the guest reads the host's time stamp counter and has nothing to calibrate it against on this
    machine type: without the rate (kHz; 0: unknown) it hangs at boot now and then.
    """
    words = list(BASE_WORDS)
    if accel == "tcg":
        if tsc_khz:
            words += [f"tsc_early_khz={tsc_khz}", "tsc=reliable"]
        words += QUICK_WORDS
    else:
        words += KVM_WORDS
    return " ".join(words)
