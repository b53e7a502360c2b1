"""Hardware addresses, derived so that the same VM has the same one for ever."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container

_MAC = re.compile(r"02(:[0-9a-f]{2}){5}\Z")


def local_mac(seed: str, attempt: int = 0) -> str:
    """A unicast, locally administered address (IEEE 802: the first octet is 02) by hash of `seed`."""
    digest = hashlib.sha256(f"volant mac {attempt} {seed}".encode()).digest()
    return ":".join(f"{octet:02x}" for octet in (0x02, *digest[:5]))


def free_mac(vm_id: str, taken: Container[str]) -> str:
    """The VM's address; in the one case in a trillion that another VM has it, the next of its series."""
    attempt = 0
    while (mac := local_mac(vm_id, attempt)) in taken:
        attempt += 1
    return mac


def is_local_mac(text: str) -> bool:
    """Whether `text` is spelled as `local_mac` spells an address."""
    return _MAC.match(text) is not None
