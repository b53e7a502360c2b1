"""The console in a pane: keys in, lines and what is asked of the daemon out. No terminal, no daemon."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tui.desks import Seat, fault, vm
from volant.proto.errors import ConnectionLost, WriterTaken
from volant.tui.effects import Attach, Call, Copy, Type, Unfollow
from volant.tui.model import Connected, Connecting

HISTORY = b"Linux boots\r\n\x1b[32mok\x1b[m web-1 login: "


class Watched(Seat):
    """A seat whose person looks at web-1's console; its daemon does what tests say."""

    def __init__(self, history: bytes = HISTORY, **fields: Any) -> None:
        super().__init__(vm(1, **fields), vm(2, "web-2", status="stopped"))
        self.type("c")
        self.call = self.attached()
        self.place(1_000)
        self.print(history)

    def attached(self) -> Attach:
        """The newest call of the console."""
        newest: Attach = self.effects(Attach)[-1]
        return newest

    def place(self, offset: int, writer: str = "") -> None:
        self.desk.streamed(self.call.tag, [{"offset": offset, "writer": writer}])

    def print(self, data: bytes) -> None:
        self.desk.streamed(self.call.tag, [data])
        self.screen()

    def take(self) -> None:
        """Type `i`; the daemon gives the keyboard."""
        self.desk.key("i")
        self.call = self.attached()
        self.place(self.call.params["from_offset"], "uid:0 (pid 7)")
        self.screen()

    def sent(self) -> bytes:
        """What went to the guest since the last time."""
        sent = self.effects(Type)
        self.given_back = any(each.last for each in sent)
        return b"".join(each.data for each in sent)

    def end(self, result: Any) -> None:
        self.desk.answered(self.call.tag, result)


@pytest.fixture
def seat() -> Watched:
    return Watched()


def test_history_and_what_comes_are_shown_with_the_cursor(seat: Watched) -> None:
    assert seat.call.params == {"name": "web-1", "write": False, "force": False, "from_offset": -262_144}
    screen = seat.screen()
    assert "Linux boots\nok web-1 login:" in screen
    assert "PEEK read-only   follow" in screen and "typing: nobody" in screen
    lines = seat.desk.frame(80, 24)
    assert ("ok", "vt 2 -1 -1 0") in lines[3]
    assert lines[3][-2] == (" ", "vt -1 -1 -1 16")


def test_keys_while_watching_are_the_uis(seat: Watched) -> None:
    seat.type("x")
    assert "What to do with web-1" in seat.screen()
    seat.type("escape q")
    assert "console web-1" not in seat.screen()
    assert [each.tag for each in seat.effects(Unfollow)] == [seat.call.tag]


def test_typing_takes_the_keyboard_and_gives_it_back(seat: Watched) -> None:
    seat.type("i")
    assert "asking" in seat.screen()
    asked = seat.attached()
    assert asked.params == {"name": "web-1", "write": True, "force": False, "from_offset": 1_000 + len(HISTORY)}
    seat.type("r o o t enter")  # read before the keyboard was ours
    assert seat.sent() == b""
    seat.call = asked
    seat.place(asked.params["from_offset"], "uid:0 (pid 7)")
    assert seat.sent() == b"root\r"
    assert "TYPING" in seat.screen() and "<ctrl-]>stops typing" in seat.screen() and "typing: you" in seat.screen()
    assert seat.desk.keyboard
    seat.desk.typed(b"q:\x03\x1b[A\x1dq")
    assert seat.sent() == b"q:\x03\x1b[A"
    assert not seat.desk.keyboard
    assert seat.given_back
    assert "console web-1" not in seat.screen(), "the q behind Ctrl-] is the UI's"


def test_who_leaves_before_the_keyboard_came_has_typed_all_the_same(seat: Watched) -> None:
    seat.type("i")
    seat.desk.typed(b"poweroff\r\x1d")
    assert not seat.desk.keyboard and seat.sent() == b""
    seat.call = seat.attached()
    seat.place(seat.call.params["from_offset"], "uid:0 (pid 7)")
    assert seat.sent() == b"poweroff\r" and seat.given_back
    seat.print(b"\x1b[c")
    assert seat.sent() == b""


def test_the_keyboard_is_taken_again_before_the_daemon_has_seen_it_given_back(seat: Watched) -> None:
    seat.take()
    seat.desk.typed(b"\x1d")
    seat.type("i")
    assert seat.attached().params["force"] is True, "it can only be taken from ourselves"


