"""Names and marks by which the room's objects are known on the host."""

from __future__ import annotations

import hashlib
import re

TAP_PREFIX = "vol"
"""Every tap's name begins with this; the firewall refuses whatever enters a bridge by such an interface and isn't listed."""
_TAP_HEX = 12
"""48 bits: among 1,000 VMs two names collide with a chance of 2 in a billion, and `IFF_TUN_EXCL` then refuses the second."""
_TAP = re.compile(rf"{TAP_PREFIX}[0-9a-f]{{{_TAP_HEX}}}\Z")

BRIDGE_ALIAS = "volant"
"""ifalias of a bridge that we made."""
_TAP_ALIAS = "volant:"
"""ifalias of our tap, before the VM's id."""


def tap_name(vm_id: str) -> str:
    """15 bytes, which is what an interface name may have; the same for the same VM."""
    return TAP_PREFIX + hashlib.sha256(b"volant tap " + vm_id.encode()).hexdigest()[:_TAP_HEX]


def is_tap_name(name: str) -> bool:
    """Whether `name` is of the form that `tap_name` gives."""
    return _TAP.match(name) is not None


def tap_alias(vm_id: str) -> str:
    """The mark on a tap that says whose it is."""
    return _TAP_ALIAS + vm_id


def is_our_tap(name: str, alias: str) -> bool:
    """Whether name and alias prove that Volant made this interface: the alias names a VM whose tap has exactly this name."""
    return alias.startswith(_TAP_ALIAS) and tap_name(alias.removeprefix(_TAP_ALIAS)) == name
