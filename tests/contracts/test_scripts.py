"""The two commands, and what the README tells people to type."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = [*sorted((ROOT / "scripts").iterdir()), ROOT / ".ci/run"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_runs_and_parses(path: Path) -> None:
    assert os.access(path, os.X_OK)
    shebang = path.read_text().partition("\n")[0]
    assert shebang in ("#!/usr/bin/env bash", "#!/bin/sh")
    subprocess.run(["sh" if shebang.endswith("sh") and "bash" not in shebang else "bash", "-n", path], check=True)


@pytest.mark.parametrize("script", ["setup", "demo", "test"])
def test_an_unknown_argument_is_refused_before_anything_happens(script: str) -> None:
    done = subprocess.run([ROOT / "scripts" / script, "--bogus"], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode in (1, 2)
    assert "unknown argument: --bogus" in done.stderr


def test_ci_runs_the_tests_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line and not line.startswith("#")]
    assert lines == ['exec "$(dirname "$0")/../scripts/test"']


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/README.md"])
def test_commands_and_links_of_a_page_lead_somewhere(page: str) -> None:
    path = ROOT / page
    text = path.read_text()
    for command in re.findall(r"(?:^|\s|`)((?:scripts|examples|\.ci)/[a-z/_.-]+)", text):
        assert (ROOT / command).exists(), command
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (path.parent / target).exists(), target
