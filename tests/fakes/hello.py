"""The smallest plugin that can be installed, for daemons whose guests are fakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from volant.fledge.cpio import Writer


def described(folder: Path, **changes: Any) -> dict[str, Any]:
    """Write the image of `hello` into `folder`; its manifest, with `changes`."""
    image = folder / "hello.cpio"
    with image.open("wb") as file:
        archive = Writer(file)
        archive.directory("bin")
        archive.file("bin/serve", b"#!/bin/sh\n", mode=0o755)
        archive.close()
    return {
        "schema_version": "1",
        "name": "hello",
        "version": "1.0.0",
        "initramfs": {"url": str(image)},
        "resources": {"cpu_cores": 1, "memory_mb": 128},
        "workload": {"type": "http", "base_url": "http://127.0.0.1:8000", "entrypoint": ["/bin/serve"]},
        "actions": {"greet": {"method": "GET", "path": "/greet", "description": "says hello"}},
        **changes,
    }


def hello(folder: Path, **changes: Any) -> str:
    """The same with the manifest as a file; its path."""
    path = folder / "hello.json"
    path.write_text(json.dumps(described(folder, **changes)))
    return str(path)
