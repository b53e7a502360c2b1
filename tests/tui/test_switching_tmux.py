"""Two daemons and one that is down, by their names, in the real program."""

from __future__ import annotations

from pathlib import Path

from tests.tui.hosts import fake_host
from tests.tui.tmux import TUI, terminal


def test_from_one_daemon_to_another_over_one_that_is_down(tmp_path: Path) -> None:
    with fake_host("web-1") as one, fake_host("other-1") as two:
        settings = tmp_path / "tui.toml"
        settings.write_text(f'[contexts]\none = "{one.socket}"\ntwo = "{two.socket}"\ndown = "/nowhere/at.all"\n')
        with terminal(*TUI, "--context", "one", environ={"VOLANT_TUI_CONFIG": str(settings), "VOLANT_SOCKET": ""}) as ui:
            ui.until(lambda screen: " volant  one  ● live" in screen and "web-1" in screen, "the first daemon")
            ui.write(":ctx down")
            ui.type("Enter")
            ui.see("not connected to /nowhere/at.all")
            ui.write(":ctx t")
            ui.type("Tab", "Enter")
            screen = ui.until(lambda screen: " volant  two  ● live" in screen and "other-1" in screen, "the second daemon")
            assert "web-1" not in screen
            one.volant("vm", "stop", "web-1")
            two.volant("vm", "stop", "other-1")
            screen = ui.see("○ stopped")
            assert "web-1" not in screen
            ui.write(",c")
            ui.see("(this one)")
            ui.write("2")
            ui.until(lambda screen: " volant  one  ● live" in screen and "web-1" in screen, "the first one again")
            ui.type("q")
            ui.see("left with 0")
