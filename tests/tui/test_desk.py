"""What somebody at the UI notices: keys typed, and what is asked of the daemon for them, asking before what can't be taken back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tui.desks import Seat, fault, vm
from tests.tui.scenes import FLEET
from volant.tui import effects
from volant.tui.keys.bindings import BINDINGS


def test_a_burst_means_what_it_would_mean_typed_slowly() -> None:
    seat = Seat(vm(1, "db-1"), vm(2, "web-1"), vm(3, "web-2"))
    seat.type("/ 'web' enter j x S y")
    assert seat.asked() == [("vm.stop", "web-2")]


def test_esc_undoes_one_thing_after_the_other_and_never_leaves() -> None:
    seat = Seat(vm(1), vm(2))
    seat.type("space enter x escape escape")
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
    seat.type("*")
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


def test_a_key_that_means_nothing_says_so_and_where_the_keys_are() -> None:
    seat = Seat(vm(1), remaps={"everywhere.help": ("f1",)})
    seat.type("b")
    assert seat.screen().endswith("b means nothing here; F1 shows the keys")
    seat.type("enter /")
    assert "/ means nothing here" in seat.screen()


def test_what_helps_is_not_cut_off_a_long_message() -> None:
    seat = Seat(*(vm(number) for number in range(30)))
    seat.type("G")
    seat.desk.say_fault(fault("the editor 'nano' can't be run: No such file or directory", "set EDITOR to a program that is there"))
    lines = seat.screen().splitlines()
    assert lines[-2:] == [" the editor 'nano' can't be run: No such file or directory; set EDITOR to a", " program that is there"]
    assert "web-9" in lines[-4], "the row under the cursor stays"
    assert seat.screen(60, 8).splitlines()[-1].endswith("…"), "where there is no room for it, it is cut"


def test_a_typed_command_that_deletes_asks_as_its_key_does() -> None:
    seat = Seat(vm(1, "db-1", labels={"protected": "true"}), vm(2, "web-1"), vm(3, "web-2"))
    seat.type(": 'vm_delete_web-1_--force' enter")
    assert "Kill and delete web-1?" in seat.screen()
    assert "volant vm delete web-1 --force" in seat.screen()
    seat.type("enter")
    assert "nothing was done" in seat.screen()
    seat.type(": 'vms_rm_web-1_web-2_--timeout_9s' enter '1' enter : 'vm_rm_db-1' enter y enter")
    assert seat.effects(effects.Run) == []
    seat.type(": 'vm_rm_web-1_web-2_--timeout_9s' enter '2' enter escape : 'vm_rm_db-1' enter 'db-1' enter escape")
    seat.type(": 'deployment_delete_web' enter y escape : 'plugin_remove_hello' enter y escape : 'vm_delete_-y_web-2' enter")
    assert [run.words[:2] for run in seat.effects(effects.Run)] == [
        ("vm", "rm"), ("vm", "rm"), ("deployment", "delete"), ("plugin", "remove"), ("vm", "delete"),
    ]  # fmt: skip


def test_a_command_that_deletes_is_checked_before_it_asks() -> None:
    seat = Seat(vm(1, "web-1"))
    seat.type(": 'vm_delete_web-1_--froce' enter")
    assert "--froce" in seat.screen()
    assert "--force" in seat.screen()
    assert seat.desk.overlay is None


def test_help_is_read_and_closed_as_in_less() -> None:
    seat = Seat(vm(1))
    seat.type("?")
    first = seat.screen()
    seat.type("space")
    assert seat.screen() != first
    seat.type("G")
    assert "screen readers" in seat.screen()
    seat.type("g")
    assert seat.screen() == first
    seat.type("?")
    assert "Esc closes" not in seat.screen()


def test_the_way_back_and_empty_screens_name_the_keys_as_they_are_bound() -> None:
    seat = Seat(vm(1, status="stopped"), remaps={"vms.actions": ("f3",), "vms.new": ("insert",), "help": ("f1",)})
    seat.type("f3 s")
    seat.asked()
    seat.answer({})
    assert "web-1 is starting (F3 S stops it)" in seat.screen()
    seat.change(gone=[vm(1)["id"]])
    assert "Insert    make one of a plugin" in seat.screen()
    assert "F1        the keys" in seat.screen()


def test_what_was_done_with_several_is_told_of_several() -> None:
    seat = Seat(vm(1, status="stopped"), vm(2, status="stopped"))
    seat.type("* x s")
    seat.asked()
    seat.answer({}, {})
    assert "2 VMs are starting" in seat.screen()
