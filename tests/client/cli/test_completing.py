"""Completing a command line: what may stand at the cursor, and how bash is to be told."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies

from tests.client.cli.conftest import DEADLINE, Run
from tests.client.cli.records import plugin, vm
from tests.client.cli.test_tree import EVERY_COMMAND
from tests.fakes.rpc_server import RpcServer, Served
from volant.client.cli import tree
from volant.client.cli.commands.completion import SHELLS
from volant.client.cli.commands.config import field_of
from volant.client.cli.completing import lines
from volant.client.cli.completing.candidates import offers_at, socket_in
from volant.client.cli.completing.sources import SOURCES
from volant.client.cli.parsing import command_parser
from volant.proto.specs.vmpatch import _UNSET

BREAKS = " \t\n\"'><=;|&(:"
"""bash's own COMP_WORDBREAKS."""

VALUES_OF_ANY_KIND = {
    "ADDRESS", "AGE|INSTANT", "DIR", "DURATION", "GUEST", "HARM", "HOST:GUEST", "ID", "K", "K=V", "KEY=VALUE", "N", "NAME:VALUE", "POINT",
    "SIZE", "USER", "WORDS", "^X|none", "-- COMMAND ...",
}  # fmt: skip

HOST: dict[str, list[dict[str, Any]]] = {
    "vm.list": [vm("web-1", labels={"env": "prod"}), vm("web-2", status="stopped", labels={"env": "test"}), vm("db-1", labels={})],
    "plugin.list": [plugin(), plugin(version="1.1.0"), plugin("other", enabled=False)],
    "deployment.list": [{"name": "shop", "status": "ready", "replicas": 3}],
    "vm.actions": [{"name": "status", "description": "how it is"}, {"name": "dump stats", "description": "two words"}],
    "vm.config_history": [{"version": 2, "note": "set"}, {"version": 1, "note": "created"}],
    "deployment.history": [{"revision": 4, "note": "update"}],
    "event.list": [{"kind": "VM_READY"}, {"kind": "VM_READY"}, {"kind": "VM_CRASHED"}],
}


def ask(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"items": HOST[method]}


def silent(method: str, params: dict[str, Any]) -> None:
    return None


def words_at(line: str, ask: Callable[[str, dict[str, Any]], dict[str, Any] | None] = ask) -> list[str]:
    """What is offered behind `volant` and `line`, whose last word may be empty; `…` behind what is not whole."""
    *before, typed = shlex.split(line) + ([""] if line.endswith(" ") or not line else [])
    return [each.word + ("" if each.is_whole else "…") for each in offers_at(before, typed, ask).words]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("pl", ["plugin"]),
        ("vm st", ["start", "stop"]),
        ("vms hist", ["history"]),
        ("help deployment sc", ["scale"]),
        ("--socket /s vm li", ["list"]),
        ("vm get ", ["web-1", "web-2", "db-1"]),
        ("vm get web-1 ", ["web-2", "db-1"]),
        ("vm config web-1 ", []),
        ("explain vm web-", ["web-1", "web-2"]),
        ("logs db", ["db-1"]),
        ("vm create ", []),
        ("vm create web --plugin h", ["hello"]),
        ("vm create web --plugin=h", ["--plugin=hello"]),
        ("run hello@1.1", ["hello@1.1.0"]),
        ("plugin show hello --version ", ["1.0.0", "1.1.0"]),
        ("deployment scale s", ["shop"]),
        ("deployment undo shop --to ", ["4"]),
        ("vm rollback web-1 ", ["2", "1"]),
        ("vm call web-1 ", ["status", "dump stats"]),
        ("vm call web-1 --request P", ["POST /…", "PUT /…", "PATCH /…"]),
        ("vm list -o j", ["json", "jsonl"]),
        ("vm list --sort=-c", ["--sort=-created", "--sort=-cpu"]),
        ("vm list --all --al", []),
        ("vm list --al", ["--all"]),
        ("vm set web-1 --env A=b --en", ["--env"]),
        ("vm set web-1 --unset la", ["label.…"]),
        ("vm create web --restart on", ["on-failure", "on-failure:…"]),
        ("vm start web-1 --wait re", ["ready"]),
        ("vm start --wait ready web-", ["web-1", "web-2"]),
        ("exec -it web-1 -- web", []),
        ("exec -itw /srv d", ["db-1"]),
        ("exec -w/srv d", ["db-1"]),
        ("vm list -fstate:of --al", ["--all"]),
        ("ps -o yam", ["yaml"]),
        ("cp we", ["web-1:…", "web-2:…"]),
        ("cp web-1:/et", []),
        ("events --kind ", ["VM_CRASHED", "VM_READY"]),
        ("events --vm db", ["db-1"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("vm nonsense ", []),
        ("nonsense ", []),
        ("vm list --help ", []),
        ("vm list --nonsense=", []),
        ("__comp", []),
    ],
)
def test_what_may_stand_at_the_cursor(line: str, offered: list[str]) -> None:
    assert words_at(line) == offered


