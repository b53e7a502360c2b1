"""Finding the command in a line, and its help."""

from __future__ import annotations

from importlib import import_module

import pytest

from volant.client.cli import tree
from volant.client.cli.parsing import WAIT_FOR, Parser, add_connection
from volant.proto.errors import Usage

EVERY_COMMAND = [
    *((noun, name, verb) for noun, verbs in tree.TREE.items() for name, verb in verbs.items()),
    *(("", word, short[2]) for word, short in tree.SHORT_FORMS.items()),
]


def parser_of(words: str, verb: tree.Verb) -> Parser:
    module = import_module(f"volant.client.cli.commands.{verb.module}")
    parser = Parser(f"volant {words}", verb.help)
    add_connection(parser)
    getattr(module, f"configure_{verb.function}")(parser)
    assert callable(getattr(module, f"run_{verb.function}"))
    return parser


@pytest.mark.parametrize(
    ("line", "words", "rest"),
    [
        ("vm list", ("vm", "list"), []),
        ("vms ls -o json", ("vm", "list"), ["-o", "json"]),
        ("--socket /s vm -o json list --all", ("vm", "list"), ["--socket", "/s", "-o", "json", "--all"]),
        ("ps -a", ("ps",), ["-a"]),
        ("events --follow", ("events",), ["--follow"]),
        ("events follow", ("event", "follow"), []),
        ("plugins rm a", ("plugin", "remove"), ["a"]),
        ("plugin show a", ("plugin", "show"), ["a"]),
        ("vm show a", ("vm", "get"), ["a"]),
        ("wait vm a --for=ready", ("wait",), ["a", "--for=ready"]),
        ("explain vm a --all", ("explain",), ["a", "--all"]),
        ("explain a", ("explain",), ["a"]),
        ("ledger --check", ("ledger",), ["--check"]),
        ("exec a -- ls -l", ("exec",), ["a", "--", "ls", "-l"]),
        ("help vm create", ("vm", "create"), ["--help"]),
        ("help run", ("run",), ["--help"]),
    ],
)
def test_the_command_is_found(line: str, words: tuple[str, ...], rest: list[str]) -> None:
    chosen = tree.choose(line.split())
    assert (chosen.words, chosen.rest) == (words, rest)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("vn list", "'vm'"),
        ("vm lst", "'list'"),
        ("plugin instal x", "'install'"),
        ("frobnicate", "volant help"),
        ("vm frobnicate", "console"),
    ],
)
def test_an_unknown_word_gets_a_suggestion(line: str, hint: str) -> None:
    with pytest.raises(Usage) as caught:
        tree.choose(line.split())
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("line", "noun", "missing"),
    [("", "", True), ("--help", "", False), ("vm", "vm", True), ("vm -h", "vm", False), ("help", "", False), ("help vms", "vm", False)],
)
def test_help_is_told_from_a_missing_command(line: str, noun: str, missing: bool) -> None:
    with pytest.raises(tree.HelpWanted) as caught:
        tree.choose(line.split())
    assert (caught.value.noun, caught.value.missing) == (noun, missing)


@pytest.mark.parametrize(("noun", "name", "verb"), EVERY_COMMAND, ids=lambda value: value if isinstance(value, str) else "")
def test_every_help_has_examples_of_itself(noun: str, name: str, verb: tree.Verb) -> None:
    text = parser_of(f"{noun} {name}".strip(), verb).format_help()
    examples = text.partition("examples:\n")[2]
    assert examples.count("volant ") >= 2
    assert name in examples
    assert verb.help[:20].lower() in text.lower()


def test_the_overview_names_every_command() -> None:
    text = tree.overview()
    for noun, verbs in tree.TREE.items():
        assert all(f"{noun} {name}" in text for name in verbs)
        assert all(name in tree.noun_overview(noun) for name in verbs)
        if noun:
            assert tree.NOUN_HELP[noun][1:] in tree.noun_overview(noun)
    assert all(f"  {word} " in text for word in tree.SHORT_FORMS)


def test_words_copied_from_the_contract_are_those_of_the_contract() -> None:
    from volant.client.cli.commands import create, vm
    from volant.proto.api.vm import MAX_PAGE
    from volant.proto.specs.states import BootMode, NetworkMode, WaitFor

    assert set(WAIT_FOR) == set(WaitFor)
    assert set(create.NETWORK_MODES) == set(NetworkMode)
    assert set(create.BOOT_MODES) == set(BootMode)
    assert vm.PAGE == MAX_PAGE


@pytest.mark.parametrize(
    ("line", "wait", "name"),
    [
        ("--wait web --plugin p", "ready", "web"),
        ("web --plugin p --wait running", "running", "web"),
        ("web --plugin p --wait", "ready", "web"),
        ("web --plugin p", None, "web"),
    ],
)
def test_wait_takes_only_a_condition_as_its_value(line: str, wait: str | None, name: str) -> None:
    args = parser_of("vm create", tree.TREE["vm"]["create"]).read(line.split())
    assert (args.wait, args.name) == (wait, name)


@pytest.mark.parametrize(
    ("line", "name", "command"),
    [
        ("-it web -- sh -c ls", "web", ["sh", "-c", "ls"]),
        ("web ls -l", "web", ["ls", "-l"]),
        ("web -- grep -- x", "web", ["grep", "--", "x"]),
        ("web", "web", []),
    ],
)
def test_an_exec_command_is_taken_as_it_stands(line: str, name: str, command: list[str]) -> None:
    args = parser_of("vm exec", tree.TREE["vm"]["exec"]).read(line.split())
    assert (args.name, args.command) == (name, command)
