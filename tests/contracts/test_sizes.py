"""Modules and functions stay small enough to be read at once."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_MODULE_LINES = 400
MAX_BODY_LINES = 60
MODULES = sorted((ROOT / "volant").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_and_its_functions_have_a_readable_size(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MAX_MODULE_LINES, f"{path}: {text.count(chr(10))} lines"
    too_long = [f"{path}:{node.lineno} {node.name}: {lines} lines" for node, lines in functions(ast.parse(text)) if lines > MAX_BODY_LINES]
    assert not too_long


def functions(tree: ast.Module) -> list[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    """Every function with the lines of its body, without the docstring."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
            first, last = (body[0].lineno, body[-1].end_lineno) if body else (0, -1)
            found.append((node, (last or first) - first + 1))
    return found


def test_the_measure_itself() -> None:
    (_, outer), (_, inner) = functions(ast.parse("def f():\n    'doc'\n    def g(): ...\n    return 1\n"))
    assert (outer, inner) == (2, 1)
