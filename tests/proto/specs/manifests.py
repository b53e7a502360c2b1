"""Manifests for tests: small, full, and generated ones."""

from __future__ import annotations

import random
from copy import deepcopy
from typing import Any

from volant.proto.specs.fields import Flag, Kind, ListOf, MapOf, Number, Object, Text, kinds_of
from volant.proto.specs.manifest import Manifest

DIGEST = "0123456789abcdef" * 4


def small() -> dict[str, Any]:
    """The least that is a manifest."""
    return {
        "name": "hello",
        "version": "1.0.0",
        "initramfs": {"url": "/srv/hello.cpio"},
        "resources": {"cpu_cores": 1, "memory_mb": 128},
        "workload": {"type": "http", "base_url": "http://127.0.0.1:8080", "entrypoint": ["/usr/bin/hello"]},
    }


def full() -> dict[str, Any]:
    """Every field there is."""
    return small() | {
        "schema_version": "1.0",
        "runtime": "python",
        "rootfs": {"url": "https://example.org/hello.img", "checksum": f"sha256:{DIGEST}", "format": "qcow2"},
        "initramfs": {"url": "file:///srv/hello.cpio", "checksum": DIGEST},
        "disks": [{"name": "data", "source": "/srv/data.img", "checksum": DIGEST, "format": "raw", "readonly": True, "target": "/data"}],
        "image": "docker.io/library/hello:1",
        "image_digest": f"sha256:{DIGEST}",
        "actions": {"greet": {"description": "Says hello.", "method": "POST", "path": "/greet?loud=1", "timeout_ms": 2_000}},
        "health_check": {"endpoint": "/healthz", "timeout_ms": 5_000},
        "workload": small()["workload"] | {"env": {"MODE": " fast "}, "workdir": "/srv"},
        "cloud_init": {
            "datasource": "NoCloud",
            "seed_mode": "vfat",
            "user_data": {"inline": True, "content": "#cloud-config\n"},
            "meta_data": {"path": "/srv/meta"},
            "network_config": {"content": "version: 2\n"},
        },
        "network": {"mode": "bridged", "subnet": "10.1.2.0/24", "gateway": "10.1.2.1", "auto_assign": True},
        "devices": {"pci_passthrough": ["01:00.0"], "allowlist": ["10de:*"]},
        "restart": "on-failure:3",
        "enabled": False,
        "openapi": "https://example.org/openapi.json",
        "labels": {"team": "web"},
    }


class Generator:
    """Manifests around `full`: fields dropped, and replaced by good and bad values that fit their kinds."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def manifest(self) -> dict[str, Any]:
        data = deepcopy(self._random.choice((small, full))())
        for _ in range(self._random.randrange(4)):
            self._change(data, kinds_of(Manifest))
        return data

    def _change(self, data: dict[str, Any], kinds: dict[str, Kind]) -> None:
        name = self._random.choice(list(kinds))
        kind = kinds[name]
        value = data.get(name)
        if isinstance(kind, Object) and isinstance(value, dict) and self._random.random() < 0.8:
            self._change(value, kinds_of(kind.cls))
        elif self._random.random() < 0.2:
            data.pop(name, None)
        elif self._random.random() < 0.05:
            data[name + "x"] = value
        else:
            data[name] = self._value(kind)

    def _value(self, kind: Kind) -> Any:
        choice = self._random.choice
        if self._random.random() < 0.15:
            return choice([None, True, 1, -1, 1.5, "", " ", "x", [], {}, [None], {"a": None}])
        if isinstance(kind, Text):
            return choice([*kind.choices, *map(str.title, kind.choices), *_TEXTS, " " + choice(_TEXTS) + "\n"])
        if isinstance(kind, Number):
            return choice([0, 1, 2.0, 128, 255, 256, 3_600_000, 3_600_001, 2**70, -1, 0.5])
        if isinstance(kind, Flag):
            return choice([True, False])
        if isinstance(kind, ListOf):
            return [self._value(kind.item) for _ in range(self._random.randrange(3))]
        if isinstance(kind, MapOf):
            return {choice(_TEXTS): self._value(kind.value) for _ in range(self._random.randrange(3))}
        made: dict[str, Any] = {}
        for _ in range(self._random.randrange(4)):
            self._change(made, kinds_of(kind.cls))
        return made


_TEXTS = (
    "hello", "Hello World", "a" * 63, "a" * 64, "-a", "1.0", "2.0", "v1.2", "1.0.0+build.7", "/", "/srv/x", "/srv/with space", "//", "file:///srv/x",
    "file://x", "http://", "http://h", "http://h/p?q=1", "https://example.org/a b", "http://127.0.0.1:8080/", "http://[::1]:80", "http://h:99999",
    "http://h:port", "ftp://h/x", DIGEST, DIGEST.upper(), "sha256:" + DIGEST, "SHA256:" + DIGEST, DIGEST[:-1], "md5:" + DIGEST, "vdb",
    "vd1", "10.1.2.0/24", "10.1.2.0/33", "10.1.2.1", "10.01.2.1", "256.1.1.1", "01:00.0", "0000:01:00.0", "0000:01:20.0", "10de:*", "*:*",
    "10DE:1EB8", "PATH", "1PATH", "A=B", "a\tb", "line\nbreak", "nul\x00", "\x7f", "é", "volant.plugin", "/a#b",
)  # fmt: skip
