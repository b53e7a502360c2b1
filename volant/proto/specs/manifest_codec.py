"""A `Manifest` as plain data and as the kernel argument `volant.manifest`, and back."""

from __future__ import annotations

from typing import Any

from volant.proto.specs.fields import Declared, kinds_of
from volant.proto.specs.manifest import Manifest
from volant.proto.specs.manifest_parse import parse_manifest
from volant.proto.specs.manifest_text import decode_plain, encode_plain


def to_plain(manifest: Manifest) -> dict[str, Any]:
    """The JSON-shaped form; what is empty is left out, defaults are written out."""
    plain = _plain(manifest)
    assert isinstance(plain, dict)
    return plain


def encode_manifest(manifest: Manifest) -> str:
    """The value of `volant.manifest`; equal manifests give equal text."""
    return encode_plain(to_plain(manifest))


def decode_manifest(text: str) -> Manifest:
    """The manifest in a `volant.manifest` value, gzipped or plain; InvalidManifest when it holds none that is valid."""
    return parse_manifest(decode_plain(text)).manifest


def _plain(value: Any) -> Any:
    if isinstance(value, Declared):
        fields = ((name, getattr(value, name)) for name in kinds_of(type(value)))
        return {name: _plain(item) for name, item in fields if item is not None and item != "" and item != () and item != {}}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