@pytest.mark.parametrize(
    ("expression", "offered"),
    [
        ("sta", ["state:…", "status:…"]),
        ("mem", ["mem>=…", "mem<=…", "memory>=…", "memory<=…"]),
        ("state:fa", ["state:failed"]),
        ("state:failed,st", ["state:failed,starting", "state:failed,stopping", "state:failed,stopped"]),
        ("plugin:h !(state=re", ["plugin:h !(state=ready"]),
        ("deployment:", ["deployment:shop"]),
        ("name:web|name!=db", ["name:web|name!=db-1"]),
        ("lab", ["label.…"]),
        ("label.", ["label.env:…"]),
        ("label.env:", ["label.env:prod", "label.env:test"]),
        ("health:h", ["health:healthy"]),
        ("~sta", []),
        ("'sta", []),
        ("mem>=2", []),
    ],
)
def test_a_filter_completes_by_its_own_grammar(expression: str, offered: list[str]) -> None:
    assert words_at(f"vm list --filter {shlex.quote(expression)}") == offered


def test_a_silent_daemon_leaves_what_the_code_knows() -> None:
    assert words_at("vm get ", silent) == []
    assert words_at("vm get --", silent)
    assert words_at("vm list --filter 'state:re'", silent) == ["state:ready"]
    assert words_at("vm list --filter label.", silent) == []


@pytest.mark.parametrize(
    ("line", "before_path"),
    [
        ("plugin install ", ""), ("vm create web --kernel /b", ""), ("vm call web-1 x -d @bod", "@"),
        ("vm call web-1 x --data=@", "--data=@"),
        ("--socket ", ""), ("cp ./f", ""), ("vm get ", None),
    ],
)  # fmt: skip
def test_paths_are_left_to_the_shell(line: str, before_path: str | None) -> None:
    *before, typed = shlex.split(line) + ([""] if line.endswith(" ") else [])
    assert offers_at(before, typed, ask).path_after == before_path


def test_words_that_a_terminal_would_obey_are_not_offered() -> None:
    assert words_at("vm get ", lambda method, params: {"items": [vm("a\x1b[2J"), vm("b\nc"), vm("d")]}) == ["d"]


def test_only_vms_that_begin_so_are_asked_for() -> None:
    asked: list[dict[str, Any]] = []

    def note(method: str, params: dict[str, Any]) -> None:
        asked.append(params)

    words_at("vm get web", note)
    words_at("vm get 'we*'", note)
    assert [params.get("filter") for params in asked] == ["name:web*", None]


@pytest.mark.parametrize(("noun", "name", "verb"), EVERY_COMMAND, ids=lambda value: value if isinstance(value, str) else "")
def test_every_value_has_a_source_or_can_be_anything(noun: str, name: str, verb: tree.Verb) -> None:
    for action in command_parser(f"{noun} {name}".strip(), verb).actions:
        if action.nargs != 0 and not action.choices:
            assert action.metavar in SOURCES or action.metavar in VALUES_OF_ANY_KIND, action.metavar


def test_the_socket_of_the_line_is_the_one_asked() -> None:
    assert socket_in(["--socket", "/s", "vm"]) == "/s"
    assert socket_in(["vm", "get", "--socket=/t"]) == "/t"
    assert socket_in(["vm", "--socket"]) is None
    assert socket_in(["vm"]) is None


