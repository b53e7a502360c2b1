"""Descriptions of replicas: made of requests, changed by updates, turned into requests for VMs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from volant.daemon.deployments.sight import vm_name
from volant.proto.api.deployment import MAX_NAME, MAX_REPLICAS, CreateDeployment, Revision, Template, UpdateDeployment
from volant.proto.api.vm import CreateVm
from volant.proto.errors import InvalidParams, NoSuchRevision
from volant.proto.specs.names import problem_with_name
from volant.proto.specs.restarts import When

MAX_MIN_READY_MS = 3_600_000
"""An hour: longer than anybody watches a rollout."""

Problem = tuple[str, str]


def described(asked: CreateDeployment) -> Template:
    """The description in a request; its version is still what was asked for, which may be none."""
    return Template(
        plugin=asked.plugin, plugin_version=asked.version, cpu_cores=asked.cpu_cores, memory_mb=asked.memory_mb, network=asked.network,
        env=asked.env, labels=asked.labels, kernel=asked.kernel, cmdline=asked.cmdline, boot=asked.boot, forwards=asked.forwards,
    )  # fmt: skip


def updated(template: Template, asked: UpdateDeployment) -> Template:
    """`template` with what an update gives over it. Another plugin without a version leaves the version open."""
    version = asked.version or ("" if asked.plugin else template.plugin_version)
    changed = replace(
        template,
        plugin=asked.plugin or template.plugin,
        plugin_version=version,
        env=_merged(template.env, asked.env, asked.unset_env),
        labels=_merged(template.labels, asked.labels, asked.unset_labels),
    )
    if asked.cpu_cores is not None:
        changed = replace(changed, cpu_cores=asked.cpu_cores or None)
    if asked.memory_mb is not None:
        changed = replace(changed, memory_mb=asked.memory_mb or None)
    given = {field: getattr(asked, field) for field in ("network", "kernel", "cmdline", "boot", "forwards")}
    return replace(changed, **{field: value for field, value in given.items() if value is not None})


def _merged(had: dict[str, str], given: dict[str, str], unset: tuple[str, ...]) -> dict[str, str]:
    return {key: value for key, value in {**had, **given}.items() if key not in unset}


def replica_request(template: Template, deployment: str, index: int) -> CreateVm:
    """The request that makes one replica. The deployment heals it, and after a restart of the host it is to come back with its disks."""
    return CreateVm(
        name=vm_name(deployment, index), plugin=template.plugin, version=template.plugin_version, cpu_cores=template.cpu_cores,
        memory_mb=template.memory_mb, network=template.network, env=template.env, labels=template.labels, kernel=template.kernel,
        cmdline=template.cmdline, boot=template.boot, forwards=template.forwards, restart=When.NO, autostart=True,
    )  # fmt: skip


def same_as(revisions: Iterable[Revision], wanted: int) -> frozenset[int]:
    """The numbers of the revisions that describe what revision `wanted` does, itself included."""
    known = {item.revision: item.template for item in revisions}
    return frozenset({wanted, *(number for number, template in known.items() if template == known.get(wanted))})


def undo_target(deployment: str, revisions: tuple[Revision, ...], current: int, to_revision: int) -> Revision:
    """The revision to go back to: the named one, else the newest that differs from the current one. NoSuchRevision."""
    same = same_as(revisions, current)
    for item in reversed(revisions):
        if item.revision == to_revision or (not to_revision and item.revision not in same):
            return item
    raise NoSuchRevision(deployment, to_revision)


def check_numbers(name: str, replicas: int, max_unavailable: int, min_ready_ms: int, template: Template) -> None:
    """InvalidParams lists every problem with what a deployment adds to its VMs' description."""
    problems = list(_problems(name, replicas, max_unavailable, min_ready_ms, template))
    if problems:
        raise InvalidParams(
            "the deployment can't be so: " + "; ".join(f"{path} {text}" for path, text in problems),
            hint="correct these parameters; `volant deployment create --help` describes each",
            problems=[{"path": path, "message": text} for path, text in problems],
        )


def _problems(name: str, replicas: int, max_unavailable: int, min_ready_ms: int, template: Template) -> Iterator[Problem]:
    if problem := problem_with_name(name):
        yield "name", problem
    elif len(name) > MAX_NAME:
        yield "name", f"has {len(name)} bytes; at most {MAX_NAME} are allowed, for its VMs are called {name[:8]}...-1 and so on"
    if not 0 <= replicas <= MAX_REPLICAS:
        yield "replicas", f"is {replicas}; a deployment has 0 to {MAX_REPLICAS}"
    if not 1 <= max_unavailable <= MAX_REPLICAS:
        yield "max_unavailable", f"is {max_unavailable}; it must be 1 to {MAX_REPLICAS}, for a replica goes before its successor comes"
    if not 0 <= min_ready_ms <= MAX_MIN_READY_MS:
        yield "min_ready_ms", f"is {min_ready_ms}; it must be 0 to {MAX_MIN_READY_MS}"
    for number, forward in enumerate(template.forwards):
        if forward.host_port:
            yield f"forwards[{number}].host_port", f"is {forward.host_port}, which only one replica could have; leave it to Volant"
