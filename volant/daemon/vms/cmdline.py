"""The guest's kernel command line: what rides on it, and what travels by fw_cfg because it doesn't fit or is secret."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from volant.daemon.ports import Address
from volant.proto.errors import InvalidParams
from volant.proto.specs.states import BootMode

MAX_CMDLINE = 2_047
"""Bytes. x86 kernels keep 2,048 with the closing NUL; a longer one is not cut but hangs the guest silently (measured)."""

MAX_BLOB = 1_048_576
"""Bytes of config that may travel by fw_cfg: far above any manifest (128 KiB), below what port I/O reads in two seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestConfig:
    """What the agent has to know before anybody can tell it over the agent channel."""

    vm_id: str
    hostname: str
    boot: BootMode
    kernel_words: str
    """The launcher's own words: console, clock, what makes the boot quick."""
    manifest: dict[str, Any]
    """Plain form, the VM's overrides merged in."""
    encoded_manifest: str
    """The same as `volant.manifest` spells it, without the workload's environment."""
    private: bool = False
    """There is an environment, so maybe secrets: never on the command line that everybody's `ps` and the guest can read."""
    address: Address | None = None
    extra: str = ""


@dataclass(frozen=True, slots=True)
class GuestWords:
    """The finished command line, and the fw_cfg blob (empty when not needed)."""

    cmdline: str
    blob: bytes


def guest_words(config: GuestConfig) -> GuestWords:
    """Lay `config` out over the two ways; InvalidParams when the user's own words alone are too long.

    The manifest rides on the command line whenever it fits; the blob, where there is one, has it whole and counts for the agent.
    """
    words = [config.kernel_words, f"volant.id={config.vm_id}", f"volant.boot={config.boot}", f"volant.name={config.hostname}"]
    words += _address_words(config.address)
    if config.extra:
        words.append(config.extra)
    base = " ".join(word for word in words if word)
    manifest = f" volant.manifest={config.encoded_manifest}"
    if not config.private and len((base + manifest).encode()) <= MAX_CMDLINE:
        return GuestWords(base + manifest, b"")
    line = f"{base} volant.config=fw_cfg"
    if len((line + manifest).encode()) <= MAX_CMDLINE:
        line += manifest
    over = len(line.encode()) - MAX_CMDLINE
    if over > 0:
        raise InvalidParams(
            f"the kernel command line is {over} bytes too long (at most {MAX_CMDLINE})",
            hint=f"shorten --cmdline, which has {len(config.extra.encode())} bytes",
        )
    blob = json.dumps({"manifest": config.manifest}, separators=(",", ":"), ensure_ascii=False).encode()
    if len(blob) > MAX_BLOB:
        raise InvalidParams(
            f"manifest and environment make {len(blob)} bytes of config; at most {MAX_BLOB} reach a guest", hint="shorten them"
        )
    return GuestWords(line, blob)


def _address_words(address: Address | None) -> list[str]:
    if address is None:
        return []
    words = [f"volant.ip={address.ip}/{address.prefix}", f"volant.mac={address.mac}"]
    if address.gateway:
        words.append(f"volant.gw={address.gateway}")
    if address.dns:
        words.append(f"volant.dns={','.join(address.dns)}")
    return words
