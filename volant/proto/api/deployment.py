"""Calls about deployments: a number of VMs of one description, kept at that number and brought up to date."""

from __future__ import annotations

from dataclasses import dataclass, field

from volant.proto import errors
from volant.proto.api.vm import Done, Forward
from volant.proto.method import Http, Method, Noun, Shape
from volant.proto.specs.states import BootMode, DeploymentStatus, NetworkMode

NOUN = Noun("deployment")

MAX_REPLICAS = 1_000
"""Most replicas of one deployment: more than one host runs, and a slip of the fingers stops here."""
MAX_NAME = 58
"""Bytes of a deployment's name: with a dash and four digits that is the 63 of a VM's."""
MAX_PAGE = 1_000
"""Most deployments in one page; a page ends earlier where their descriptions are long."""
WAIT_MS = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What every replica is made of; the same words as of `vm.create`."""

    plugin: str
    plugin_version: str
    """The very version: a newer one is rolled out by an update, never by the way."""
    cpu_cores: int | None = None
    """Empty: the manifest's."""
    memory_mb: int | None = None
    network: NetworkMode | None = None
    env: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    kernel: str = ""
    cmdline: str = ""
    boot: BootMode = BootMode.AUTO
    forwards: tuple[Forward, ...] = ()
    """Guest ports only: every replica gets host ports of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    """One deployment as its users see it."""

    name: str
    status: DeploymentStatus
    reason: str
    """What it is doing or waiting for, one sentence; empty when all is as wanted."""
    template: Template
    """Of the wanted revision."""
    replicas: int
    """How many are wanted."""
    current: int
    """How many there are, in any state."""
    updated: int
    """Of the wanted revision."""
    ready: int
    available: int
    """Ready for at least `min_ready_ms`."""
    revision: int
    """The wanted one."""
    rolling_revision: int
    """The one that replicas are made of now; behind `revision` while paused."""
    paused: bool
    max_unavailable: int
    min_ready_ms: int
    generation: int
    """Grows with each change of what is wanted."""
    observed_generation: int
    """The generation that was last compared with the VMs; the counts say nothing about a newer one."""
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One description that a deployment had: who asked for it, when, and from where."""

    revision: int
    template: Template
    note: str
    """How it came about, as `created`, `updated` or `undone to 3`."""
    created_at: str
    author: str
    """As `uid:0(root)`."""
    origin: str
    """As `pid 4711 (volant)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateDeployment:
    """Make a deployment; its VMs are called `<name>-<n>`, n from 1."""

    name: str
    plugin: str
    version: str = ""
    """Empty: the newest enabled version."""
    replicas: int = 1
    max_unavailable: int = 1
    """How many replicas an update may take away at once."""
    min_ready_ms: int = 0
    """How long an updated replica must be ready before the next one goes."""
    cpu_cores: int | None = None
    memory_mb: int | None = None
    network: NetworkMode | None = None
    env: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    kernel: str = ""
    cmdline: str = ""
    boot: BootMode = BootMode.AUTO
    forwards: tuple[Forward, ...] = ()
    wait: bool = False
    """Return when every replica is available."""
    timeout_ms: int = WAIT_MS
    dry_run: bool = False
    """Check everything, change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentName:
    """One deployment by its name."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDeployments:
    """A page of deployments, by name."""

    text: str = ""
    """Substring of name, plugin or a label, in any case."""
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True, slots=True)
class DeploymentPage:
    """`items` from `offset`, of `total` that match; `seq` is the last event's number, to follow from."""

    items: tuple[DeploymentView, ...]
    total: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleDeployment:
    name: str
    replicas: int
    wait: bool = False
    timeout_ms: int = WAIT_MS
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateDeployment:
    """Change the description; what is not given stays. A description that differs is a new revision, rolled out replica by replica."""

    name: str
    plugin: str = ""
    """Of `plugin` without `version` the newest enabled version is taken."""
    version: str = ""
    cpu_cores: int | None = None
    """0: the manifest's again."""
    memory_mb: int | None = None
    """0: the manifest's again."""
    network: NetworkMode | None = None
    env: dict[str, str] = field(default_factory=dict)
    """Set over what there is."""
    unset_env: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    """Set over what there is."""
    unset_labels: tuple[str, ...] = ()
    kernel: str | None = None
    cmdline: str | None = None
    boot: BootMode | None = None
    forwards: tuple[Forward, ...] | None = None
    max_unavailable: int | None = None
    min_ready_ms: int | None = None
    wait: bool = False
    timeout_ms: int = WAIT_MS
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoDeployment:
    """Go back to the description before the present one, as a new revision."""

    name: str
    to_revision: int = 0
    """This revision's description; 0: the newest that differs from the present one."""
    wait: bool = False
    timeout_ms: int = WAIT_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeDeployment:
    name: str
    wait: bool = False
    timeout_ms: int = WAIT_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteDeployment:
    """Delete the deployment and all its VMs."""

    name: str
    wait: bool = True
    timeout_ms: int = WAIT_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusDeployment:
    """Items: the deployment now, and with `watch` or `wait` again after each change."""

    name: str
    watch: bool = False
    """Until the caller cancels, or the deployment is gone."""
    wait: bool = False
    """Until all is as wanted."""
    timeout_ms: int = WAIT_MS
    """With `wait`."""