@pytest.mark.parametrize(
    ("line", "words", "typed", "word", "written"),
    [
        ("volant vm ge", ["volant", "vm"], "ge", "get", "get "),
        ("volant vm ", ["volant", "vm"], "", "get", "get "),
        ("volant ps --sort=na", ["volant", "ps"], "--sort=na", "--sort=name", "name "),
        ("volant ps -f state:re", ["volant", "ps", "-f"], "state:re", "state:ready", "ready "),
        ("volant ps -f 'state:re", ["volant", "ps", "-f"], "state:re", "state:ready", "state:ready"),
        ('volant ps -f "a b state:re', ["volant", "ps", "-f"], "a b state:re", "a b state:ready", "a b state:ready"),
        ("volant vm call web d", ["volant", "vm", "call", "web"], "d", "dump $HOME's", "dump\\ \\$HOME\\'s "),
        ("volant vm call web dump\\ s", ["volant", "vm", "call", "web"], "dump s", "dump stats", "dump\\ stats "),
        ("volant vm call web 'd", ["volant", "vm", "call", "web"], "d", "d'd", "d'\\''d"),
        ('volant vm call web "d', ["volant", "vm", "call", "web"], "d", 'd"$', 'd\\"\\$'),
        ("volant 'vm' \"ge", ["volant", "vm"], "ge", "get", "get"),
    ],
)
def test_a_bash_line_is_read_and_written_as_bash_does(line: str, words: list[str], typed: str, word: str, written: str) -> None:
    read = lines.read(line, BREAKS)
    assert (read.words, read.typed) == (words, typed)
    assert lines.written(read, word, is_whole=True) == written


def test_behind_a_redirection_stands_no_word_of_ours() -> None:
    assert lines.read("volant vm list > fi", BREAKS).is_redirection
    assert not (read := lines.read("volant vm list >file -o ", BREAKS)).is_redirection
    assert read.words == ["volant", "vm", "list", "-o"]


@given(strategies.text(max_size=60), strategies.text(max_size=20))
def test_any_line_is_read(line: str, word: str) -> None:
    lines.written(lines.read(line, BREAKS), word, is_whole=False)


@given(strategies.text("ab -:='\"\\$`*;|&<>(){}[]~#!?%", min_size=1, max_size=20))
def test_bash_reads_back_what_was_written_for_it(word: str) -> None:
    read = lines.read(f"volant {lines.written(lines.read('volant ', BREAKS), word, is_whole=True)}", BREAKS)
    assert read.words == ["volant", word]
    quoted = f"volant '{lines.written(lines.read(chr(39), BREAKS), word, is_whole=True)}' "
    assert lines.read(quoted, BREAKS).words == ["volant", word]


def test_the_daemon_is_asked_and_never_waited_for(volant: Run, server: RpcServer, environment: dict[str, str]) -> None:
    answered = volant("__complete", "words", "vm", "get", "w", VOLANT_COMPLETION_MS="60000")
    assert answered.stdout.splitlines() == ["words", "=web-1\tready, hello", "=web-2\tstopped, hello"]

    def never(call: Served) -> object:
        call.wait_over()
        return {}

    server.handlers["vm.list"] = never
    assert volant("__complete", "words", "vm", "get", "w", VOLANT_COMPLETION_MS="500").stdout == "words\n"
    assert volant("__complete", "words", "vm", "get", "w", VOLANT_COMPLETION_MS="0").stdout == "words\n"


@pytest.mark.parametrize("words", [["words", "vm", "get", ""], ["bash", BREAKS, "volant vm get "], [], ["words"], ["ksh", "x"]])
def test_no_daemon_is_silence(volant: Run, words: list[str]) -> None:
    done = volant("__complete", *words, VOLANT_SOCKET="/nowhere/at.all")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout in ("words\n", "")


def test_completing_loads_nothing_heavy(environment: dict[str, str]) -> None:
    code = """
import json, sys
from volant.client.cli.main import main
main(["__complete", "words", "vm", "get", ""])
print(json.dumps([name for name in ("textual", "trio", "asyncio", "msgspec", "yaml", "inspect") if name in sys.modules]), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert json.loads(done.stderr) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed_for_each_shell(volant: Run, shell: str) -> None:
    done = volant("completion", shell)
    assert done.returncode == 0 and f"volant completion {shell}" in done.stdout
    assert volant("completion", "csh").returncode == 2


def test_the_scripts_are_part_of_the_package() -> None:
    root = Path(__file__).parents[3]
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["volant"]
    scripts = list((root / "volant/client/cli/completing/scripts").iterdir())
    assert {script.suffix.removeprefix(".") for script in scripts} == set(SHELLS)
    assert all(any(script.relative_to(root / "volant").match(pattern) for pattern in patterns) for script in scripts)


def test_the_fields_to_unset_are_those_the_daemon_takes() -> None:
    offered = {field_of(word.rstrip("….")) for word in words_at("vm set web --unset ")}
    assert offered - {"env", "labels"} == set(_UNSET)
