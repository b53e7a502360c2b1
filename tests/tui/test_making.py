"""Making VMs at the UI: of a plugin, or like another VM."""

from __future__ import annotations

from tests.tui.desks import Seat, fault, vm
from tests.tui.scenes_host import PLUGINS, give
from tests.tui.test_configuring import version
from volant.tui import effects


def test_a_vm_is_made_of_a_plugin_with_a_name_that_is_free() -> None:
    seat = Seat(vm(1, "hello-1"))
    seat.type("n")
    give(seat, "plugin.list", {"items": PLUGINS[:2], "seq": 7})
    assert "hello                1.1.0" in seat.screen(), "the newest enabled version is what it is made of"
    seat.type("1")
    assert "volant vm create hello-2 --plugin hello" in seat.screen()
    seat.type("enter")
    (create,) = seat.effects(effects.Call)
    assert (create.method, create.params) == ("vm.create", {"name": "hello-2", "plugin": "hello"})
    seat.desk.answered(create.tag, {})
    assert "hello-2 is starting" in seat.screen()


def test_one_like_another_has_its_configuration_and_not_its_ports() -> None:
    seat = Seat(vm(1))
    seat.type("n")
    give(seat, "plugin.list", {"items": PLUGINS, "seq": 7})
    seat.type("k")
    forwards = [{"guest_port": 80, "host_port": 8080, "protocol": "tcp", "host_ip": "127.0.0.1"}]
    give(seat, "vm.config", {"shown": version(3, memory_mb=512, forwards=forwards)})
    seat.type("ctrl+u 'twin' enter")
    (create,) = seat.effects(effects.Call)
    assert create.params["name"] == "twin"
    assert create.params["memory_mb"] == 512
    assert create.params["env"] == {"COLOUR": "blue"}
    assert create.params["version"] == "1.0.0"
    assert create.params["forwards"][0]["host_port"] == 0
    assert "ip" not in create.params
    assert create.params["labels"] == {}, "what Volant sets itself can't be asked for"


def test_a_name_that_is_taken_is_told_before_anything_is_asked() -> None:
    seat = Seat(vm(1))
    seat.type("n")
    give(seat, "plugin.list", {"items": PLUGINS, "seq": 7})
    seat.type("1 ctrl+u 'web-1' enter")
    assert "there is a VM called web-1 already" in seat.screen()
    assert seat.effects(effects.Call) == []


def test_without_plugins_it_says_where_they_come_from_and_a_failure_is_told() -> None:
    seat = Seat()
    seat.type("n")
    give(seat, "plugin.list", {"items": [], "seq": 7})
    assert "no plugin is enabled" in seat.screen(120)
    seat.type("n")
    give(seat, "plugin.list", fault("the store can't be read"))
    assert "the store can't be read" in seat.screen()


def test_read_only_makes_none() -> None:
    seat = Seat(vm(1))
    seat.type(": 'ro' enter n")
    assert seat.effects(effects.Call) == []
