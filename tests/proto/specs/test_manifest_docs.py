"""docs/manifest.md names every field, and its examples are manifests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from volant.proto.specs.fields import Kind, ListOf, MapOf, Object, kinds_of
from volant.proto.specs.manifest import Manifest
from volant.proto.specs.manifest_parse import parse_manifest

TEXT = (Path(__file__).parents[3] / "docs/manifest.md").read_text()
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]


def fields(kinds: dict[str, Kind], path: str = "") -> Iterator[str]:
    """Every field's path as the tables spell it."""
    for name, kind in kinds.items():
        here = f"{path}{name}"
        if isinstance(kind, ListOf) and isinstance(kind.item, Object):
            yield from fields(kinds_of(kind.item.cls), f"{here}[].")
        elif isinstance(kind, MapOf) and isinstance(kind.value, Object):
            yield from fields(kinds_of(kind.value.cls), f"{here}.NAME.")
        elif isinstance(kind, Object):
            # The three documents of cloud-init are alike; the tables describe the first.
            if here not in ("cloud_init.meta_data", "cloud_init.network_config"):
                yield from fields(kinds_of(kind.cls), f"{here}.")
        else:
            yield here


@pytest.mark.parametrize("field", list(fields(kinds_of(Manifest))))
def test_every_field_is_described(field: str) -> None:
    assert f"`{field}`" in TEXT


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_are_manifests(example: dict[str, Any]) -> None:
    parse_manifest(example, strict=True)


def test_the_long_example_has_every_field() -> None:
    assert set(EXAMPLES[1]) == set(kinds_of(Manifest))