def test_once_the_keyboard_was_given_back_nobody_loses_it_by_force(seat: Watched) -> None:
    seat.take()
    seat.desk.typed(b"\x1d")
    seat.place(1_000 + len(HISTORY), "")
    seat.type("i")
    assert seat.attached().params["force"] is False


def test_cursor_keys_and_pastes_follow_the_guests_modes(seat: Watched) -> None:
    seat.take()
    seat.print(b"\x1b[?1h\x1b[?2004h")
    seat.desk.typed(b"\x1b[A")
    seat.desk.paste("two\nlines")
    seat.desk.key("down")
    assert seat.sent() == b"\x1bOA\x1b[200~two\rlines\x1b[201~\x1bOB"


def test_only_who_types_answers_the_guests_questions(seat: Watched) -> None:
    seat.print(b"\x1b[6n")
    assert seat.sent() == b""
    seat.take()
    assert seat.sent() == b"", "an old question is not answered later"
    seat.print(b"\x1b[c")
    assert seat.sent() == b"\x1b[?1;2c"


def test_another_writer_is_named_and_can_be_taken_over(seat: Watched) -> None:
    seat.place(1_000 + len(HISTORY), "uid:1000 (pid 42)")
    assert "typing: uid:1000 (pid 42)" in seat.screen()
    seat.type("i")
    seat.call = seat.attached()
    seat.end(WriterTaken("uid:1000 (pid 42) is typing on this console"))
    screen = seat.screen()
    assert "Take the keyboard of web-1?" in screen and "uid:1000 (pid 42) is typing" in screen
    assert seat.attached().params["write"] is False, "meanwhile it looks on"
    seat.type("y")
    assert seat.attached().params["force"] is True
    assert seat.desk.keyboard


def test_who_loses_the_keyboard_is_told_and_looks_on(seat: Watched) -> None:
    seat.take()
    seat.end(WriterTaken("uid:1000 (pid 42) has taken over this console"))
    screen = seat.screen(120)
    assert "NOT TYPING" in screen and "uid:1000 (pid 42) has taken over this console: what you type goes nowhere until Ctrl-]" in screen
    assert seat.attached().params["write"] is False


def test_what_is_typed_on_when_nobody_hears_it_is_not_taken_for_keys_of_the_ui(seat: Watched) -> None:
    """Else `x`, `X` and `y` of a sentence could end VMs."""
    seat.take()
    seat.end({"name": "web-1"})
    seat.change(vm(1, status="stopped"))
    seat.desk.typed(b"xs\rXy")
    seat.type("x s y")
    seat.desk.paste("X\ny")
    assert seat.effects(Call)[1:] == [] and seat.desk.overlay is None and seat.sent() == b""
    assert "web-1 ended: what you type goes nowhere until Ctrl-]" in seat.screen()
    seat.desk.typed(b"q\x1dx")
    assert "What to do with web-1" in seat.screen()


def test_who_typed_ahead_is_stranded_too_when_somebody_else_types(seat: Watched) -> None:
    seat.type("i y e s enter")
    seat.call = seat.attached()
    seat.end(WriterTaken("uid:1000 (pid 42) is typing on this console"))
    assert "NOT TYPING" in seat.screen() and seat.desk.overlay is None
    seat.desk.typed(b"\x1d")
    assert "PEEK" in seat.screen()


def test_the_guest_is_told_the_size_once_the_keyboard_is_ours(seat: Watched) -> None:
    seat.take()
    (call,) = seat.effects(Call)
    assert (call.method, dict(call.params)) == ("vm.console_resize", {"name": "web-1", "rows": 20, "cols": 80})
    for width in (90, 100, 110):
        seat.screen(width, 30)
    assert seat.effects(Call) == [], "one call at a time"
    seat.desk.answered(call.tag, {"name": "web-1"})
    seat.screen(110, 30)
    (call,) = seat.effects(Call)
    assert call.params["cols"] == 110
    seat.desk.answered(call.tag, {"name": "web-1"})
    assert "110x26" in seat.screen(110, 30)
    assert seat.effects(Call) == []


