"""What a manifest's author notices: defaults, all mistakes at once, near names, one sentence for a file that is none."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any

import pytest

from tests.proto.specs.manifests import DIGEST, Generator, full, small
from volant.proto.errors import InvalidManifest
from volant.proto.specs.manifest import DEFAULT_HEALTH_TIMEOUT_MS
from volant.proto.specs.manifest_codec import to_plain
from volant.proto.specs.manifest_parse import MAX_PROBLEMS, Parsed, parse_manifest
from volant.proto.specs.manifest_text import MAX_MANIFEST, load_json


def problems_of(data: object, *, strict: bool = False) -> dict[str, str]:
    with pytest.raises(InvalidManifest) as caught:
        parse_manifest(data, strict=strict)
    assert caught.value.hint
    return {problem["path"]: problem["message"] for problem in caught.value.data["problems"]}


def test_what_is_not_said_is_filled_in() -> None:
    manifest = parse_manifest(small() | {"health_check": {"endpoint": "/up"}, "cloud_init": {"user_data": {"content": "x"}}}).manifest
    assert (manifest.runtime, manifest.schema_version, manifest.enabled) == ("hello", "1.0", True)
    assert manifest.labels == {"volant.plugin": "hello", "volant.runtime": "hello"}
    assert manifest.rootfs is None and manifest.network is None and manifest.devices is None
    assert manifest.health_check and manifest.health_check.timeout_ms == DEFAULT_HEALTH_TIMEOUT_MS
    assert manifest.cloud_init and manifest.cloud_init.datasource == "NoCloud"
    assert manifest.cloud_init.user_data and manifest.cloud_init.user_data.inline


def test_texts_are_trimmed_and_spelled_one_way() -> None:
    data = small() | {
        "name": " hello\n",
        "rootfs": {"url": " /srv/x.img ", "checksum": f" {DIGEST.upper()} ", "format": " QCOW2 "},
        "devices": {"pci_passthrough": ["01:00.0"], "allowlist": [" 10DE:* "]},
        "actions": {" hi ": {"method": "get", "path": " /hi "}},
    }
    manifest = parse_manifest(data).manifest
    assert manifest.name == "hello"
    assert manifest.rootfs and (manifest.rootfs.url, manifest.rootfs.checksum, manifest.rootfs.format) == (
        "/srv/x.img",
        f"sha256:{DIGEST}",
        "qcow2",
    )
    assert manifest.devices and (manifest.devices.pci_passthrough, manifest.devices.allowlist) == (("0000:01:00.0",), ("10de:*",))
    assert (manifest.actions["hi"].method, manifest.actions["hi"].path) == ("GET", "/hi")


def test_arguments_variables_and_documents_stay_as_written() -> None:
    data = small()
    data["workload"] |= {"entrypoint": ["sh", "-c", " echo 'a\n' ", ""], "env": {"A": " b ", "EMPTY": ""}}
    workload = parse_manifest(data).manifest.workload
    assert workload.entrypoint == ("sh", "-c", " echo 'a\n' ", "")
    assert workload.env == {"A": " b ", "EMPTY": ""}


def test_what_the_original_writes_for_nothing_counts_as_nothing() -> None:
    empty = {
        "rootfs": {"url": "", "format": "raw"},
        "health_check": {"endpoint": "", "timeout_ms": 0},
        "labels": None,
        "disks": None,
        "network": {},
    }
    assert parse_manifest(small() | empty).manifest == parse_manifest(small()).manifest


def test_all_wrong_fields_are_named_at_once() -> None:
    data = full() | {
        "name": "Not A Label",
        "version": "",
        "resources": {"cpu_cores": 0, "memory_mb": "lots"},
        "actions": {"hello": {"method": "GET"}, "bye": {"method": "SHOUT", "path": "bye"}},
        "disks": [{"name": "a", "source": "/a"}, {"name": "b", "source": "b.img", "format": "vmdk"}],
        "workload": {"type": "grpc", "entrypoint": []},
        "labels": ["x"],
    }
    assert set(problems_of(data)) == {
        "name", "version", "resources.cpu_cores", "resources.memory_mb", "actions.hello.path", "actions.bye.method", "actions.bye.path",
        "disks[1].source", "disks[1].format", "workload.type", "workload.base_url", "workload.entrypoint", "labels",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "path", "sentence"),
    [
        ({"initramfs": {}}, "rootfs", "at least one"),
        ({"initramfs": {"url": "ftp://x/y"}}, "initramfs.url", "http"),
        ({"initramfs": {"checksum": DIGEST}}, "initramfs.url", "required"),
        ({"rootfs": {"url": "relative.img"}}, "rootfs.url", "absolute path"),
        ({"rootfs": {"url": "/x", "checksum": "md5:1"}}, "rootfs.checksum", "sha256"),
        ({"rootfs": {"url": "/x", "format": "vmdk"}}, "rootfs.format", "raw, qcow2"),
        ({"network": {"mode": "bridged", "subnet": "10.0.0.0/24"}}, "network.gateway", "auto_assign"),
        ({"network": {"mode": "bridged", "subnet": "10.0.0.0/24", "gateway": "10.0.1.1"}}, "network.gateway", "outside"),
        ({"network": {"subnet": "10.0.0.0/24"}}, "network.mode", "required"),
        ({"network": {"mode": "wifi"}}, "network.mode", "bridged"),
        ({"cloud_init": {"user_data": {"content": "x", "path": "/y"}}}, "cloud_init.user_data.path", "exclude"),
        ({"cloud_init": {"user_data": {"inline": True, "path": "/y"}}}, "cloud_init.user_data.path", "inline"),
        ({"cloud_init": {"user_data": {"inline": True}}}, "cloud_init.user_data.content", "required"),
        ({"disks": [{"name": "a", "source": "/a"}, {"name": "a", "source": "/b"}]}, "disks[1].name", "twice"),
        ({"disks": [None]}, "disks[0]", "null"),
        ({"actions": {"a b": {"method": "GET", "path": "/"}}}, "actions.a b", "not a name"),
        ({"labels": {"a": "1", " a ": "2"}}, "labels. a ", "twice"),
        ({"schema_version": "2.0"}, "schema_version", "1.0"),
        ({"health_check": {"timeout_ms": 5}}, "health_check.endpoint", "required"),
        ({"resources": {"cpu_cores": 10_000, "memory_mb": 128}}, "resources.cpu_cores", "255"),
        ({"resources": {"cpu_cores": 1, "memory_mb": 10**5000}}, "resources.memory_mb", "bits"),
        ({"resources": {"cpu_cores": True, "memory_mb": 1}}, "resources.cpu_cores", "true or false"),
        ({"image": "a\x00b"}, "image", "character"),
        ({"image": "\ud800"}, "image", "character"),
    ],
)
def test_each_rule_names_its_field(change: dict[str, Any], path: str, sentence: str) -> None:
    problems = problems_of(small() | change)
    assert list(problems) == [path]
    assert sentence in problems[path]


def test_unknown_fields_warn_with_the_nearest_name_and_are_errors_when_strict() -> None:
    data = small() | {"workloud": {}, "zzz": 1, "actions": {"hi": {"method": "GET", "path": "/", "timeout": 1}}}
    assert parse_manifest(data).warnings == (
        "workloud: is not a known field; did you mean workload?",
        "zzz: is not a known field, and is ignored",
        "actions.hi.timeout: is not a known field; did you mean timeout_ms?",
    )
    assert set(problems_of(data, strict=True)) == {"workloud", "zzz", "actions.hi.timeout"}


def test_a_flood_of_problems_is_cut() -> None:
    assert len(problems_of(small() | {f"x{n}": n for n in range(10_000)}, strict=True)) == MAX_PROBLEMS + 1
    assert len(parse_manifest(small() | {f"x{n}": n for n in range(10_000)}).warnings) == MAX_PROBLEMS + 1


def read_manifest(content: bytes, *, strict: bool = False) -> Parsed:
    """As `volant plugin install` reads a file, and the daemon what it sends."""
    return parse_manifest(load_json(content, MAX_MANIFEST), strict=strict)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"{", "is not JSON"),
        (b"name: hello", "is not JSON"),
        (b"[]", "must be a JSON object"),
        (b"\xff\xfe{}", "is not UTF-8"),
        (b" " * (MAX_MANIFEST + 1), "at most"),
        (b'{"name": "a", "name": "b"}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a":' + b"[" * 60_000, "nested too deep"),
        (b'{"a":' + b"9" * 5_000 + b"}", "number"),
    ],
)
def test_a_file_that_is_no_manifest_gets_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(InvalidManifest, match=sentence) as caught:
        read_manifest(content)
    assert len(caught.value.data["problems"]) == 1


@pytest.mark.parametrize("seed", range(4))
def test_normalising_twice_changes_nothing(seed: int) -> None:
    generator, valid = Generator(seed), 0
    for _ in range(400):
        data = generator.manifest()
        try:
            once = parse_manifest(data).manifest
        except InvalidManifest:
            continue
        valid += 1
        again = parse_manifest(to_plain(once), strict=True)
        assert again.manifest == once and again.warnings == ()
    assert valid > 40


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The bytes with some of them replaced, dropped, doubled or moved."""
    data = bytearray(content)
    for _ in range(chance.randrange(1, 6)):
        at, size = chance.randrange(len(data)), chance.randrange(1, 12)
        match chance.randrange(4):
            case 0:
                data[at] = chance.randrange(256)
            case 1 if len(data) > 200:
                del data[at : at + size]
            case 2:
                data[at:at] = data[chance.randrange(len(data)) :][:size]
            case _:
                data[at : at + size] = chance.choice((b"null", b"{}", b"[", b'"', b"1e999", b"-1", b"\\ud800", b"\\u0000", b"true"))
    return bytes(data)


def survive(rounds: int, seed: int) -> None:
    chance, content, generator = random.Random(seed), json.dumps(full()).encode(), Generator(seed)
    read = 0
    for number in range(rounds):
        source = content if number % 2 else json.dumps(generator.manifest()).encode()
        try:
            read_manifest(mutated(source, chance), strict=bool(number % 3))
            read += 1
        except InvalidManifest as fault:
            assert len(fault.message) < 64_000
    assert read > 0


def test_mutated_manifests_raise_nothing_but_the_named_fault() -> None:
    survive(10_000, seed=1)


@pytest.mark.slow
def test_a_hundred_thousand_mutated_manifests_raise_nothing_but_the_named_fault() -> None:
    survive(100_000, seed=2)


def test_reading_loads_nothing_heavy() -> None:
    def loaded(code: str) -> set[str]:
        program = f"import sys{code}; print(*sys.modules)"
        return set(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split())

    # What the interpreter itself loads at its start depends on how the project was installed.
    read = loaded(", volant.proto.specs.manifest_codec") - loaded("")
    assert not {"difflib", "ipaddress", "gzip", "urllib.parse", "cbor2", "msgspec", "trio"} & read
