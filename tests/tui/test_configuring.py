"""Changing a VM's config at the UI: in an editor, with nothing lost by a refusal, and back to an earlier version."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tui.desks import Seat, fault, vm
from tests.tui.scenes_host import give
from volant.proto.errors import Failed, InvalidParams, Usage
from volant.tui import effects
from volant.tui.configtext import MARK, from_text, line_of, marked, patch, to_text
from volant.tui.editor import command, edited

CONFIG: dict[str, Any] = {
    "plugin": "hello", "plugin_version": "1.0.0", "cpu_cores": 1, "memory_mb": 256, "network": "bridged", "ip": "",
    "env": {"COLOUR": "blue"}, "labels": {"volant.plugin": "hello", "volant.runtime": "hello"}, "kernel": "",
    "cmdline": "", "boot": "auto", "forwards": [],
    "hypervisor": "qemu", "restart": "no", "autostart": False,
}  # fmt: skip


def version(number: int, **config: Any) -> dict[str, Any]:
    return {"version": number, "note": "changed", "changes": [], "created_at": "2026-01-31T11:00:00Z", "author": "uid:0(root)",
            "origin": "", "config": CONFIG | config}  # fmt: skip


def editing() -> tuple[Seat, str]:
    """Somebody asked to edit web-1: the seat, and the text in the editor."""
    seat = Seat(vm(1))
    seat.type("E")
    give(seat, "vm.config", {"name": "web-1", "config_version": 3, "running_version": 3, "pending_changes": [], "shown": version(3)})
    (edit,) = seat.effects(effects.Edit)
    seat.edit = edit.tag  # type: ignore[attr-defined]
    return seat, edit.text


def save(seat: Seat, text: str) -> None:
    """The editor ends with this text."""
    seat.desk.answered(seat.edit, text)  # type: ignore[attr-defined]


def test_what_is_saved_is_checked_shown_and_asked_about_before_it_is_done() -> None:
    seat, text = editing()
    save(seat, text.replace("memory_mb: 256", "memory_mb: 512").replace("COLOUR: blue", "SHAPE: round"))
    (check,) = seat.effects(effects.Call)
    change = {"memory_mb": 512, "env": {"SHAPE": "round"}, "unset": ["env.COLOUR"], "expected_version": 3, "name": "web-1"}
    assert (check.method, check.params) == ("vm.patch", {**change, "dry_run": True})
    seat.desk.answered(check.tag, {"shown": version(4, memory_mb=512, env={"SHAPE": "round"})})
    screen = seat.screen()
    assert "Change web-1?" in screen
    assert "+ memory_mb: 512" in screen
    assert "volant vm set web-1 --memory 512 --env SHAPE=round --unset env.COLOUR" in screen
    assert seat.effects(effects.Call) == []
    seat.type("y")
    (done,) = seat.effects(effects.Call)
    assert done.params == change


def test_leaving_the_text_as_it_is_changes_nothing() -> None:
    seat, text = editing()
    save(seat, text)
    assert seat.effects(effects.Call) == []
    assert "nothing was changed" in seat.screen()
    assert "volant.plugin" not in text, "what Volant sets itself can't be edited"


def test_what_the_daemon_refuses_is_opened_again_with_the_reason_at_its_place() -> None:
    seat, text = editing()
    written = text.replace("memory_mb: 256", "memory_mb: 1")
    save(seat, written)
    (check,) = seat.effects(effects.Call)
    refusal = InvalidParams("memory_mb is too small", problems=[{"path": "memory_mb", "message": "must be at least 16"}])
    seat.desk.answered(check.tag, refusal)
    assert "It can't be used: memory_mb is too small" in seat.screen()
    seat.type("e")
    (again,) = seat.effects(effects.Edit)
    assert f"memory_mb: 1\n{MARK}must be at least 16\n" in again.text
    assert from_text(again.text)["memory_mb"] == 1


def test_what_is_no_yaml_is_opened_again_too_and_nothing_is_asked_of_the_daemon() -> None:
    seat, text = editing()
    save(seat, text + "env: {\n")
    assert seat.effects(effects.Call) == []
    seat.type("e")
    (again,) = seat.effects(effects.Edit)
    assert MARK in again.text
    assert "env: {" in again.text


def test_an_editor_that_fails_changes_nothing() -> None:
    seat, _ = editing()
    save(seat, fault("the editor ended with 1"))  # type: ignore[arg-type]
    assert "the editor ended with 1" in seat.screen()
    assert seat.effects(effects.Call) == []


def test_going_back_to_an_earlier_version_shows_what_will_be_different() -> None:
    seat = Seat(vm(1))
    seat.type("enter u")
    give(seat, "vm.config_history", {"name": "web-1", "running_version": 3, "items": [version(1, memory_mb=128), version(2), version(3)]})
    assert "version 1: changed 60m ago by uid:0(root)" in seat.screen()
    seat.type("1")
    assert "+ memory_mb: 128" in seat.screen()
    assert "volant vm rollback web-1 1" in seat.screen()
    seat.asked()
    seat.type("y")
    assert seat.asked() == [("vm.config_rollback", "web-1")]
    assert seat.calls[0].params == {"name": "web-1", "version": 1, "expected_version": 3}


def test_read_only_edits_nothing() -> None:
    seat = Seat(vm(1))
    seat.type(": 'ro' enter E enter u")
    assert [effect.method for effect in seat.effects(effects.Call)] == ["vm.get"]


# ------------------------------------------------------------------------------------------------------------------ text

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, NAMES, max_size=4), st.dictionaries(NAMES, NAMES, max_size=4), st.integers(16, 4096), NAMES)
def test_a_text_says_what_it_was_made_of_and_a_patch_leads_from_one_to_another(
    old: dict[str, str], new: dict[str, str], memory: int, cmdline: str
) -> None:
    before, after = CONFIG | {"env": old}, CONFIG | {"env": new, "memory_mb": memory, "cmdline": cmdline}
    said = from_text(to_text("web-1", 1, after))
    assert patch(after, said) == {}
    change = patch(before, said)
    reached = {**old, **change.get("env", {})}
    for name in change.get("unset", ()):
        del reached[name.removeprefix("env.")]
    assert reached == new
    assert change.get("memory_mb", CONFIG["memory_mb"]) == memory


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_keeps_what_was_written(text: str) -> None:
    try:
        from_text(text)
    except InvalidParams as refusal:
        noted = marked(text, refusal)
        assert [line for line in noted.splitlines() if not line.startswith(MARK)] == [
            line for line in text.splitlines() if not line.startswith(MARK)
        ]
        assert any(line.startswith(MARK) for line in noted.splitlines())


def test_a_line_that_is_taken_out_goes_back_to_the_default() -> None:
    assert patch(CONFIG | {"memory_mb": 512}, {key: value for key, value in CONFIG.items() if key != "memory_mb"}) == {
        "unset": ["memory_mb"]
    }


def test_numbers_in_the_environment_need_quotes_and_unknown_fields_are_told() -> None:
    with pytest.raises(InvalidParams, match="names and texts"):
        from_text("env:\n  PORT: 80\n")
    with pytest.raises(InvalidParams, match="no field 'memory' to set"):
        from_text("memory: 80\n")
    assert from_text("env:\n  PORT: '80'\n") == {"env": {"PORT": "80"}}


def test_places_are_found_by_their_path() -> None:
    lines = yaml.safe_dump({"memory_mb": 1, "env": {"A": "x", "B": "y"}, "labels": {"A": "z"}}, sort_keys=False).splitlines()
    assert lines == ["memory_mb: 1", "env:", "  A: x", "  B: y", "labels:", "  A: z"]
    assert [line_of(lines, path) for path in (["memory_mb"], ["env", "B"], ["labels", "A"], ["env", "C"], ["nothing"])] == [1, 4, 6, 2, 0]


# ---------------------------------------------------------------------------------------------------------------- editor


def editor(folder: Path, script: str) -> dict[str, str]:
    """An environment whose editor is this script."""
    program = folder / "editor"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {**os.environ, "EDITOR": f"{program} --flag", "VISUAL": ""}


def test_the_editor_gets_a_file_that_nobody_else_may_read(tmp_path: Path) -> None:
    environ = editor(tmp_path, f'stat -c %a "$2" > {tmp_path}/mode; echo "$2" > {tmp_path}/path; echo more >> "$2"')
    assert asyncio.run(edited("text\n", environ)) == "text\nmore\n"
    assert (tmp_path / "mode").read_text() == "600\n"
    assert not Path((tmp_path / "path").read_text().strip()).exists()


def test_an_editor_that_is_missing_or_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="ended with 3"):
        asyncio.run(edited("text", editor(tmp_path, "exit 3")))
    with pytest.raises(Usage, match="can't be run"):
        asyncio.run(edited("text", {"EDITOR": str(tmp_path / "none")}))
    assert command({}) == ["vi"]
    assert command({"EDITOR": "code --wait", "VISUAL": ""}) == ["code", "--wait"]


def test_the_flags_of_the_command_say_what_the_patch_says() -> None:
    from volant.client.cli.commands.config import parameters
    from volant.client.cli.parsing import command_parser
    from volant.client.cli.tree import TREE
    from volant.tui.configuring import flags

    params = {"cpu_cores": 2, "memory_mb": 512, "env": {"A": "x y"}, "labels": {"tier": "web"}, "restart": "always", "autostart": True,
              "unset": ["env.B", "cmdline"]}  # fmt: skip
    args = command_parser("vm set", TREE["vm"]["set"]).read(["web-1", *flags(params)])
    assert parameters(args) == params
