"""What one VM is: a manifest's defaults with its creator's wishes over them. Pure; a `VmConfig` that exists is valid."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from volant.proto.api.vm import CreateVm, Forward
from volant.proto.errors import InvalidParams
from volant.proto.specs.addresses import IPV4
from volant.proto.specs.fields import MAX_ITEMS, MapOf, Text, kinds_of
from volant.proto.specs.manifest import MAX_MEMORY_MB, MAX_VCPUS, Manifest, Network, Resources, Workload
from volant.proto.specs.manifest_codec import to_plain
from volant.proto.specs.manifest_parse import problem_with_text
from volant.proto.specs.names import problem_with_name
from volant.proto.specs.restarts import When, problem_with_restart
from volant.proto.specs.states import BootMode, NetworkMode

MIN_MEMORY_MB = 112
"""Measured: below it the kernel with the agent's image panics or hangs while it boots."""
MAX_CMDLINE_WORDS = 1_024
"""Bytes of extra kernel words: half of the 2,047 that a command line may have; the rest is ours."""
MAX_FORWARDS = 64
"""Most forwards of one VM: each is a listening socket of its VMM."""
RESERVED_LABELS = ("volant.plugin", "volant.runtime")

Problem = tuple[str, str]
"""(field, what is wrong with it as a clause)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmConfig:
    """Everything about a VM that its creator could choose, with every choice made."""

    plugin: str
    plugin_version: str
    cpu_cores: int
    memory_mb: int
    network: NetworkMode
    ip: str
    """Wanted address in mode bridged; empty: the next free one."""
    env: dict[str, str]
    """What is set over the manifest's environment."""
    labels: dict[str, str]
    """The manifest's labels with the VM's own over them."""
    kernel: str
    """Absolute path; empty: the daemon's kernel."""
    cmdline: str
    """Extra words for the kernel."""
    boot: BootMode
    forwards: tuple[Forward, ...]
    hypervisor: str
    restart: str = "no"
    """As `specs.restarts` reads it."""
    autostart: bool = False
    """Whether it is started again after the host was, if it was wanted running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What the daemon uses where neither the creator nor the manifest says anything."""

    network: NetworkMode
    hypervisor: str
    kernel: str = ""


def resolve(create: CreateVm, manifest: Manifest, defaults: Defaults) -> VmConfig:
    """The config that a request makes of a manifest; InvalidParams lists every problem.

    Whether the host has that many CPUs and that much memory is not looked at here.
    """
    config = chosen(create, manifest, defaults)
    refuse_any("the VM can't be made", "volant vm create", problems_of(create, config, manifest))
    return config


def chosen(create: CreateVm, manifest: Manifest, defaults: Defaults) -> VmConfig:
    """The config before anything of it is checked."""
    declared = NetworkMode(manifest.network.mode) if manifest.network else None
    return VmConfig(
        plugin=manifest.name,
        plugin_version=manifest.version,
        cpu_cores=manifest.resources.cpu_cores if create.cpu_cores is None else create.cpu_cores,
        memory_mb=manifest.resources.memory_mb if create.memory_mb is None else create.memory_mb,
        network=create.network or declared or defaults.network,
        ip=create.ip.strip(),
        env=dict(create.env),
        labels={**manifest.labels, **{name.strip(): value.strip() for name, value in create.labels.items()}},
        kernel=create.kernel or defaults.kernel,
        cmdline=create.cmdline.strip(),
        boot=create.boot,
        forwards=create.forwards,
        hypervisor=defaults.hypervisor,
        restart=create.restart.strip() or manifest.restart or When.NO,
        autostart=create.autostart,
    )


def problems_of(create: CreateVm, config: VmConfig, manifest: Manifest) -> list[Problem]:
    """Everything that is wrong with the config that `create` makes of the manifest."""
    return [*_name_problems(create), *_problems(config, manifest), *_map_problems(create, manifest)]


def refuse_any(sentence: str, command: str, problems: Iterable[Problem]) -> None:
    """InvalidParams that lists the problems, if there are any; `command` is the one whose help describes the parameters."""
    if found := list(problems):
        raise InvalidParams(
            f"{sentence}: " + "; ".join(f"{path} {text}" for path, text in found),
            hint=f"correct these parameters; `{command} --help` describes each",
            problems=[{"path": path, "message": text} for path, text in found],
        )


def merge_manifest(manifest: Manifest, config: VmConfig) -> dict[str, Any]:
    """The plain manifest that goes to the guest: the plugin's, with what the config sets over it. Again a valid manifest."""
    network = manifest.network
    if network is None or network.mode != config.network:
        # A subnet that was written for another mode says nothing about this one.
        network = Network(mode=config.network.value)
    merged = replace(
        manifest,
        resources=Resources(cpu_cores=config.cpu_cores, memory_mb=config.memory_mb),
        workload=replace(manifest.workload, env=dict(sorted({**manifest.workload.env, **config.env}.items()))),
        network=network,
        labels=dict(sorted(config.labels.items())),
        restart="",  # the host's business
    )
    return to_plain(merged)