def test_what_a_guest_draws_for_its_new_size_may_come_before_the_answer(seat: Watched) -> None:
    seat.take()
    (call,) = seat.effects(Call)
    seat.print(b"\x1b[2J\x1b[20Hthe last row")
    assert "80x20" in seat.screen()
    seat.print(b"\r\x1b[Kone line up\n")
    assert seat.screen().splitlines()[20] == "one line up"
    seat.desk.answered(call.tag, fault("no agent"))
    seat.now += 60
    assert "80x24" in seat.screen()


def test_who_looks_on_sees_the_size_that_somebody_else_told_the_guest(seat: Watched) -> None:
    seat.desk.streamed(seat.call.tag, [{"offset": 2_000, "writer": "uid:0 (pid 9)", "rows": 30, "cols": 100}])
    assert "100x30" in seat.screen()
    seat.desk.streamed(seat.call.tag, [{"offset": 2_000, "writer": "", "rows": 0, "cols": 0}])
    assert "100x30" in seat.screen(), "a daemon that was restarted does not know it"
    seat.change(vm(1, status="starting", boot=2))
    seat.end({"name": "web-1"})
    seat.change(vm(1, status="ready", boot=2))
    assert "80x24" in seat.screen()


def test_a_guest_that_cannot_be_told_gets_a_line_to_type(seat: Watched) -> None:
    seat.type("S")
    (call,) = seat.effects(Call)
    seat.desk.answered(call.tag, fault("no agent"))
    screen = seat.screen()
    assert "stty rows 20 cols 80" in screen
    seat.take()
    (call,) = seat.effects(Call)
    seat.desk.answered(call.tag, fault("no agent"))
    seat.now += 60
    assert "80x24" in seat.screen(), "what its programs take it for"
    assert seat.effects(Call) == [], "it is not asked again and again"


def test_a_new_boot_has_not_been_told_the_size(seat: Watched) -> None:
    seat.type("S")
    (call,) = seat.effects(Call)
    seat.desk.answered(call.tag, {"name": "web-1"})
    seat.now += 60
    assert "80x20" in seat.screen()
    seat.end({"name": "web-1"})
    seat.change(vm(1, status="starting", boot=2))
    assert "80x24" in seat.screen()


def test_lost_bytes_are_counted(seat: Watched) -> None:
    seat.print(b"\x1b]0;a title that is cut")
    seat.place(1_000_000)
    seat.print(b"\r\nand on")
    assert "and on" in seat.screen()
    assert f"{1_000_000 - 1_000 - len(HISTORY) - 23:,} bytes lost" in seat.screen()


def test_a_lost_daemon_dims_and_its_return_goes_on_where_it_ended(seat: Watched) -> None:
    seat.take()
    seat.end(ConnectionLost("the daemon closed the connection"))
    seat.lose()
    assert "the daemon closed the connection: what you type goes nowhere until Ctrl-]" in seat.screen(100)
    seat.desk.typed(b"\x1d")
    screen = seat.screen(100)
    assert "Linux boots" in screen and "DISCONNECTED" in screen and "goes on by itself" in screen
    assert {style for line in seat.desk.frame(80, 24)[2:4] for _, style in line} <= {"dim", ""}
    seat.type("i")
    assert not seat.desk.keyboard and "not connected" in seat.screen()
    seat.desk.heard(Connecting(seat.now))
    seat.desk.heard(Connected(seat.now, "0.1.0"))
    assert seat.effects(Attach) == []
    seat.connect(vm(1), vm(2, "web-2"))
    again = seat.attached()
    assert again.params["from_offset"] == 1_000 + len(HISTORY) and again.params["write"] is False


def test_what_starts_a_stopped_vm_is_named_as_it_is_bound() -> None:
    seat = Seat(vm(1, status="stopped"), remaps={"actions": ("X",)})
    seat.type("c")
    assert "web-1 is stopped: X, then s, starts it" in seat.screen()


def test_a_stopped_vm_says_how_to_start_it_and_goes_on_once_it_runs(seat: Watched) -> None:
    seat.end({"name": "web-1"})
    seat.change(vm(1, status="stopped"))
    assert "web-1 is stopped: x, then s, starts it" in seat.screen()
    seat.type("i")
    assert not seat.desk.keyboard
    seat.change(vm(1, status="starting", boot=2))
    assert seat.attached().params["from_offset"] == 1_000 + len(HISTORY)


