"""Typing filters and commands: editing, history, completion, and what a line asks for."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.desks import Seat, vm
from volant.client.cli import tree
from volant.proto.errors import Usage
from volant.tui.bar import Bar, Prompt
from volant.tui.commands import Cli, Go, Own, complete, parse
from volant.tui.completing import Completer
from volant.tui.field import MAX_CHARS, Field, Past
from volant.tui.keys.bindings import BINDINGS
from volant.tui.lines import text_of

NAMES = ["web-1", "web-2", "db-1"]
SEAT = Seat(*(vm(number, name) for number, name in enumerate(NAMES)))


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (["backspace"], Field("vm stop web-", 12)),
        (["home", "erase"], Field("m stop web-1", 0)),
        (["erase.word"], Field("vm stop ", 8)),
        (["erase.word", "erase.word"], Field("vm ", 3)),
        (["left", "left", "erase.all"], Field("-1", 0)),
        (["home", "left", "backspace", "end", "right"], Field("vm stop web-1", 13)),
    ],
)
def test_editing(actions: list[str], expected: Field) -> None:
    field = Field.of("vm stop web-1")
    for action in actions:
        field = field.edit(action) or field
    assert field == expected


@given(st.lists(st.sampled_from([binding.id for binding in BINDINGS["line"]]) | st.text(max_size=3), max_size=30))
def test_the_cursor_is_always_in_the_line(steps: list[str]) -> None:
    field = Field()
    for step in steps:
        field = field.edit(step) or field.insert(step)
        assert 0 <= field.at <= len(field.text) <= MAX_CHARS
        assert field.text.isprintable()


def test_a_paste_of_several_lines_is_one_line() -> None:
    assert Field().insert("a\nb\x1b[A").text == "a b[A"


def test_history() -> None:
    past = Past(["one", "two"])
    past.begin()
    assert [past.step("dra", -1), past.step("", -1), past.step("", -1), past.step("", 1), past.step("", 1)] == [
        "two",
        "one",
        "one",
        "two",
        "dra",
    ]
    past.add("one")
    assert past.lines == ["two", "one"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vms", Go("vms")),
        ("events", Go("events")),
        ("vm web-1", Go("vm", "web-1")),
        ("q", Own("q")),
        ("exit", Own("q")),
        ("ro", Own("ro")),
        ("set theme light", Own("theme", "light")),
        ("help", Own("help")),
        ("help vm stop", Cli(("help", "vm", "stop"), changes=False, foreground=False)),
        ("volant vm list", Cli(("vm", "list"), changes=False, foreground=False)),
        ("vm stop web-1 'web 2'", Cli(("vm", "stop", "web-1", "web 2"), changes=True, foreground=False)),
        ("ps", Cli(("ps",), changes=False, foreground=False)),
        ("logs web-1 --follow", Cli(("logs", "web-1", "--follow"), changes=False, foreground=False)),
        ("console web-1", Cli(("console", "web-1"), changes=True, foreground=True)),
        ("console web-1 --read-only", Cli(("console", "web-1", "--read-only"), changes=False, foreground=True)),
        ("exec web-1 -- ls -t", Cli(("exec", "web-1", "--", "ls", "-t"), changes=True, foreground=False)),
        ("exec -it web-1 sh", Cli(("exec", "-it", "web-1", "sh"), changes=True, foreground=True)),
        ("console web-1 --no-follow", Cli(("console", "web-1", "--no-follow"), changes=True, foreground=False)),
        ("top", Cli(("top",), changes=False, foreground=True)),
        ("top -n 1", Cli(("top", "-n", "1"), changes=False, foreground=False)),
        ("vm delete web-1", Cli(("vm", "delete", "web-1"), changes=True, foreground=False, deletes=True)),
        ("plugins rm hello", Cli(("plugins", "rm", "hello"), changes=True, foreground=False, deletes=True)),
        ("vm delete --help", Cli(("vm", "delete", "--help"), changes=False, foreground=False)),
        ("vm", Go("vms")),
        ("deploy", Go("deployments")),
        ("system", Go("host")),
        ("db-1", Go("vm", "db-1")),
        ("q!", Own("q")),
        ("vm stop --help", Cli(("vm", "stop", "--help"), changes=False, foreground=False)),
    ],
)
def test_what_a_line_asks_for(line: str, expected: object) -> None:
    assert parse(line, NAMES) == expected


@pytest.mark.parametrize(
    ("line", "at", "said"),
    [
        ("vm stpo web-1", 3, "no vm command"),
        ("machine list", 0, "no command"),
        ("vm 'web", 7, "can't be read"),
        ("set theme pink", 10, "theme"),
        ("set colour pink", 4, "theme"),
        ("set", 3, "theme"),
        ("tui", 0, "here already"),
        ("", 0, "no command"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_with_its_place(line: str, at: int, said: str) -> None:
    with pytest.raises(Usage, match=said) as refused:
        parse(line, NAMES)
    assert refused.value.data["at"] == at


@pytest.mark.parametrize(("line", "hint"), [("hots", "'host'"), ("deploymnts", "'deployments'"), ("pods", "Tab")])
def test_a_misspelt_screen_is_told_with_what_was_meant(line: str, hint: str) -> None:
    with pytest.raises(Usage) as refused:
        parse(line, NAMES)
    assert hint in refused.value.hint


def test_a_verb_that_is_not_known_to_read_only_counts_as_changing() -> None:
    reading = {verb for verbs in tree.TREE.values() for verb in verbs if not _changes(verb, verbs)}
    assert {"list", "get", "logs", "watch"} <= reading
    assert not {"create", "delete", "stop", "call", "exec", "set", "rollback", "scale", "install", "enable", "pause"} & reading


def _changes(verb: str, verbs: dict[str, tree.Verb]) -> bool:
    noun = next(noun for noun, found in tree.TREE.items() if found is verbs)
    command = parse(f"{noun} {verb} x y")
    assert isinstance(command, Cli)
    return command.changes


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vm st", ["start", "stop"]),
        ("vm stop w", ["web-1", "web-2"]),
        ("exec d", ["db-1"]),
        ("deploym", ["deployments", "deployment"]),
        ("plugin rem", ["remove"]),
        ("set theme da", ["dark"]),
        ("web", ["web-1", "web-2"]),
        ("vm serial", ["console"]),
        ("exec web-1 -- w", []),
        ("vm stop web-1 w", ["web-2"]),
        ("vm list --filter state:cra", ["state:crashed"]),
        ("vm stop --gr", ["--grace"]),
        ("vm wait --for sto", ["stopped"]),
        ("volant vm sta", ["start"]),
        ("peek d", ["db-1"]),
        ("logs web-2 --fo", ["--follow"]),
    ],
)
def test_completion(line: str, expected: list[str]) -> None:
    found = complete(line, len(line), NAMES, offered=Completer(SEAT.desk).offers)
    assert [word for word, _ in found.choices] == expected


def test_what_only_the_daemon_knows_is_asked_for_and_then_offered() -> None:
    seat = Seat(vm(1, "web-1"))
    seat.type(": 'deployment_scale_a'")
    assert ":deployment scale a" in seat.screen()
    assert [method for method, _ in seat.asked()] == ["deployment.list"]
    seat.answer({"items": [{"name": "api", "status": "ready", "replicas": 3}]})
    assert "api                   ready, 3 VMs" in seat.screen()
    seat.type("tab")
    assert seat.screen().endswith(":deployment scale api")
    assert seat.asked() == [], "it is asked for once"


def test_what_the_daemon_says_of_a_choice_drives_no_terminal() -> None:
    seat = Seat(vm(1, "web-1"))
    seat.type(": 'vm_call_web-1_' tab")
    seat.asked()
    seat.answer({"items": [{"name": "greet", "description": "says \x1b]0;hello\x07"}]})
    assert "greet                 says \\x1b]0;hello" in seat.screen()


@given(
    st.lists(st.sampled_from([*tree.TREE, *tree.TREE["vm"], "--filter", "--", "-o", "web-1", "--socket"]) | st.text(max_size=6), max_size=5)
)
def test_any_line_can_be_completed(words: list[str]) -> None:
    line = " ".join(words)
    complete(line, len(line), NAMES, offered=Completer(SEAT.desk).offers)


def test_without_a_daemon_nothing_is_asked_and_typing_goes_on() -> None:
    seat = Seat(vm(1, "web-1"))
    seat.lose()
    seat.type(": 'plugin_show_h' tab 'vm_get_w'")
    assert "web-1 " in seat.screen()
    assert seat.asked() == []


def bar(prompt: Prompt = Prompt.COMMAND) -> tuple[Bar, list[str]]:
    told: list[str] = []

    def accepted(text: str) -> None:
        parse(text, NAMES)
        told.append(f"accepted {text}")

    return Bar(
        prompt,
        lambda text: told.append(text),
        accepted,
        lambda: told.append("cancelled"),
        Past([]),
        partial(complete, names=NAMES, offered=Completer(SEAT.desk).offers),
    ), told


def test_tab_completes_as_far_as_it_is_certain_then_goes_round() -> None:
    line, _ = bar()
    line.insert("vm stop w")
    seen = []
    for _ in range(4):
        assert line.act("complete")
        seen.append(line.field.text)
    assert seen == ["vm stop web-", "vm stop web-1", "vm stop web-2", "vm stop web-1"]
    line.insert(" d")
    line.act("complete")
    assert line.field.text == "vm stop web-1 db-1 "


def test_a_wrong_command_stays_in_the_bar_with_its_place() -> None:
    line, told = bar()
    line.insert("vm stpo web-1")
    assert line.act("accept")
    shown = [text_of(each) for each in line.lines(60, 5, "v")]
    assert "stpo" in shown[0]
    assert "'stop'" in shown[1]
    assert shown[2:] == ["    v", ":vm stpo web-1 "], "the sign stands above the word that is wrong"
    line.act("erase.all")
    line.insert("vm stop web-1")
    assert not line.act("accept")
    assert told[-1] == "accepted vm stop web-1"
    assert line.past.lines == ["vm stop web-1"]


def test_backspace_in_an_empty_bar_leaves_it() -> None:
    line, told = bar(Prompt.FILTER)
    line.insert("w")
    assert line.act("backspace")
    assert not line.act("backspace")
    assert told == ["w", "", "cancelled"]


def test_labels_are_completed_in_filters_with_their_values() -> None:
    seat = Seat(vm(1, labels={"env": "prod", "tier": "web"}), vm(2, labels={"env": "test"}), vm(3))
    seat.type("/ 'lab' tab")
    assert seat.screen().endswith("/label.")
    seat.type("'e' tab 't' tab enter")
    assert "filter label.env:test   1/3" in seat.screen()