def _name_problems(create: CreateVm) -> Iterator[Problem]:
    if problem := problem_with_name(create.name):
        yield "name", problem


def _problems(config: VmConfig, manifest: Manifest) -> Iterator[Problem]:
    if not 1 <= config.cpu_cores <= MAX_VCPUS:
        yield "cpu_cores", f"is {config.cpu_cores}; a VM has 1 to {MAX_VCPUS} vCPUs"
    if not MIN_MEMORY_MB <= config.memory_mb <= MAX_MEMORY_MB:
        yield "memory_mb", f"is {config.memory_mb}; a guest needs at least {MIN_MEMORY_MB} MiB, and {MAX_MEMORY_MB} is the most"
    if problem := problem_with_restart(config.restart):
        yield "restart", problem
    yield from _network_problems(config)
    yield from _boot_problems(config, manifest)


def _network_problems(config: VmConfig) -> Iterator[Problem]:
    if config.ip and config.network is not NetworkMode.BRIDGED:
        yield "ip", f"can be chosen in network mode bridged only, not {config.network.value}"
    elif config.ip and not re.fullmatch(IPV4, config.ip):
        yield "ip", f"is {config.ip[:60]!r}; it must be an IPv4 address such as 192.168.127.10"
    if config.forwards and config.network is not NetworkMode.USER:
        yield "forwards", f"exist in network mode user only, not {config.network.value}"
    if len(config.forwards) > MAX_FORWARDS:
        yield "forwards", f"are {len(config.forwards)}; at most {MAX_FORWARDS} are allowed"
    taken: set[tuple[str, str, int]] = set()
    for number, forward in enumerate(config.forwards[:MAX_FORWARDS]):
        path = f"forwards[{number}]"
        if not 1 <= forward.guest_port <= 65_535:
            yield f"{path}.guest_port", f"is {forward.guest_port}; ports are 1 to 65535"
        if not 0 <= forward.host_port <= 65_535:
            yield f"{path}.host_port", f"is {forward.host_port}; ports are 1 to 65535, and 0 lets Volant choose"
        if forward.protocol not in ("tcp", "udp"):
            yield f"{path}.protocol", f"is {forward.protocol[:60]!r}; it must be tcp or udp"
        if not re.fullmatch(IPV4, forward.host_ip):
            yield f"{path}.host_ip", f"is {forward.host_ip[:60]!r}; it must be an IPv4 address of this host"
        place = (forward.protocol, forward.host_ip, forward.host_port)
        if forward.host_port and place in taken:
            yield f"{path}.host_port", f"{forward.host_port} is forwarded twice"
        taken.add(place)


def _boot_problems(config: VmConfig, manifest: Manifest) -> Iterator[Problem]:
    if config.boot is BootMode.ROOTFS and manifest.rootfs is None:
        yield "boot", f"is rootfs, and plugin {manifest.name!r} has none"
    if config.boot is BootMode.INITRAMFS and manifest.initramfs is None:
        yield "boot", f"is initramfs, and plugin {manifest.name!r} has none"
    if config.kernel and not config.kernel.startswith("/"):
        yield "kernel", f"is {config.kernel[:60]!r}; it must be an absolute path on the host"
    elif not config.kernel.isprintable():
        yield "kernel", "holds a control character"
    if len(config.cmdline.encode(errors="replace")) > MAX_CMDLINE_WORDS:
        yield "cmdline", f"is too long; at most {MAX_CMDLINE_WORDS} bytes of extra words fit"
    # A quote would join our own words to these, and `--` would hand them to init.
    if not config.cmdline.isascii() or not config.cmdline.isprintable() or '"' in config.cmdline:
        yield "cmdline", "may hold printable ASCII without double quotes only"
    for word in config.cmdline.split():
        if word == "--" or word.startswith("volant."):
            yield "cmdline", f"may not hold {word[:60]!r}: such words are Volant's own"


def _map_problems(create: CreateVm, manifest: Manifest) -> Iterator[Problem]:
    """Variables and labels obey the manifest's own rules, so that the merged manifest is one again."""
    for field, given, had, kind in (
        ("env", create.env, manifest.workload.env, kinds_of(Workload)["env"]),
        ("labels", {key.strip(): value.strip() for key, value in create.labels.items()}, manifest.labels, kinds_of(Manifest)["labels"]),
    ):
        assert isinstance(kind, MapOf) and isinstance(kind.value, Text)
        if (count := len(given.keys() | had.keys())) > MAX_ITEMS:
            yield field, f"would be {count} with the manifest's; at most {MAX_ITEMS} are allowed"
        for name, value in given.items():
            if not name or (problem := problem_with_text(kind.key, name)):
                yield f"{field}.{name[:60]}", problem if name else "has no name"
            elif value and (problem := problem_with_text(kind.value, value)):
                yield f"{field}.{name}", problem
            elif name in RESERVED_LABELS:
                yield f"{field}.{name}", "is set by Volant"
