"""Patches of a VM's config, and what two configs differ in: by value."""

from __future__ import annotations

import pytest

from tests.proto.specs.manifests import small
from volant.proto.api.vm import CreateVm, Forward
from volant.proto.api.vm_config import Difference, PatchVm
from volant.proto.errors import InvalidParams
from volant.proto.plain import to_plain
from volant.proto.specs.manifest_parse import parse_manifest
from volant.proto.specs.states import BootMode, NetworkMode
from volant.proto.specs.vmconfig import Defaults, VmConfig, resolve
from volant.proto.specs.vmpatch import MAPS, SETTABLE, differences, patched

DEFAULTS = Defaults(network=NetworkMode.USER, hypervisor="qemu", kernel="/boot/default")
MANIFEST = parse_manifest(small() | {"labels": {"tier": "front"}, "resources": {"cpu_cores": 1, "memory_mb": 256}}).manifest


def made(**asked: object) -> VmConfig:
    return resolve(CreateVm(name="web", plugin=MANIFEST.name, **asked), MANIFEST, DEFAULTS)  # type: ignore[arg-type]


def after(config: VmConfig, **asked: object) -> VmConfig:
    return patched("web", config, PatchVm(name="web", **asked), MANIFEST, Defaults(network=NetworkMode.NONE, hypervisor="other"))  # type: ignore[arg-type]


def test_an_empty_patch_changes_nothing() -> None:
    config = made(env={"A": "1"}, labels={"tier": "back", "own": "x"}, cpu_cores=2, forwards=(Forward(80, 8080),), kernel="/boot/other")
    assert after(config) == config


def test_what_is_set_is_set_and_the_rest_stays() -> None:
    config = after(made(env={"A": "1"}), env={"B": "2"}, memory_mb=512, cmdline=" quiet ", forwards=(Forward(80),))
    assert (config.env, config.memory_mb, config.cmdline, config.forwards) == ({"A": "1", "B": "2"}, 512, "quiet", (Forward(80),))
    assert (config.network, config.hypervisor, config.kernel) == (NetworkMode.USER, "qemu", "/boot/default")


def test_what_is_unset_is_as_the_manifest_has_it() -> None:
    config = made(env={"A": "1"}, labels={"tier": "back", "own": "x"}, cpu_cores=2, memory_mb=512, boot=BootMode.AUTO)
    unset = after(config, unset=("env.A", "labels.tier", "labels.own", "cpu_cores", "memory_mb", "boot"))
    assert unset == made()
    assert unset.labels["tier"] == "front"
    assert after(made(restart="always", autostart=True), unset=("restart", "autostart")) == made()


@pytest.mark.parametrize(
    ("asked", "paths"),
    [
        ({"unset": ("env.NONE",)}, {"env.NONE"}),
        ({"unset": ("labels.tier",)}, {"labels.tier"}),
        ({"env": {"A": "2"}, "unset": ("env.A",)}, {"env.A"}),
        ({"memory_mb": 512, "unset": ("memory_mb",)}, {"memory_mb"}),
        ({"restart": "never"}, {"restart"}),
        ({"unset": ("plugin", "env", "memory_mb.x", "")}, {"unset"}),
        ({"memory_mb": 1, "cpu_cores": 0, "labels": {"volant.plugin": "x"}}, {"memory_mb", "cpu_cores", "labels.volant.plugin"}),
    ],
)
def test_every_problem_is_named(asked: dict[str, object], paths: set[str]) -> None:
    with pytest.raises(InvalidParams, match="the config of VM 'web' can't be changed") as wrong:
        after(made(env={"A": "1"}), **asked)
    assert {problem["path"] for problem in wrong.value.data["problems"]} == paths
    assert "volant vm set --help" in wrong.value.hint


def test_differences_name_variables_and_labels_one_by_one() -> None:
    old, new = made(env={"A": "1", "B": "2"}), made(env={"A": "3"}, memory_mb=512)
    assert differences(to_plain(old), to_plain(new)) == (
        Difference("memory_mb", 256, 512),
        Difference("env.A", "1", "3"),
        Difference("env.B", "2", None),
    )
    assert differences(to_plain(old), to_plain(old)) == ()


def test_a_config_of_another_version_of_volant_is_compared_too() -> None:
    assert differences({"memory_mb": 1, "gone": 2}, {"memory_mb": 1, "new": 3}) == (Difference("gone", 2, None), Difference("new", None, 3))
    earlier = {field: value for field, value in to_plain(made()).items() if field not in ("restart", "autostart")}
    assert differences(earlier, to_plain(made())) == ()
    assert differences(earlier, to_plain(made(restart="always"))) == (Difference("restart", "no", "always"),)


def test_every_field_of_a_patch_is_known() -> None:
    assert set(PatchVm.__dataclass_fields__) == {*SETTABLE, *MAPS, "name", "unset", "expected_version", "dry_run"}
