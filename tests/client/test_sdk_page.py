"""docs/sdk.md shows code that compiles and names that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from volant.client.asking import NAMED
from volant.proto.method import methods_of

BLOCKS = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs/sdk.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_an_example_makes_calls_that_exist(block: str) -> None:
    for call in (node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)):
        match ast.unparse(call.func).split("."):
            case ["client", noun, verb]:
                method = methods_of(NAMED[noun])[f"{NAMED[noun]}.{verb}"]
                assert {keyword.arg for keyword in call.keywords} <= set(method.params.__dataclass_fields__)


def test_the_page_has_a_script_of_ten_lines() -> None:
    assert len(BLOCKS[0].strip().splitlines()) <= 10
