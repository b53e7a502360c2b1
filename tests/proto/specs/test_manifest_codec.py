"""The kernel argument: what is encoded comes back, and nothing hostile gets far."""

from __future__ import annotations

import base64
import gzip
import json
import random
import zlib

import pytest

from tests.proto.specs.manifests import Generator, full, small
from volant.proto.errors import InvalidManifest
from volant.proto.specs.manifest_codec import decode_manifest, encode_manifest, to_plain
from volant.proto.specs.manifest_parse import parse_manifest
from volant.proto.specs.manifest_text import MAX_DECODED


def urlsafe(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_encoded_comes_back(seed: int) -> None:
    generator, valid = Generator(seed), 0
    for _ in range(300):
        try:
            manifest = parse_manifest(generator.manifest()).manifest
        except InvalidManifest:
            continue
        valid += 1
        assert decode_manifest(encode_manifest(manifest)) == manifest
    assert valid > 30


def test_it_is_base64url_without_padding_of_gzip_and_always_the_same() -> None:
    manifest = parse_manifest(full()).manifest
    text = encode_manifest(manifest)
    assert "=" not in text and text.replace("-", "").replace("_", "").isalnum()
    packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert json.loads(gzip.decompress(packed)) == to_plain(manifest)
    assert packed[4:8] == bytes(4), "the header's time would make equal manifests differ"
    shuffled = dict(reversed(list(full().items())))
    assert encode_manifest(parse_manifest(shuffled).manifest) == text


def test_plain_json_and_padding_are_read_too() -> None:
    manifest = parse_manifest(small()).manifest
    content = json.dumps(small()).encode()
    assert decode_manifest(urlsafe(content)) == manifest
    assert decode_manifest(base64.urlsafe_b64encode(content).decode()) == manifest


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("a", "base64url"),
        ("é", "base64url"),
        ("not base64!", "base64url"),
        (urlsafe(b"\x1f\x8b\x08junk-junk-junk"), "gzip"),
        (urlsafe(gzip.compress(json.dumps(small()).encode(), mtime=0)[:-9]), "cut short"),
        (urlsafe(gzip.compress(b"{}", mtime=0) + b"x"), "behind its end"),
        (urlsafe(gzip.compress(bytes(64 * 1024 * 1024), mtime=0)), "unpacks to more"),
        ("A" * (2 * MAX_DECODED + 1), "characters"),
    ],
)
def test_what_is_no_encoded_manifest_gets_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InvalidManifest, match=sentence):
        decode_manifest(text)


def test_mutated_arguments_raise_nothing_but_the_named_fault() -> None:
    chance, text = random.Random(3), encode_manifest(parse_manifest(full()).manifest)
    plain = zlib.compress(json.dumps(full()).encode(), wbits=31)
    for number in range(5_000):
        data = bytearray(text.encode() if number % 2 else plain)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            decode_manifest(data.decode("latin-1") if number % 2 else urlsafe(bytes(data)))
        except InvalidManifest:
            pass
