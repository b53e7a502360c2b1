"""Calling a workload from the UI: what can be called, the form, what goes to the daemon, the answer, and making a call again."""

from __future__ import annotations

import json

from tests.tui.desks import Seat, fault, vm
from tests.tui.scenes_calls import calls, described, reply, sent
from volant.tui import effects


def test_a_call_from_the_list_to_the_answer() -> None:
    seat = calls()
    assert "GET    /cgi-bin/hello          Greet somebody" in seat.screen()
    seat.type("enter a 'name=Ada_L' enter")
    assert "GET /cgi-bin/hello?name=Ada+L" in seat.screen()
    seat.type("r")
    assert "waiting for the workload" in seat.screen()
    asked = reply(seat)
    assert (asked.params["action"], asked.params["query"], asked.body) == ("hello", "name=Ada+L", None)
    screen = seat.screen()
    assert "200 OK   12ms   26 B   application/json" in screen
    assert '"greeting": "Hello, Ada"' in screen
    assert "X-Trace" not in screen
    seat.type("h")
    assert "X-Trace: 7" in seat.screen()


def test_one_key_repeats_and_another_edits() -> None:
    seat = calls()
    seat.type("enter r")
    first = reply(seat)
    seat.type("r")
    assert reply(seat).params == first.params
    seat.type("e a 'X-A:_b' enter r")
    assert reply(seat, b"[1]").params["headers"] == [["X-A", "b"]]
    assert "[" in seat.screen()


def test_the_command_that_is_copied_is_the_call() -> None:
    seat = calls()
    seat.type("enter a 'name=Ada_L' enter . C")
    assert seat.effects(effects.Copy) == [effects.Copy("volant vm call web-1 hello --query 'name=Ada L'")]


def test_a_path_wants_its_parameter_first() -> None:
    seat = calls()
    seat.type("j j r")
    assert seat.effects(effects.Send) == []
    seat.type("r")
    assert "fill in id first" in seat.screen()
    seat.type("enter 'a/b' enter r")
    assert sent(seat).params["path"] == "/pets/a%2Fb"


def test_a_line_is_left_out_and_comes_back() -> None:
    seat = calls()
    seat.type("j enter")
    assert "left out" in seat.screen()
    seat.type("enter '[1,_2]' enter")
    assert "6 B" in seat.screen()
    seat.type("x")
    assert "left out" in seat.screen()
    seat.type("r")
    assert sent(seat).body is None


def test_a_body_is_written_in_the_editor() -> None:
    seat = calls()
    seat.type("enter E")
    assert "this request has no body" in seat.screen()
    seat.type("escape j enter E")
    (edit,) = seat.effects(effects.Edit)
    assert edit.text == ""
    seat.desk.answered(edit.tag, '{\n  "numbers": [1, 2]\n}\n')
    assert '"numbers": [' in seat.screen()
    seat.type("E")
    (edit,) = seat.effects(effects.Edit)
    seat.desk.answered(edit.tag, fault("the editor ended with 1", "nothing was changed"))
    assert "the editor ended with 1" in seat.screen()
    seat.type("r")
    assert sent(seat).body == b'{\n  "numbers": [1, 2]\n}'


def test_calls_are_remembered_and_made_again() -> None:
    seat = calls()
    seat.type("enter a 'name=Ada' enter a 'token=abc' enter r")
    reply(seat)
    (keep,) = seat.effects(effects.KeepCalls)
    assert "Ada" in keep.text and "abc" not in keep.text
    seat.type("escape escape")
    assert "200 OK" in seat.screen(100) and "name=Ada token=abc" in seat.screen(120)
    seat.type("G r")
    assert sent(seat).params["query"] == "name=Ada&token=abc"
    again = calls(earlier=keep.text)
    again.type("G r")
    assert sent(again).params["query"] == "name=Ada"


def test_a_failure_is_shown_in_the_answers_place_and_remembered() -> None:
    seat = calls()
    seat.type("r")
    seat.desk.answered(sent(seat).tag, fault("the agent does not answer", "look at its console"))
    assert "the agent does not answer" in seat.screen()
    assert "look at its console" in seat.screen()
    seat.type("escape escape")
    assert "the agent does not answer" in seat.screen(100)


def test_leaving_before_the_answer_ends_the_call() -> None:
    seat = calls()
    seat.type("r")
    tag = sent(seat).tag
    seat.type("escape")
    assert seat.effects(effects.Unfollow) == [effects.Unfollow(tag)]
    seat.desk.answered(tag, fault("late"))
    assert "GET /cgi-bin/hello" in seat.screen()


def test_read_only_sends_nothing() -> None:
    seat = calls(manifest={"openapi": "http://127.0.0.1:8000/openapi.json"})
    seat.effects(effects.Send)
    seat.type(": 'ro' enter r")
    assert "read-only" in seat.screen()
    seat.type("enter r")
    assert seat.effects(effects.Send) == []


def test_the_workloads_own_openapi_document_describes_more() -> None:
    seat = described()
    assert "POST   /admin/restock" in seat.screen()
    seat.type("enter enter 2 r")
    assert reply(seat).params["query"] == "style=loud"
    seat.type("escape escape g j j j enter")
    assert '"all": true' in seat.screen()
    seat.type("r")
    asked = sent(seat)
    assert (asked.params["path"], asked.params["headers"]) == ("/admin/restock", [["Content-Type", "application/json"]])
    assert json.loads(asked.body or b"") == {"all": True}


def test_a_document_may_be_a_file_of_this_host_and_is_never_fetched_from_elsewhere() -> None:
    seat = calls(manifest={"openapi": "file:///srv/openapi.json"})
    (asked,) = seat.effects(effects.Read)
    assert asked.path == "/srv/openapi.json"
    seat.desk.answered(asked.tag, b"openapi: 3.0.0")
    assert "no JSON" in seat.screen()
    assert "hello" in seat.screen()
    seat = calls(manifest={"openapi": "https://example.org/openapi.json"})
    assert [effect for effect in seat.desk.effects if isinstance(effect, effects.Send | effects.Read)] == []
    assert "is not fetched" in seat.screen()


def test_what_a_workload_says_drives_no_terminal() -> None:
    evil = "\x1b]52;c;ZXZpbA==\x07"
    seat = Seat(vm(1))
    seat.type("r")
    seat.asked()
    seat.answer(
        {"items": [{"name": evil, "description": evil, "method": evil, "path": f"/{{{evil}}}", "timeout_ms": 0}]}, fault(evil, evil)
    )
    assert "\x1b" not in seat.screen()
    seat.type("enter")
    assert "\x1b" not in seat.screen()
    seat.type("enter 'x' enter r")
    reply(seat, json.dumps({evil: evil}).encode())
    assert "\x1b" not in seat.screen()
    seat.type("escape escape")
    assert "\x1b" not in seat.screen(140)
