"""What somebody at the UI notices: keys typed, news told, the screen read, and what is asked of the daemon."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tui.desks import Seat, event, fault, vm
from tests.tui.scenes import COMMAND, FLEET, FOLDER, SCENES, drawn
from volant.tui import effects, views
from volant.tui.keys.bindings import BINDINGS, CONTEXTS
from volant.tui.model import Connected, Connecting, EventsLost, Happened
from volant.tui.screens.reader import KEPT_LINES, Reader
from volant.tui.screens.registry import SCREENS, Takes


@pytest.mark.parametrize("name", sorted(SCENES))
def test_screens_look_as_they_did(name: str) -> None:
    assert drawn(name) == (FOLDER / f"{name}.txt").read_text(), f"if it is meant to look so: {COMMAND}"


def test_no_picture_is_left_over() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(SCENES)


# ------------------------------------------------------------------------------------------------------------------ keys


def test_a_burst_means_what_it_would_mean_typed_slowly() -> None:
    seat = Seat(vm(1, "db-1"), vm(2, "web-1"), vm(3, "web-2"))
    seat.type("/ 'web' enter j x S y")
    assert seat.asked() == [("vm.stop", "web-2")]


def test_esc_undoes_one_thing_after_the_other_and_never_leaves() -> None:
    seat = Seat(vm(1), vm(2))
    seat.type("space enter / 'x' escape escape")
    assert "1 marked" in seat.screen()
    seat.type("/ '1' enter escape")
    assert "2/2" in seat.screen()
    seat.type("escape")
    assert "marked" not in seat.screen()
    seat.type("escape escape")
    assert seat.effects(effects.Quit) == []


def test_q_leaves_at_home_only_and_ctrl_c_when_it_comes_twice() -> None:
    seat = Seat(vm(1))
    seat.type("enter q")
    assert seat.effects(effects.Quit) == []
    seat.type("q")
    assert len(seat.effects(effects.Quit)) == 1
    seat.type("ctrl+c")
    assert "once more" in seat.screen()
    seat.now += 5
    seat.type("ctrl+c")
    assert seat.effects(effects.Quit) == []
    seat.type("ctrl+c")
    assert len(seat.effects(effects.Quit)) == 1


def test_a_paste_is_not_taken_for_keys() -> None:
    seat = Seat(vm(1))
    seat.desk.paste("xSy")
    assert seat.asked() == []
    seat.type(":")
    seat.desk.paste("vm stop\nweb-1")
    assert ":vm stop web-1" in seat.screen()


def test_remapped_keys_are_what_the_screen_and_help_say() -> None:
    seat = Seat(vm(1), remaps={"vms.actions": ("f2",), "help": ("h",)})
    assert "<f2>actions" in seat.screen()
    seat.type("f2 S y")
    assert seat.asked() == [("vm.stop", "web-1")]
    seat.type("h")
    assert "F2" in seat.screen(80, 40)


ALL_KEYS = sorted({key for bindings in BINDINGS.values() for binding in bindings for key in binding.keys} | {*"abwxyz12漢", "f9"})


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(ALL_KEYS), max_size=25), st.sampled_from([(80, 24), (20, 5), (140, 40), (1, 1), (9, 2), (60, 15)]))
def test_no_keys_break_it_on_any_screen(keys: list[str], size: tuple[int, int]) -> None:
    """Every frame is exactly as large as the terminal, and nothing is deleted, stopped or killed that was not agreed to."""
    seat = Seat(*FLEET)
    for at, key in enumerate(keys):
        seat.desk.key(key)
        if at % 5 == 0:
            seat.screen(*size)
        if at % 7 == 3:
            for effect in [each for each in seat.desk.effects if isinstance(each, effects.Call)]:
                seat.desk.answered(effect.tag, fault("no"))
    seat.screen(*size)


# --------------------------------------------------------------------------------------------------------------- actions


def test_what_cannot_be_taken_back_asks_and_enter_is_no() -> None:
    seat = Seat(vm(1))
    seat.type("ctrl+d")
    assert "Kill and delete web-1?" in seat.screen()
    seat.type("enter")
    assert seat.asked() == []
    seat.type("x S n")
    assert seat.asked() == []
    seat.type("x S y")
    assert seat.asked() == [("vm.stop", "web-1")]
    seat.answer({})
    assert "web-1 stopped" in seat.screen()


def test_what_can_be_taken_back_is_done_at_once_and_says_how() -> None:
    seat = Seat(vm(1, status="stopped"))
    seat.type("x s")
    assert seat.asked() == [("vm.start", "web-1")]
    assert "1 running" in seat.screen()
    seat.answer({})
    assert "web-1 is starting (x S stops it)" in seat.screen()


def test_several_are_named_and_counted_and_only_the_right_number_goes_on() -> None:
    seat = Seat(vm(1), vm(2), vm(3, status="stopped"))
    seat.type("* x S")
    screen = seat.screen()
    assert "Stop 2 VMs?" in screen
    assert "web-1, web-2" in screen
    assert "Left out, since it makes no sense for them: web-3" in screen
    seat.type("y enter")
    assert seat.asked() == []
    seat.type("x S 2 enter")
    assert seat.asked() == [("vm.stop", "web-1"), ("vm.stop", "web-2")]
    seat.answer({}, fault("it hangs", "use --force"))
    assert "1 VM stopped; 1 failed: web-2: it hangs; use --force" in seat.screen(120)


def test_marks_that_a_filter_hides_are_counted_and_told() -> None:
    seat = Seat(vm(1, "web-1"), vm(2, "db-1"))
    seat.type("* / 'web' enter")
    assert "2 marked (1 hidden)" in seat.screen()
    seat.type("X")
    assert "1 of them is marked but hidden by the filter" in seat.screen()


def test_of_a_replica_that_is_ended_it_is_said_that_it_comes_again() -> None:
    seat = Seat(vm(1, deployment="web"), vm(2))
    seat.type("x S")
    assert "Deployment web makes what is its replica anew" in seat.screen()
    seat.type("escape x R")
    assert "anew; scaling" not in seat.screen(), "it boots again, and is the same"
    seat.type("escape j x S")
    assert "anew; scaling" not in seat.screen()


def test_a_protected_vm_wants_its_name() -> None:
    seat = Seat(vm(1, labels={"protected": "true"}))
    seat.type("x S y enter")
    assert seat.asked() == []
    seat.type("x S 'web-1' enter")
    assert seat.asked() == [("vm.stop", "web-1")]


def test_a_vm_that_goes_takes_its_mark_along() -> None:
    seat = Seat(vm(1), vm(2))
    seat.type("* ")
    seat.change(gone=[vm(2)["id"]])
    assert "1 marked" in seat.screen()


def test_read_only_refuses_and_hides_what_changes() -> None:
    seat = Seat(vm(1))
    seat.type(": 'ro' enter")
    assert seat.screen().splitlines()[0].endswith("RO")
    seat.type("ctrl+d")
    assert "read-only" in seat.screen()
    seat.type("x S")
    seat.type("?")
    assert "delete" not in seat.screen(80, 60)
    seat.type("escape : 'vm_stop_web-1' enter")
    assert "read-only" in seat.screen()
    seat.type("escape : 'vm_get_web-1' enter")
    assert [run.words for run in seat.effects(effects.Run)] == [("vm", "get", "web-1")]
    assert seat.asked() == []


# ------------------------------------------------------------------------------------------------------------ connection


def test_while_disconnected_the_data_stays_and_actions_refuse_with_the_reason() -> None:
    seat = Seat(vm(1, status="stopped"))
    seat.lose("the daemon was killed")
    seat.now += 12
    seat.type("x")
    screen = seat.screen()
    assert "DISCONNECTED 12s: the daemon was killed" in screen
    assert "start  (not connected)" in screen
    seat.type("s escape delete y")
    assert seat.asked() == []
    assert seat.desk.next_change_s() == 1.0
    seat.type("ctrl+r")
    assert len(seat.effects(effects.Reconnect)) == 1


def test_however_long_the_reason_is_the_retry_and_what_helps_are_told_and_stay_while_it_is_tried() -> None:
    seat = Seat(vm(1))
    seat.lose("nobody answers at /home/somebody/with/a/long/name/run/volant/volantd.sock: volantd is not running")
    assert "DISCONNECTED" in seat.screen(60, 15) and "retry in 3s (Ctrl-R now)" in seat.screen(60, 15)
    assert "start volantd" in seat.screen(60, 15)
    assert "DISCONNE" in seat.screen(20, 5)
    lines = len(seat.screen().split("web-1")[1].splitlines())
    seat.desk.heard(Connecting(seat.now))
    assert "trying now" in seat.screen() and "start volantd" in seat.screen()
    assert len(seat.screen().split("web-1")[1].splitlines()) == lines
    seat.connect(vm(1))
    assert "DISCONNECTED" not in seat.screen()


def test_a_question_that_was_open_when_the_daemon_went_does_nothing() -> None:
    seat = Seat(vm(1))
    seat.type("x S")
    seat.lose()
    seat.type("y")
    assert seat.asked() == []
    assert "not connected" in seat.screen()


def test_what_is_different_after_a_break_is_told() -> None:
    seat = Seat(vm(1), vm(2), vm(3))
    seat.lose()
    seat.connect(vm(1), vm(2, status="crashed"), vm(4))
    assert "up to date again: +1 ~1 -1" in seat.screen()


def test_missed_events_are_counted_on_the_screen() -> None:
    seat = Seat(vm(1))
    seat.desk.heard(EventsLost(oldest=20))
    assert "12 events missed" in seat.screen()


def test_nothing_wakes_up_while_nothing_changes() -> None:
    """Old VMs: their ages change once an hour, and until then nothing is drawn or sent."""
    seat = Seat(vm(1, created_at="2026-01-20T11:30:00.000Z"))
    seat.now += 20
    assert (seat.desk.next_change_s() or 0) > 60
    assert Seat().desk.next_change_s() is None


# --------------------------------------------------------------------------------------------------------------- screens


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


# ---------------------------------------------------------------------------------------------------------------- views


def test_a_filter_is_completed_by_its_fields_and_by_the_values_that_are_there() -> None:
    seat = Seat(vm(1), vm(2, status="stopped"), vm(3, plugin="postgres"))
    seat.type("/ 'plu' tab 'p' tab enter")
    assert "filter plugin:postgres" in seat.screen() and "1/1" not in seat.screen() and "1/3" in seat.screen()
    seat.type("/ ctrl+u 'state:' tab")
    assert "ready" in seat.screen() and "stopped" in seat.screen()
    seat.type("tab enter")
    assert "filter state:stopped" in seat.screen()
    seat.type("/ ctrl+u 'nothing' tab enter")
    assert "filter nothing" in seat.screen()


def test_a_view_is_saved_under_a_digit_and_shown_again_with_its_filter_and_order() -> None:
    seat = Seat(vm(1, "web-1"), vm(2, "db-1"), vm(3, "web-2"))
    seat.type("/ 'web' enter M V")
    assert "Save under which digit: vms  /web  by memory_mb" in seat.screen()
    seat.type("3")
    (kept,) = seat.effects(effects.KeepViews)
    seat.type("escape N , e 3")
    screen = seat.screen()
    assert "db-1" not in screen
    assert "↑mem" in screen
    assert views.read(kept.text) == seat.desk.views


def test_a_digit_without_a_view_says_how_to_save_one_and_a_screen_of_one_vm_has_no_name() -> None:
    seat = Seat(vm(1))
    seat.type("7")
    assert "nothing is saved under 7 yet; V saves" in seat.screen()
    seat.type("enter V")
    assert "has no name" in seat.screen()


@given(st.text() | st.dictionaries(st.text(max_size=2), st.none() | st.dictionaries(st.text(), st.text())).map(json.dumps))
def test_views_that_were_spoilt_are_passed_over(text: str) -> None:
    kept = views.read(text)
    assert views.read(views.written(kept)) == kept
