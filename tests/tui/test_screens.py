"""What somebody at the UI sees: each screen as it looked before, going from one to the other, and what is on them."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from tests.tui.desks import Seat, event, fault, vm
from tests.tui.scenes import COMMAND, FOLDER, SCENES, drawn
from volant.client.cli import tree
from volant.client.cli.parsing import command_parser
from volant.tui import effects
from volant.tui.keys.bindings import BINDINGS, CONTEXTS
from volant.tui.model import Connected, Happened
from volant.tui.screens.reader import KEPT_LINES, Reader
from volant.tui.screens.registry import SCREENS, Takes


@pytest.mark.parametrize("name", sorted(SCENES))
def test_screens_look_as_they_did(name: str) -> None:
    assert drawn(name) == (FOLDER / f"{name}.txt").read_text(), f"if it is meant to look so: {COMMAND}"


def test_no_picture_is_left_over() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(SCENES)


def test_back_and_forward() -> None:
    seat = Seat(vm(1), vm(2))
    seat.type("enter")
    seat.type("[")
    assert "> web-1" in seat.screen().replace("›", ">") or "web-1" in seat.screen()
    assert seat.desk.screen is seat.desk.home
    seat.type("]")
    assert seat.desk.screen is not seat.desk.home
    seat.type("J")
    assert "vms > web-2" in seat.screen()
    seat.type("escape")
    assert seat.desk.screen is seat.desk.home


def test_another_screen_is_a_key_and_a_letter_away() -> None:
    seat = Seat(vm(1))
    seat.type("enter , e")
    assert "vms > events" in seat.screen()
    seat.type(", v")
    assert seat.desk.screen is seat.desk.home


def test_every_screen_of_the_registry_opens_by_its_word_and_is_told_in_one_place() -> None:
    words = [word for entry in SCREENS for word in (entry.word, *entry.aliases)]
    assert len(words) == len(set(words))
    letters = ["v", *(entry.letter for entry in SCREENS if entry.letter)]
    assert len(letters) == len(set(letters))
    actions = {binding.id for binding in BINDINGS["vms"]}
    for entry in SCREENS:
        assert not entry.action or entry.action in actions, f"no key opens {entry.word}"
        seat = Seat(vm(1))
        opened = entry.open(seat.desk, "web-1" if entry.takes is Takes.VM else "")
        seat.desk.open(opened)
        assert opened.title in seat.screen()
        assert set(opened.contexts) <= set(CONTEXTS)


def test_a_vm_that_is_deleted_while_looked_at_says_so() -> None:
    seat = Seat(vm(1))
    seat.type("enter")
    seat.change(gone=[vm(1)["id"]])
    assert "it was deleted" in seat.screen()
    seat.type("x")
    assert "there is no VM" in seat.screen()


def test_an_answer_that_is_a_fault_is_shown_in_its_place() -> None:
    seat = Seat(vm(1))
    seat.type("y")
    assert seat.asked() == [("vm.config", "web-1")]
    seat.answer(fault("not for you", "join the group"))
    assert "not for you" in seat.screen()
    assert "join the group" in seat.screen()


def test_what_is_asked_about_a_vm_is_asked_anew_when_it_changes() -> None:
    seat = Seat(vm(1))
    seat.type("enter")
    assert seat.asked() == [("vm.get", "web-1")]
    seat.change(vm(1, generation=2))
    assert seat.asked() == [("vm.get", "web-1")]
    seat.change(vm(1, generation=2))
    assert seat.asked() == []


def test_leaving_what_a_command_says_ends_it() -> None:
    seat = Seat(vm(1))
    seat.type(": 'logs_web-1_--follow' enter")
    (run,) = seat.effects(effects.Run)
    assert (run.words, run.foreground) == (("logs", "web-1", "--follow"), False)
    seat.desk.streamed(run.tag, ["one", "two\x1b]0;owned\x07"])
    assert "two\\x1b]0;owned\\x07" in seat.screen()
    seat.type("p")
    seat.desk.streamed(run.tag, ["three"])
    assert "1 lines wait" in seat.screen()
    seat.type("G")
    assert "three" in seat.screen()
    seat.type("escape")
    assert seat.effects(effects.Unfollow) == [effects.Unfollow(run.tag)]
    seat.desk.streamed(run.tag, ["late"])
    seat.desk.answered(run.tag, 0)


def test_consoles_and_shells_get_the_terminal() -> None:
    seat = Seat(vm(1))
    seat.type("a s")
    assert [(run.words, run.foreground) for run in seat.effects(effects.Run)] == [
        (("console", "web-1"), True),
        (("exec", "-it", "web-1", "--", "/bin/sh"), True),
    ]


def test_copying() -> None:
    seat = Seat(vm(1))
    seat.type(". c")
    assert seat.effects(effects.Copy) == [effects.Copy("volant vm get web-1")]
    seat.type(". i")
    assert seat.effects(effects.Copy) == [effects.Copy("192.168.127.2")]


def test_the_newest_failure_is_a_key_away() -> None:
    seat = Seat(
        vm(1), vm(2, status="failed", stopped_at="2026-01-31T11:00:00Z"), vm(3, status="crashed", stopped_at="2026-01-31T11:30:00Z")
    )
    seat.type("!")
    assert "> web-3" in seat.screen().replace(">web-3", "> web-3")


def test_live_events_and_their_filter() -> None:
    seat = Seat(vm(1))
    seat.type(": 'events' enter")
    assert seat.asked() == [("event.list", {"last": 500})]
    seat.answer({"items": [event(6, "VM_CREATED", vm(1)), event(7, "VM_READY", vm(1))], "seq": 7, "oldest": 1})
    seat.desk.heard(Happened((event(8, "VM_CRASHED", vm(1), "it panicked"),)))
    assert "it panicked" in seat.screen()
    seat.type("/ 'kind:VM*READY' enter")
    screen = seat.screen()
    assert "VM_READY" in screen
    assert "VM_CRASHED" not in screen
    seat.type("enter")
    assert "vms > events > web-1" in seat.screen()
    seat.type(": 'events_kind:VM*CRASHED' enter")
    assert "filter kind:VM*CRASHED" in seat.screen()


def test_text_from_elsewhere_drives_no_terminal() -> None:
    evil = "\x1b]52;c;ZXZpbA==\x07\x1b[2J"
    seat = Seat(vm(1, evil, reason=evil, status="failed", labels={evil: evil}))
    seat.desk.heard(Happened((event(8, "VM_FAILED", vm(1, evil), evil),)))
    seat.lose(evil)
    for keys in ("", "x", "escape enter", "tab", ". escape : 'events' enter"):
        seat.type(keys)
        assert "\x1b" not in seat.screen(140, 40)


def test_another_version_of_the_daemon_with_more_states_and_fields_is_shown() -> None:
    record: dict[str, Any] = vm(1, status="levitating", aura="blue")
    del record["restarts"], record["health"]
    seat = Seat(record)
    seat.desk.heard(Connected(1_001.0, "9.9.9"))
    assert "? levitating" in seat.screen()


def test_a_reader_keeps_a_bound_and_counts_what_it_drops() -> None:
    reader: Reader[int] = Reader(follow=True)
    reader.add(range(KEPT_LINES + 10))
    assert (len(reader.all), reader.dropped, reader.view(3)) == (KEPT_LINES, 10, [KEPT_LINES + 7, KEPT_LINES + 8, KEPT_LINES + 9])
    reader.act("page.up")
    seen = reader.view(3)
    reader.add([-1, -2])
    assert reader.view(3) == seen, "what is read moved away"
    reader.hold(True)
    reader.add(range(KEPT_LINES + 1))
    assert (len(reader.waiting), reader.dropped) == (KEPT_LINES, 13)


def test_what_looks_like_a_pattern_and_finds_nothing_is_told_how_patterns_are_typed() -> None:
    seat = Seat(vm(1, "web-1"), vm(2, "web-2"))
    seat.type("/ 'web-[12]'")
    assert "a regular expression begins with ~" in seat.screen()
    seat.type("ctrl+u '~web-[12]'")
    assert "web-2" in seat.screen()


def test_the_menu_of_columns_begins_at_the_one_it_is_sorted_by() -> None:
    seat = Seat(vm(1, memory_mb=1), vm(2, memory_mb=2))
    seat.type("M o enter")
    assert "↓mem" in seat.screen()


COMMANDS = [
    *("vms", "vm web-1", "deployments", "call web-1", "peek web-1", "plugins", "host", "logs web-1", "events"),
    *(f"vm web-1{' TAB' * number}" for number in range(1, 6)),
    "vm list --filter state:ready",
]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_screen_is_copied_as_a_command_that_the_command_line_takes(line: str) -> None:
    seat = Seat(vm(1, "web-1"))
    word, *tabs = line.split(" TAB")
    seat.type(f": '{word.replace(' ', '_')}' enter" + " tab" * len(tabs))
    copied = seat.desk.screen.command(seat.desk)
    assert copied
    for command in copied.split("; "):
        chosen = tree.choose(shlex.split(command)[1:])
        command_parser(" ".join(chosen.words), chosen.verb).read(chosen.rest)


@pytest.mark.parametrize(
    ("keys", "command"),
    [
        ("M M / 'web' enter", "volant vm list --filter web --sort=-memory"),
        ("N / 'cpu>80' enter", "volant vm list --sort=-name"),
        ("S", "volant vm list"),
    ],
)
def test_the_list_is_copied_with_its_filter_and_its_order_where_the_command_knows_them(keys: str, command: str) -> None:
    seat = Seat(vm(1, "web-1"))
    seat.type(keys)
    assert seat.desk.screen.command(seat.desk) == command


@pytest.mark.parametrize("name", sorted(SCENES))
def test_every_screen_can_be_drawn_at_any_size(name: str) -> None:
    seat = SCENES[name][0]()
    for columns, rows in ((20, 5), (60, 15), (110, 6), (109, 24), (110, 24), (1, 1), (300, 3), (140, 40)):
        seat.screen(columns, rows)


def test_the_console_of_a_vm_that_is_down_is_read_and_not_attached() -> None:
    seat = Seat(vm(1, status="stopped"))
    seat.type("a")
    assert seat.effects(effects.Run) == []
    assert "vms > console web-1" in seat.screen()
    assert "web-1 is stopped: this is what it printed; x s starts it" in seat.screen()
    seat.type("escape")
    seat.change(vm(1, status="paused"))
    seat.type("s")
    assert "shell: web-1 is paused" in seat.screen()
    seat.type("a")
    assert [run.words for run in seat.effects(effects.Run)] == [("console", "web-1")]


def test_enter_on_the_page_of_actions_calls_one() -> None:
    seat = Seat(vm(1))
    seat.type("enter enter")
    assert "Enter means nothing here" in seat.screen()
    seat.type("shift+tab enter")
    assert "call web-1" in seat.screen()


def test_the_screen_that_was_shown_last_is_a_key_away_both_ways() -> None:
    seat = Seat(vm(1))
    seat.type("-")
    assert "there is nothing before" in seat.screen()
    seat.type(": 'plugins' enter : 'host' enter")
    titles = []
    for key in ("-", "-", "[", "[", "-", "]"):
        seat.type(key)
        titles.append(seat.desk.screen.title)
    assert titles == ["plugins", "host", "plugins", "vms", "plugins", "host"]


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("word", [entry.word for entry in SCREENS if entry.takes is not Takes.VM])
def test_the_way_back_is_always_on_the_screen(word: str, width: int) -> None:
    seat = Seat(vm(1))
    seat.type(f": '{word}' enter")
    line = seat.screen(width, 15).splitlines()[-2]
    assert "<esc>back" in line
    assert "<?>help" in line
