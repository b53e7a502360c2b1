"""The table of keys: complete, without clashes, remappable, and the page that shows it is fresh."""

from __future__ import annotations

from pathlib import Path

import pytest

from volant.client.cli.commands import tui as command
from volant.tui import settings
from volant.tui.actions import VM_ACTIONS
from volant.tui.keys.bindings import BINDINGS, CONTEXTS, FORBIDDEN, shown_key
from volant.tui.keys.listing import COMMAND, listing, renewed
from volant.tui.keys.router import Router
from volant.tui.themes import STYLES

PAGE = Path(__file__).parents[2] / "docs/tui.md"


def test_no_key_means_two_things_and_none_is_one_that_terminals_have_for_themselves() -> None:
    assert Router().problems == []
    assert not FORBIDDEN & {key for bindings in BINDINGS.values() for binding in bindings for key in binding.keys}
    assert list(BINDINGS) == list(CONTEXTS)


def test_deleting_has_no_key_that_editing_or_moving_uses() -> None:
    vms = {binding.id: binding.keys for binding in BINDINGS["vms"]}
    assert not {"backspace", "d", "enter", "space"} & set(vms["vm.delete"])
    assert all(action.question for action in VM_ACTIONS if action.id not in ("vm.start",))


def test_menus_have_no_key_twice() -> None:
    assert len({action.key for action in VM_ACTIONS}) == len(VM_ACTIONS)


def test_the_particular_context_decides() -> None:
    router = Router()
    assert router.action(("stream", "everywhere"), "p") == "pause"
    assert router.action(("vms", "list", "everywhere"), "q") == "quit"
    assert router.action(("line",), "q") == ""


def test_remapping() -> None:
    router = Router({"vms.vm.delete": ("f8",), "quit": ("Q",), "list.mark": ()})
    contexts = ("vms", "list", "everywhere")
    assert [router.action(contexts, key) for key in ("f8", "ctrl+d", "Q", "q", "space")] == ["vm.delete", "", "quit", "", ""]
    assert router.problems == []


def test_a_key_that_somebody_gives_to_an_action_is_taken_from_who_had_it() -> None:
    router = Router({"vms.vm.logs": ("d",)})
    assert router.action(("vms",), "d") == "vm.logs"
    assert router.problems == []
    assert next(binding.keys for binding in router.bindings("vms") if binding.id == "vm.describe") == ()


@pytest.mark.parametrize(
    ("remap", "said"),
    [
        ({"fly": ("f",)}, "no such action"),
        ({"quit": ("ctrl+z",)}, "may not be bound"),
        ({"everywhere.command": (":",), "everywhere.quit": (":",)}, "means both"),
    ],
)
def test_what_is_wrong_with_a_remap_is_told_and_nothing_fails(remap: dict[str, tuple[str, ...]], said: str) -> None:
    router = Router(remap)
    assert said in " ".join(router.problems)
    assert router.action(("everywhere",), ":") == "command"


@pytest.mark.parametrize(
    ("key", "shown"), [("ctrl+d", "Ctrl-D"), ("shift+tab", "Shift-Tab"), ("escape", "Esc"), ("G", "G"), ("+", "+"), ("f1", "F1")]
)
def test_keys_as_people_write_them(key: str, shown: str) -> None:
    assert shown_key(key) == shown


def test_the_page_has_the_keys_as_they_are() -> None:
    assert renewed(PAGE.read_text()) == PAGE.read_text(), f"docs/tui.md is stale: {COMMAND}"


def test_the_listing_has_what_a_settings_file_needs() -> None:
    assert any(line.split()[:2] == ["vms.vm.delete", "ctrl+d,delete"] for line in listing().splitlines())


def test_settings() -> None:
    found = settings.read({"theme": "light", "ascii": True, "keys": {"quit": "Q", "list.mark": ["m", "space"], "x": 1}, "colour": 1,
                           "contexts": {"staging": "/s", "wrong": 1}})  # fmt: skip
    assert (found.theme, found.ascii, found.read_only, found.keys) == ("light", True, False, {"quit": ("Q",), "list.mark": ("m", "space")})
    assert "colour" in found.problems[0]
    assert "keys.x" in found.problems[1]
    assert found.contexts == {"staging": "/s"}
    assert "contexts.wrong" in found.problems[2]


@pytest.mark.parametrize("text", [b"theme = ", b"\xff", b"theme = 'pink'", b"ascii = 3", b"keys = 3"])
def test_a_settings_file_that_makes_no_sense_changes_nothing_and_is_told(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "tui.toml"
    path.write_bytes(text)
    found = settings.load(path)
    assert found.problems
    assert (found.theme, found.ascii) == ("auto", False)


def test_a_history_is_this_users_alone_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history"
    settings.save_history(path, [f"vm get web-{number}" for number in range(settings.KEPT_LINES + 10)])
    assert path.stat().st_mode & 0o077 == 0
    assert len(settings.load_history(path)) == settings.KEPT_LINES


def test_themes_are_what_the_command_offers() -> None:
    assert command.THEMES == settings.THEMES
    assert set(settings.THEMES) - {"auto"} <= set(STYLES)
    assert len({frozenset(theme) for theme in STYLES.values()}) == 1, "a theme lacks the look of a style"
