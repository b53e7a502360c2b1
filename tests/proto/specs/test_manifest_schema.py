"""The committed schema is current, is a schema, and accepts what the strict parser accepts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.proto.specs.manifests import Generator, full, small
from volant.proto.errors import InvalidManifest
from volant.proto.specs import manifest_schema
from volant.proto.specs.manifest_parse import parse_manifest

COMMITTED = Path(manifest_schema.__file__).with_name("manifest.schema.json")
COMMAND = "python -m volant.proto.specs.manifest_schema > volant/proto/specs/manifest.schema.json"
BEYOND = ("stands twice", "lies outside the subnet", "ports are 1 to 65535")
"""Sentences of the rules that no schema can say."""


def test_the_committed_schema_is_current() -> None:
    assert COMMITTED.read_text() == manifest_schema.schema_text(), f"stale; run: {COMMAND}"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(json.loads(COMMITTED.read_text()))


@pytest.mark.parametrize("seed", range(8))
def test_schema_and_strict_parser_agree(seed: int) -> None:
    validator = Draft202012Validator(manifest_schema.manifest_schema())
    generator = Generator(seed)
    verdicts = set()
    for _ in range(250):
        data = generator.manifest()
        problems: list[str] = []
        try:
            parse_manifest(data, strict=True)
        except InvalidManifest as fault:
            problems = [problem["message"] for problem in fault.data["problems"]]
        within = [problem for problem in problems if not any(sentence in problem for sentence in BEYOND)]
        assert validator.is_valid(data) == (not within), (data, problems, [error.message for error in validator.iter_errors(data)])
        verdicts.add(not within)
    assert verdicts == {True, False}


@pytest.mark.parametrize("data", [small(), full()])
def test_the_examples_are_valid(data: dict[str, object]) -> None:
    Draft202012Validator(manifest_schema.manifest_schema()).validate(data)