def test_a_deleted_vm_stays_readable(seat: Watched) -> None:
    seat.end({"name": "web-1"})
    seat.change(gone=[vm(1)["id"]])
    screen = seat.screen()
    assert "it was deleted" in screen and "Linux boots" in screen
    seat.type("i x s")
    assert seat.effects(Attach) == []


def test_scrolling_holds_still_while_the_guest_prints(seat: Watched) -> None:
    seat.print(b"".join(b"line %d\r\n" % n for n in range(100)))
    seat.type("pageup")
    held = seat.screen()
    assert "line 70" in held and "line 99" not in held
    seat.print(b"more\r\n" * 5)
    now = seat.screen()
    assert [line for line in now.splitlines() if line.startswith("line ")] == [
        line for line in held.splitlines() if line.startswith("line ")
    ]
    assert "lines below" in now
    seat.type("f")
    assert "more" in seat.screen() and "follow" in seat.screen()
    seat.type("g")
    assert "Linux boots" in seat.screen()
    seat.type("G")
    assert "more" in seat.screen()


def test_a_search_goes_up_and_highlights(seat: Watched) -> None:
    seat.print(b"".join(b"%s %d\r\n" % (b"error" if n % 20 == 0 else b"line", n) for n in range(100)))
    seat.type("/ 'error' enter")
    assert "error 80" in seat.screen()
    (line,) = [line for line in seat.desk.frame(80, 24) if line[0][0] == "error"]
    assert line[0][1] == "vt 0 11 -1 257"
    seat.type("n")
    assert "error 60" in seat.screen() and "error 80" not in seat.screen()
    seat.type("N N")
    assert "error 0" in seat.screen(), "round the end"
    seat.type("escape / 'nowhere' enter")
    assert "nowhere is not there" in seat.screen()
    seat.type("escape / '~err.*4' enter")
    assert "error 40" in seat.screen()
    seat.type("escape escape")
    assert "console web-1" not in seat.screen()


def test_text_is_chosen_with_keys_and_copied(seat: Watched) -> None:
    seat.print(b"\r\nalpha beta\r\ngamma delta\r\n")
    seat.type("v")
    assert "COPY" in seat.screen()
    seat.type("k k w v w W y")
    (copied,) = seat.effects(Copy)
    assert copied.text == "beta\ngamma"
    assert "10 characters copied" in seat.screen()
    seat.type("v k V y")
    assert seat.effects(Copy)[0].text == "gamma delta"
    seat.type("v k k ctrl+v j l l l y")
    assert seat.effects(Copy)[0].text == "alph\ngamm"
    seat.type("v y")
    assert "nothing is selected" in seat.screen()
    seat.type("escape")
    assert "PEEK" in seat.screen()


def test_a_screen_that_is_larger_than_the_pane_is_seen_where_its_cursor_is(seat: Watched) -> None:
    seat.print(b"\x1b[2J\x1b[Htop\x1b[24;1Hbottom")
    assert "bottom" in seat.screen(80, 16) and "top" not in seat.screen(80, 16)
    seat.print(b"\x1b[H")
    assert "top" in seat.screen(80, 16) and "bottom" not in seat.screen(80, 16)


@pytest.mark.parametrize("size", [(20, 5), (1, 1), (60, 15), (200, 60)])
def test_any_size_can_be_drawn(seat: Watched, size: tuple[int, int]) -> None:
    seat.print("世界 e\u0301 👩\u200d👩\u200d👧 \u202e \x1b[38;2;1;2;3mx".encode() * 30)
    seat.screen(*size)
    seat.take()
    seat.screen(*size)


def test_read_only_refuses_to_type(seat: Watched) -> None:
    seat.desk.read_only = True
    seat.type("i")
    assert not seat.desk.keyboard and "read-only" in seat.screen()
    seat.type("S")
    assert seat.effects(Call) == []


def test_hidden_and_shown_again_it_goes_on_where_it_was(seat: Watched) -> None:
    seat.take()
    seat.desk.typed(b"\x1d")
    seat.type("escape [")
    again = seat.attached()
    assert again.params == {"name": "web-1", "write": False, "force": False, "from_offset": 1_000 + len(HISTORY)}
    assert "Linux boots" in seat.screen()


def test_the_key_that_leaves_can_be_another() -> None:
    seat = Seat(vm(1), remaps={"typing.typing.leave": ("ctrl+x",)})
    assert seat.desk.router.problems == []
