"""The rate of the host's time stamp counter.

A guest under software emulation reads the host's counter, has no timer to calibrate it against, and hangs at boot
when it guesses wrong; so it is told the rate on its command line.
"""

from __future__ import annotations

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
BASE_FREQUENCY = Path("/sys/devices/system/cpu/cpu0/cpufreq/base_frequency")
"""In kHz, from the intel_pstate driver: there the clock in cpuinfo scales with load, and the counter runs at the base rate."""


def tsc_khz() -> int:
    """The counter's rate in kHz; 0 when the host doesn't say."""
    try:
        base = BASE_FREQUENCY.read_text().strip()
    except OSError:
        base = ""
    if base.isdecimal():
        return int(base)
    return parse_cpu_khz(CPUINFO.read_text())


def parse_cpu_khz(cpuinfo: str) -> int:
    """The first processor's `cpu MHz` in kHz, rounded; 0 when there is no such line."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "cpu MHz":
            try:
                return round(float(value) * 1000)
            except ValueError:
                return 0
    return 0
