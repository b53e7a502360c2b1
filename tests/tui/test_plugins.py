"""Plugins at the UI: what is seen of them, installing with progress, and what asks first."""

from __future__ import annotations

from tests.tui.desks import Seat, event, fault, vm
from tests.tui.scenes_host import PLUGINS, give, plugin, plugins
from volant.tui import effects
from volant.tui.model import Happened


def installing(place: str) -> Seat:
    """Somebody asked for an install, and the manifest is being read."""
    seat = plugins(f"i '{place}' enter")()
    (reading,) = seat.effects(effects.Manifest)
    assert reading.place == place
    seat.desk.answered(reading.tag, {"name": "new", "version": "1.0.0"})
    return seat


def test_an_install_tells_how_far_it_is_and_how_it_went() -> None:
    seat = installing("./plugin.json")
    (install,) = seat.effects(effects.Follow)
    assert (install.method, install.params) == ("plugin.install", {"manifest": {"name": "new", "version": "1.0.0"}})
    seat.desk.streamed(install.tag, [{"step": "rootfs", "done": 5 << 20, "total": 10 << 20}])
    assert seat.desk.operations[0].progress.startswith("rootfs 5")
    assert "1 running" in seat.screen()
    seat.desk.answered(install.tag, plugin("new"))
    assert "./plugin.json is installed" in seat.screen()


def test_a_manifest_that_can_not_be_read_is_told_and_nothing_is_asked_of_the_daemon() -> None:
    seat = plugins("i 'nowhere.json' enter")()
    (reading,) = seat.effects(effects.Manifest)
    seat.desk.answered(reading.tag, fault("there is no file nowhere.json"))
    assert "nowhere.json: there is no file nowhere.json" in seat.screen()
    assert seat.effects(effects.Follow) == []


def test_nothing_and_standard_input_are_refused_in_the_question() -> None:
    seat = plugins("i enter")()
    assert "nothing to install was named" in seat.screen()
    seat.type("'-' enter")
    assert seat.effects(effects.Manifest) == []


def test_a_version_is_enabled_and_disabled_by_the_same_key() -> None:
    seat = plugins("e")()
    (call,) = seat.effects(effects.Call)
    assert (call.method, call.params) == ("plugin.disable", {"name": "hello", "version": "1.0.0"})
    seat.type("G e")
    (call,) = seat.effects(effects.Call)
    assert (call.method, call.params) == ("plugin.enable", {"name": "postgres", "version": "16.2.0"})


def test_removing_asks_and_shows_a_command_that_means_the_same() -> None:
    seat = plugins("delete")()
    screen = seat.screen()
    assert "Remove plugin hello@1.0.0?" in screen
    assert "volant plugin remove --yes hello --version 1.0.0" in screen
    seat.type("y")
    assert [call.params for call in seat.effects(effects.Call)] == [{"name": "hello", "version": "1.0.0"}]


def test_what_is_installed_elsewhere_comes_by_itself_and_vms_are_counted() -> None:
    seat = plugins()()
    seat.desk.heard(Happened((event(8, "PLUGIN_INSTALLED", {"name": "", "id": ""}),)))
    give(seat, "plugin.list", {"items": [*PLUGINS, plugin("z-new")], "seq": 8})
    assert "z-new" in seat.screen()
    before = seat.screen()
    seat.change(vm(77, "more"))
    assert seat.screen() != before


def test_a_vm_is_made_of_the_one_under_the_cursor() -> None:
    seat = plugins("n")()
    assert "volant vm create hello-1 --plugin hello" in seat.screen()
    seat.type("enter")
    (create,) = seat.effects(effects.Call)
    assert (create.method, create.params) == ("vm.create", {"name": "hello-1", "plugin": "hello", "version": "1.0.0"})


def test_one_shows_its_manifest_and_stays_up_to_date() -> None:
    seat = plugins("enter G")()
    assert "path: /greet" in seat.screen()
    give(seat, "plugin.list", {"items": PLUGINS, "seq": 7})
    seat.type("g")
    assert "enabled     yes" in seat.screen()
    seat.desk.heard(Happened((event(8, "PLUGIN_DISABLED", {"name": "", "id": ""}),)))
    give(seat, "plugin.list", {"items": [plugin("hello", enabled=False)], "seq": 8})
    assert "enabled     no" in seat.screen()
    seat.desk.heard(Happened((event(9, "PLUGIN_REMOVED", {"name": "", "id": ""}),)))
    give(seat, "plugin.list", {"items": [], "seq": 9})
    assert "it was removed" in seat.screen()


def test_read_only_installs_and_removes_nothing() -> None:
    seat = plugins(": 'ro' enter i e delete n")()
    assert seat.effects(effects.Call) == []
    assert "read-only" in seat.screen()
