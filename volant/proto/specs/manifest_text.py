"""A manifest's text: the JSON of a file, and the kernel argument `volant.manifest` (base64url without padding of gzip(JSON)).

Light on purpose: an agent that trusts its daemon's manifest reads it with `decode_plain`, and the guest's boot pays neither
for the manifest's classes nor for their rules.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any

from volant.proto.errors import InvalidManifest

MAX_MANIFEST = 128 * 1024
"""Bytes of a manifest file: half a frame towards the daemon, so that the call that carries it always fits."""
MAX_DECODED = 4 * MAX_MANIFEST
"""Bytes of JSON that an argument may unpack to: a manifest of the largest size with all its defaults written out."""
_SHOWN_CHARS = 60
"""How much of a key a sentence quotes."""
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
"""zlib's way to ask for a gzip header; the header it writes has mtime 0."""


def load_json(content: bytes, limit: int, *, what: str = "it") -> object:
    """JSON text as plain data; InvalidManifest says in one sentence why it is none that we read. `what`: the sentence's subject."""
    if len(content) > limit:
        raise _unreadable(f"{what} has {len(content)} bytes; at most {limit} are read")
    if not content.strip():
        raise _unreadable(f"{what} is empty")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(f"{what} is not UTF-8 text: byte {error.start} is {content[error.start]:#04x}") from None
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise _unreadable(f"{what} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise _unreadable(f"{what} is nested too deep") from None
    except ValueError as error:
        # Python refuses integers of more than 4,300 digits with a plain ValueError.
        raise _unreadable(f"{what} holds a number that can't be read: {error}") from None


def _unreadable(sentence: str, path: str = "") -> InvalidManifest:
    return InvalidManifest(((path, sentence),), hint="give a JSON object as docs/manifest.md describes it")


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A key that is given twice is a slip: the later one would win in silence."""
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _unreadable("is given twice in the same object", key[:_SHOWN_CHARS])
        found[key] = value
    return found


def _refuse_constant(name: str) -> object:
    """NaN and the infinities, which Python's JSON takes and nobody else's."""
    raise _unreadable(f"{name} is no JSON number")


def encode_plain(plain: dict[str, Any]) -> str:
    """The value of `volant.manifest` for a manifest that is plain already, such as `vmconfig.merge_manifest` makes."""
    content = json.dumps(plain, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode()
    packer = zlib.compressobj(9, zlib.DEFLATED, _GZIP_WINDOW)
    return base64.urlsafe_b64encode(packer.compress(content) + packer.flush()).rstrip(b"=").decode("ascii")


def decode_plain(text: str) -> object:
    """The JSON-shaped data in a `volant.manifest` value, gzipped or plain; InvalidManifest when it holds none."""
    if len(text) > 2 * MAX_DECODED:
        raise _undecodable(f"has {len(text)} characters; at most {2 * MAX_DECODED} are read")
    try:
        packed = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _undecodable("is not base64url text") from None
    content = _unpacked(packed) if packed.startswith(_GZIP_MAGIC) else packed
    return load_json(content, MAX_DECODED)


def _unpacked(packed: bytes) -> bytes:
    """One whole gzip member, refused before it fills the memory."""
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        content = unpacker.decompress(packed, MAX_DECODED + 1)
    except zlib.error as error:
        raise _undecodable(f"is not gzip data: {error}") from None
    if len(content) > MAX_DECODED:
        raise _undecodable(f"unpacks to more than {MAX_DECODED} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise _undecodable("is cut short" if not unpacker.eof else "has bytes behind its end")
    return content


def _undecodable(sentence: str) -> InvalidManifest:
    return InvalidManifest((("", f"the encoded manifest {sentence}"),), hint="encode it as base64url of gzipped JSON")
