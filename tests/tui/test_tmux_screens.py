"""The screens besides the list of VMs, in tmux against a real daemon with fake guests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks._daemons import PLUGIN
from tests.rig import Rig
from tests.tui.hosts import fake_host
from tests.tui.tmux import Tmux, terminal


@pytest.fixture
def host() -> Iterator[Rig]:
    """A daemon with the VM web-1 and the deployment api of two VMs."""
    with fake_host("web-1", surviving=True) as made:
        with closing(made.client()) as client:
            client.call_plain("deployment.create", {"name": "api", "plugin": PLUGIN, "replicas": 2, "wait": True})
        yield made


@pytest.fixture
def ui(host: Rig, tmp_path: Path) -> Iterator[Tmux]:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/^memory_mb: .*/memory_mb: 192/' \"$1\"\n")
    editor.chmod(0o755)
    with terminal(environ={"VOLANT_SOCKET": str(host.socket), "EDITOR": str(editor), "VISUAL": ""}) as made:
        made.see("web-1")
        yield made


def test_a_deployment_is_scaled_and_seen_to_grow(ui: Tmux) -> None:
    ui.type(",", "d")
    ui.see("2/2")
    ui.type("s", "4", "Enter")
    ui.until(lambda screen: "4/4" in screen and "● ready" in screen, "four that are ready")
    ui.type("Enter")
    ui.see("api-4")
    ui.type("Tab")
    ui.see("revision 1")


def test_a_rollout_is_undone(host: Rig, ui: Tmux) -> None:
    host.volant("deployment", "update", "api", "--env", "COLOUR=green", "--wait")
    ui.type(",", "d")
    ui.see("2/2")
    ui.type("u")
    ui.see("revision 1: ")
    ui.type("1")
    ui.see("- env.COLOUR: green")
    ui.type("y")
    ui.until(lambda screen: " 3 " in screen and "2/2" in screen, "the third revision")


def test_a_plugin_is_installed_from_a_file_and_disabled(host: Rig, ui: Tmux) -> None:
    with closing(host.client()) as client:
        manifest = client.call_plain("plugin.show", {"name": PLUGIN})["manifest"] | {"name": "other"}
    (host.root / "other.json").write_text(json.dumps(manifest))
    ui.type(",", "p")
    ui.see("tiny")
    ui.type("i")
    ui.write(f"{host.root}/other.json\r")
    ui.until(lambda screen: screen.count("● enabled") == 2, "both")
    ui.type("g", "e")
    ui.see("○ disabled")


def test_the_host_is_told_with_what_its_vms_cost_and_its_ledger(ui: Tmux) -> None:
    ui.type(",", "h")
    ui.see("and the host has just these")
    ui.see("by VMs")


def test_output_is_followed_over_a_restart_of_the_daemon(host: Rig, ui: Tmux) -> None:
    ui.write(":logs web-1\r")
    ui.see("LIVE")
    host.kill()
    ui.see("DISCONNECTED")
    host.start()
    ui.type("C-r")
    ui.until(lambda screen: "● live" in screen and "LIVE" in screen, "live again")


def test_a_configuration_is_changed_in_the_editor_and_taken_back(host: Rig, ui: Tmux) -> None:
    ui.type("G", "E")
    ui.see("+ memory_mb: 192")
    ui.type("y")
    ui.see("has a new configuration")
    ui.type("Enter", "u")
    ui.see("version 1: ")
    ui.type("1")
    ui.see("- memory_mb: 192")
    ui.type("y")
    ui.see("is back at version 1")
    with closing(host.client()) as client:
        assert client.call_plain("vm.config", {"name": "web-1"})["config_version"] == 3


def test_read_only_is_held_by_the_daemon(host: Rig, ui: Tmux) -> None:
    ui.write(":ro\r")
    ui.until(lambda screen: "RO" in screen and "● live" in screen, "read-only")
    ui.type(",", "d", "s")
    ui.see("read-only")
    with closing(host.client()) as client:
        assert client.call_plain("deployment.get", {"name": "api"})["replicas"] == 2


def test_every_screen_fits_into_a_tiny_terminal(ui: Tmux) -> None:
    ui.resize(20, 5)
    for letter in "dphole":
        ui.type(",", letter, "j", "?", "Escape")
    ui.resize(80, 24)
    ui.see("vms > events")


def test_a_vm_is_made_of_a_plugin_and_another_like_it(host: Rig, ui: Tmux) -> None:
    host.volant("vm", "set", "web-1", "--memory", "160M", "--env", "COLOUR=blue")
    ui.type("G", "n")
    ui.see("like web-1")
    ui.type("1")
    ui.see("--plugin tiny")
    ui.type("Enter")
    ui.until(lambda screen: "tiny-1" in screen and screen.count("● ready") == 4, "tiny-1 ready")
    ui.type("G", "n")
    ui.see("like web-1")
    ui.type("k")
    ui.see("Make a VM called")
    ui.type("C-u", *"twin", "Enter")
    ui.until(lambda screen: "twin" in screen and screen.count("● ready") == 5, "twin ready")
    with closing(host.client()) as client:
        config = client.call_plain("vm.config", {"name": "twin"})["shown"]["config"]
        assert (config["memory_mb"], config["env"]) == (160, {"COLOUR": "blue"})


def test_figures_in_the_list_and_saved_views_are_there_the_next_time(host: Rig, tmp_path: Path) -> None:
    environ = {"VOLANT_SOCKET": str(host.socket), "XDG_STATE_HOME": str(tmp_path)}
    with terminal(environ=environ) as ui:
        ui.see("web-1")
        ui.type("%")
        ui.until(lambda screen: "CPU%" in screen and screen.count("M ") > 2, "figures")
        ui.type("/", *"web", "Enter", "V", "4")
        ui.see("saved; 4 shows it")
    with terminal(environ=environ) as ui:
        ui.see("api-1")
        ui.type("4")
        ui.until(lambda screen: "filter web" in screen and "api-1" not in screen, "the view")