@dataclass(frozen=True, slots=True)
class Revisions:
    """Newest first."""

    items: tuple[Revision, ...]


_LOOKUP = (errors.NoSuchDeployment, errors.InvalidParams)
_CHANGE = (*_LOOKUP, errors.Denied, errors.Timeout)
_TEMPLATE = (errors.NoSuchPlugin, errors.PluginDisabled)

CREATE = NOUN.add(
    Method("deployment.create", CreateDeployment, DeploymentView, "make a deployment",
           faults=(errors.InvalidParams, errors.NameTaken, errors.Timeout, *_TEMPLATE), http=Http("POST", "/deployments"), changes=True)
)  # fmt: skip
LIST = NOUN.add(
    Method("deployment.list", ListDeployments, DeploymentPage, "list deployments",
           faults=(errors.InvalidParams,), http=Http("GET", "/deployments"), private=True)
)  # fmt: skip
GET = NOUN.add(
    Method("deployment.get", DeploymentName, DeploymentView, "show one deployment", faults=_LOOKUP,
           http=Http("GET", "/deployments/{name}"), private=True)
)  # fmt: skip
SCALE = NOUN.add(
    Method("deployment.scale", ScaleDeployment, DeploymentView, "change the number of replicas", faults=_CHANGE,
           http=Http("POST", "/deployments/{name}/scale"), changes=True)
)  # fmt: skip
UPDATE = NOUN.add(
    Method("deployment.update", UpdateDeployment, DeploymentView, "roll out another description", faults=(*_CHANGE, *_TEMPLATE),
           http=Http("PATCH", "/deployments/{name}"), changes=True)
)  # fmt: skip
DELETE = NOUN.add(
    Method("deployment.delete", DeleteDeployment, Done, "delete a deployment and its VMs", faults=(*_LOOKUP, errors.Timeout),
           http=Http("DELETE", "/deployments/{name}"), changes=True)
)  # fmt: skip
PAUSE = NOUN.add(
    Method("deployment.pause", DeploymentName, DeploymentView, "halt the rolling out; healing and scaling go on", faults=_CHANGE,
           http=Http("POST", "/deployments/{name}/pause"), changes=True)
)  # fmt: skip
RESUME = NOUN.add(
    Method("deployment.resume", ResumeDeployment, DeploymentView, "go on with the rolling out", faults=_CHANGE,
           http=Http("POST", "/deployments/{name}/resume"), changes=True)
)  # fmt: skip
UNDO = NOUN.add(
    Method("deployment.undo", UndoDeployment, DeploymentView, "go back to an earlier description",
           faults=(*_CHANGE, errors.NoSuchRevision), http=Http("POST", "/deployments/{name}/undo"), changes=True)
)  # fmt: skip
STATUS = NOUN.add(
    Method("deployment.status", StatusDeployment, Done, "how far a deployment is", faults=(*_LOOKUP, errors.Timeout),
           http=Http("GET", "/deployments/{name}/status"), shape=Shape.STREAM, item=DeploymentView, private=True)
)  # fmt: skip
HISTORY = NOUN.add(
    Method("deployment.history", DeploymentName, Revisions, "the revisions of a deployment", faults=_LOOKUP,
           http=Http("GET", "/deployments/{name}/history"), private=True)
)  # fmt: skip
