"""The man pages: all of them are made, they say everything that is declared, and `man` has nothing to complain about."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.cli.test_tree import EVERY_COMMAND
from volant.client.cli.parsing import command_parser
from volant.daemon.config import SETTINGS
from volant.manpages.commands import EXIT_CODES
from volant.manpages.roff import literal
from volant.proto.errors import ExitCode

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, as `python -m volant.manpages` writes them."""
    made = tmp_path_factory.mktemp("man")
    subprocess.run([sys.executable, "-m", "volant.manpages", made], cwd=ROOT, check=True)
    return made


def page(folder: Path, name: str) -> str:
    """A page's source; where it only names another one, that one's."""
    text = (folder / f"man{name[-1]}" / name).read_text()
    return (folder / text.split()[1]).read_text() if text.startswith(".so ") else text


@pytest.mark.parametrize(("noun", "name", "verb"), EVERY_COMMAND, ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_has_a_page_with_every_option_and_example(folder: Path, noun: str, name: str, verb: object) -> None:
    words = f"{noun} {name}".strip()
    parser = command_parser(words, verb)  # type: ignore[arg-type]
    text = page(folder, f"volant-{words.replace(' ', '-')}.1")
    for action in parser.actions:
        for option in action.option_strings:
            assert literal(option) in text, option
        assert literal((action.help or "").replace("%%", "%")) in text
    for line in (parser.epilog or "").splitlines()[1:]:
        assert literal(line.strip()) in text


def test_the_overview_names_every_command(folder: Path) -> None:
    text = page(folder, "volant.1")
    assert all(literal(f"{noun} {name}".strip()) in text for noun, name, _ in EVERY_COMMAND)


def test_every_setting_is_told_by_flag_variable_and_key(folder: Path) -> None:
    daemon, file = page(folder, "volantd.8"), page(folder, "volantd.toml.5")
    for setting in SETTINGS.values():
        assert literal(setting.flag) in daemon and literal(setting.variable) in daemon
        assert literal(setting.name) in file and literal(setting.help) in file


def test_exit_codes_are_those_of_the_code_and_of_the_docs() -> None:
    rows = re.findall(r"^\| ([0-9, ]+) \|", (ROOT / "docs/cli.md").read_text(), re.MULTILINE)
    documented = {int(number) for row in rows for number in row.split(",")}
    assert set(ExitCode) <= EXIT_CODES.keys() == documented


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_has_nothing_to_complain_about(folder: Path) -> None:
    """With every warning; the hyphen and quotes that are to be typed come out as such."""
    pages = [path for path in sorted(folder.rglob("*.[158]")) if not path.read_text().startswith(".so ")]
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-rLL=400n", *pages], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, check=True
    )
    assert done.stderr == ""
    shown = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)
    assert "--no-header" in shown and "volant vm list --filter 'mem>=1G age<5m !label.env:prod'" in shown
    assert 'eval "$(volant completion bash)"' in shown
