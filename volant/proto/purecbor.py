"""The wire's CBOR subset in pure Python, for the guest, where no compiled module is at hand.

The subset (RFC 8949): integers from -2**64 to 2**64-1, finite floats, byte strings, UTF-8 text, booleans, null, arrays and
text-keyed maps, all of definite length, at most MAX_DEPTH containers inside each other. No tags, no other simple values, no
key twice, nothing after the one item. `cbor.py` is the same subset on cbor2; tests hold the two against each other.
"""

from __future__ import annotations

from math import isfinite
from struct import Struct

from volant.proto.errors import MalformedFrame

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any

MAX_DEPTH = 32
"""Most containers inside each other. The contract's own types need eight; user data (manifests, labels) gets the rest. Far
below what either codec or a reader's recursion could trip over."""

_BYTES, _TEXT, _ARRAY, _MAP = 0x40, 0x60, 0x80, 0xA0
_HALF, _SINGLE, _DOUBLE = Struct(">e"), Struct(">f"), Struct(">d")
_FLOATS = {0xF9: _HALF, 0xFA: _SINGLE, 0xFB: _DOUBLE}
_SIMPLE: dict[int, bool | None] = {0xF4: False, 0xF5: True, 0xF6: None}
_WORDS = {24: 1, 25: 2, 26: 4, 27: 8}
"""Length in bytes of the number that follows an initial byte with this low part."""


class NotPlain(ValueError):
    """Our own misuse: a value outside the wire's subset was to be encoded."""


def dumps(value: Any) -> bytes:
    """`value` as one CBOR item. NotPlain when it is outside the subset."""
    pieces: list[bytes] = []
    _encode(value, pieces, MAX_DEPTH)
    return b"".join(pieces)


def loads(data: bytes) -> Any:
    """The one item that `data` holds. MalformedFrame when it is anything but exactly one item of the subset."""
    try:
        value, end = _decode(data, 0, MAX_DEPTH)
    except (IndexError, UnicodeDecodeError) as error:
        raise MalformedFrame("the frame is cut short" if isinstance(error, IndexError) else "text is not UTF-8") from None
    if end != len(data):
        raise MalformedFrame(f"{len(data) - end} bytes follow the frame's item")
    return value


def unsigned(number: int) -> bytes:
    """`number`, not negative, as one CBOR item."""
    return _head(0, number)


def array_head(count: int) -> bytes:
    """What stands before `count` encoded items to make them one array: for splicing what is encoded already."""
    return _head(_ARRAY, count)


def map_head(count: int) -> bytes:
    """What stands before `count` pairs of encoded keys and values to make them one map."""
    return _head(_MAP, count)


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes((major | number,))
    if number < 0x100:
        return bytes((major | 24, number))
    if number < 0x10000:
        return bytes((major | 25,)) + number.to_bytes(2, "big")
    if number < 0x100000000:
        return bytes((major | 26,)) + number.to_bytes(4, "big")
    if number < 0x10000000000000000:
        return bytes((major | 27,)) + number.to_bytes(8, "big")
    raise NotPlain("an integer is outside -2**64 .. 2**64-1")


def _encode(value: Any, out: list[bytes], depth: int) -> None:
    kind = type(value)
    if kind is str:
        text = value.encode()
        out += (_head(_TEXT, len(text)), text)
    elif kind is int:
        out.append(_head(0, value) if value >= 0 else _head(0x20, -1 - value))
    elif kind is bytes:
        out += (_head(_BYTES, len(value)), value)
    elif kind is bool or value is None:
        out.append(b"\xf6" if value is None else b"\xf5" if value else b"\xf4")
    elif kind is float and isfinite(value):
        out.append(b"\xfb" + _DOUBLE.pack(value))
    elif kind is not list and kind is not tuple and kind is not dict:
        raise NotPlain(f"{value!r:.80} can't travel: only finite numbers, text, bytes, booleans, null, lists and text-keyed maps can")
    elif not depth:
        raise NotPlain(f"more than {MAX_DEPTH} lists and maps inside each other can't travel")
    elif kind is dict:
        out.append(_head(_MAP, len(value)))
        for key, item in value.items():
            if type(key) is not str:
                raise NotPlain(f"the map key {key!r:.80} is not text")
            _encode(key, out, depth)
            _encode(item, out, depth - 1)
    else:
        out.append(_head(_ARRAY, len(value)))
        for item in value:
            _encode(item, out, depth - 1)


def _decode(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """The item at `at` and the index after it; IndexError where the data ends too early."""
    initial = data[at]
    at += 1
    major, number = initial & 0xE0, initial & 0x1F
    if major == 0xE0:
        return _decode_simple(data, at, initial)
    if number >= 24:
        size = _WORDS.get(number)
        if size is None:
            raise MalformedFrame("indefinite lengths and reserved forms are not allowed")
        number = int.from_bytes(data[at : at + size], "big")
        at += size
        if at > len(data):
            raise IndexError
    if major == 0:
        return number, at
    if major == 0x20:
        return -1 - number, at
    if major in (_BYTES, _TEXT):
        end = at + number
        if end > len(data):
            raise IndexError
        piece = data[at:end]
        return (piece if major == _BYTES else piece.decode()), end
    if major == 0xC0:
        raise MalformedFrame("tags are not allowed")
    if not depth:
        raise MalformedFrame(f"more than {MAX_DEPTH} lists and maps are inside each other")
    return _decode_array(data, at, number, depth - 1) if major == _ARRAY else _decode_map(data, at, number, depth - 1)


def _decode_array(data: bytes, at: int, count: int, depth: int) -> tuple[list[Any], int]:
    # Items have one byte at least, so an absurd count runs into the end of the data, and nothing is set aside for it.
    items: list[Any] = []
    for _ in range(count):
        item, at = _decode(data, at, depth)
        items.append(item)
    return items, at


def _decode_map(data: bytes, at: int, count: int, depth: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    for _ in range(count):
        if data[at] & 0xE0 != _TEXT:
            raise MalformedFrame("a map key is not text")
        key, at = _decode(data, at, 0)
        if key in found:
            raise MalformedFrame(f"the key {key[:80]!r} stands twice in one map")
        found[key], at = _decode(data, at, depth)
    return found, at


def _decode_simple(data: bytes, at: int, initial: int) -> tuple[float | bool | None, int]:
    packed = _FLOATS.get(initial)
    if packed is None:
        if initial not in _SIMPLE:
            raise MalformedFrame(f"the simple value or break 0x{initial:02x} is not allowed")
        return _SIMPLE[initial], at
    end = at + packed.size
    if end > len(data):
        raise IndexError
    (number,) = packed.unpack(data[at:end])
    if not isfinite(number):
        raise MalformedFrame("NaN and infinity are not allowed")
    return number, end
