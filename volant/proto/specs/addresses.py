"""IPv4 addresses as text and number, without the standard `ipaddress`, whose import a booting guest would feel."""

from __future__ import annotations

OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPV4 = rf"{OCTET}(?:\.{OCTET}){{3}}"
"""Regular expression of a dotted address without leading zeros (which some programs read as octal)."""
CIDR4 = rf"{IPV4}/(?:3[0-2]|[12]?[0-9])"


def ipv4_number(text: str) -> int:
    """A dotted address that matches `IPV4` as a number."""
    first, second, third, fourth = (int(part) for part in text.split("."))
    return first << 24 | second << 16 | third << 8 | fourth


def is_within(address: str, subnet: str) -> bool:
    """Whether a dotted address lies in a subnet that matches `CIDR4`."""
    base, _, prefix = subnet.partition("/")
    mask = 0xFFFFFFFF << (32 - int(prefix)) & 0xFFFFFFFF
    return ipv4_number(address) & mask == ipv4_number(base) & mask
