"""What a request makes of a manifest, and what it may not ask for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.proto.specs.manifests import full, small
from volant.proto.api.vm import CreateVm, Forward
from volant.proto.errors import InvalidParams
from volant.proto.specs.manifest_codec import to_plain
from volant.proto.specs.manifest_parse import parse_manifest
from volant.proto.specs.states import BootMode, NetworkMode
from volant.proto.specs.vmconfig import Defaults, merge_manifest, resolve

DEFAULTS = Defaults(network=NetworkMode.USER, hypervisor="qemu", kernel="/boot/vmlinuz")
MANIFEST = parse_manifest(small()).manifest


def create(**fields: Any) -> CreateVm:
    return CreateVm(**{"name": "web-1", "plugin": "hello", **fields})


def test_the_request_wins_over_the_manifest_and_that_over_the_defaults() -> None:
    config = resolve(create(), MANIFEST, DEFAULTS)
    assert (config.cpu_cores, config.memory_mb, config.network, config.kernel) == (1, 128, NetworkMode.USER, "/boot/vmlinuz")
    bridged = parse_manifest(full()).manifest
    assert resolve(create(), bridged, DEFAULTS).network is NetworkMode.BRIDGED
    config = resolve(create(cpu_cores=2, memory_mb=512, network=NetworkMode.NONE, kernel="/k", labels={"team": "db"}), bridged, DEFAULTS)
    assert (config.cpu_cores, config.memory_mb, config.network, config.kernel) == (2, 512, NetworkMode.NONE, "/k")
    assert config.labels == {"team": "db", "volant.plugin": "hello", "volant.runtime": "python"}


def test_a_restart_policy_is_the_requests_else_the_manifests_else_none() -> None:
    bridged = parse_manifest(full()).manifest
    assert resolve(create(), MANIFEST, DEFAULTS).restart == "no"
    assert resolve(create(), bridged, DEFAULTS).restart == "on-failure:3"
    config = resolve(create(restart=" always ", autostart=True), bridged, DEFAULTS)
    assert (config.restart, config.autostart) == ("always", True)
    assert resolve(create(restart="no"), bridged, DEFAULTS).restart == "no"
    assert "restart" not in merge_manifest(bridged, config), "the guest has nothing to do with it"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": "no_label"}, "name"),
        ({"name": "a" * 64}, "name"),
        ({"cpu_cores": 0}, "cpu_cores"),
        ({"cpu_cores": 10_000}, "cpu_cores"),
        ({"memory_mb": 111}, "memory_mb"),
        ({"memory_mb": 10**12}, "memory_mb"),
        ({"ip": "10.0.0.1"}, "ip"),
        ({"ip": "10.0.0.256", "network": NetworkMode.BRIDGED}, "ip"),
        ({"forwards": (Forward(80),), "network": NetworkMode.BRIDGED}, "forwards"),
        ({"forwards": (Forward(0),)}, "forwards[0].guest_port"),
        ({"forwards": (Forward(80, 65_536),)}, "forwards[0].host_port"),
        ({"forwards": (Forward(80, 8080), Forward(81, 8080))}, "forwards[1].host_port"),
        ({"forwards": (Forward(80, protocol="sctp"),)}, "forwards[0].protocol"),
        ({"forwards": (Forward(80, host_ip="0.0.0.0,guestfwd=x"),)}, "forwards[0].host_ip"),
        ({"forwards": (Forward(80),) * 65}, "forwards"),
        ({"kernel": "vmlinuz"}, "kernel"),
        ({"kernel": "/boot/a\nb"}, "kernel"),
        ({"cmdline": "quiet volant.id=1"}, "cmdline"),
        ({"cmdline": "a -- b"}, "cmdline"),
        ({"cmdline": 'x="y z"'}, "cmdline"),
        ({"cmdline": "a\tb"}, "cmdline"),
        ({"cmdline": "x" * 1_025}, "cmdline"),
        ({"boot": BootMode.ROOTFS}, "boot"),
        ({"restart": "sometimes"}, "restart"),
        ({"restart": "on-failure:11"}, "restart"),
        ({"env": {"1A": "x"}}, "env.1A"),
        ({"env": {"A": "x\x00"}}, "env.A"),
        ({"env": {f"A{n}": "" for n in range(257)}}, "env"),
        ({"labels": {"volant.plugin": "other"}}, "labels.volant.plugin"),
        ({"labels": {"": "x"}}, "labels."),
    ],
)
def test_each_rule_names_its_field(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        resolve(create(**fields), MANIFEST, DEFAULTS)
    assert [problem["path"] for problem in caught.value.data["problems"]] == [path]
    assert path in caught.value.message and caught.value.hint


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidParams) as caught:
        resolve(create(name="-", cpu_cores=0, memory_mb=0, kernel="x"), MANIFEST, DEFAULTS)
    assert [problem["path"] for problem in caught.value.data["problems"]] == ["name", "cpu_cores", "memory_mb", "kernel"]


def test_the_merged_manifest_is_a_manifest_that_says_what_the_config_says() -> None:
    source = parse_manifest(full()).manifest
    config = resolve(create(env={"MODE": "slow", "NEW": "1"}, memory_mb=256, labels={" a ": "b"}), source, DEFAULTS)
    merged = merge_manifest(source, config)
    assert merged["workload"]["env"] == {"MODE": "slow", "NEW": "1"}
    assert merged["resources"] == {"cpu_cores": 1, "memory_mb": 256}
    assert merged["labels"]["a"] == "b"
    assert merged["network"]["subnet"] == "10.1.2.0/24"
    assert to_plain(parse_manifest(merged, strict=True).manifest) == merged


def test_a_subnet_of_another_mode_is_dropped() -> None:
    source = parse_manifest(full()).manifest
    assert merge_manifest(source, resolve(create(network=NetworkMode.USER), source, DEFAULTS))["network"] == {
        "mode": "user",
        "auto_assign": False,
    }


def test_a_config_without_a_kernel_leaves_the_choice_to_the_daemon() -> None:
    assert resolve(create(), MANIFEST, replace(DEFAULTS, kernel="")).kernel == ""
