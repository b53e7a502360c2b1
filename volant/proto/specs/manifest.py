"""The plugin manifest: what a workload is, boots from, needs and offers, described once.

These classes are the normalised form. `manifest_parse` is the only way to get one from data, so that a `Manifest` that
exists is valid; `manifest_codec` turns it into plain data and into the kernel argument; `manifest_schema` writes the
JSON Schema. All of them read the declarations below. `docs/manifest.md` explains each field with an example.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from volant.proto.specs.addresses import CIDR4, IPV4, is_within
from volant.proto.specs.fields import MAX_CONTENT_CHARS, Complaint, Declared, Flag, ListOf, MapOf, Number, Object, Text, declared
from volant.proto.specs.names import MAX_LABEL
from volant.proto.specs.restarts import EXPECTS, PATTERN
from volant.proto.specs.states import NetworkMode

SCHEMA_VERSION = "1.0"
MAX_VCPUS = 255
"""What the microvm and q35 machines of QEMU take with an xAPIC."""
MAX_MEMORY_MB = 16 * 1024 * 1024
"""16 TiB: beyond any host, and small enough that sums of it stay exact everywhere."""
MAX_TIMEOUT_MS = 3_600_000
"""An hour: whoever waits longer for one HTTP answer wants a job, not a call."""
DEFAULT_HEALTH_TIMEOUT_MS = 60_000
"""A minute from the workload's start: an interpreter needs some seconds of it under software emulation."""

LABEL = rf"[a-z0-9](?:[a-z0-9-]{{0,{MAX_LABEL - 2}}}[a-z0-9])?"
ENV_NAME = r"[A-Za-z_][A-Za-z0-9_.-]*"
_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,62})"
_KEY = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,62})"
_LOCATION = r"(?:https?://[^\s/]+(?:/\S*)?|file:///.+|/.+)"
_SHA256 = r"(?:[sS][hH][aA]256:)?[0-9a-fA-F]{64}"
_HTTP_PATH = r"/[^\s#]*"
_BASE_URL = r"http://(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?(?:/[^\s?#]*)?"

_EXPECTS_LABEL = f"must be a DNS label: 1 to {MAX_LABEL} of a-z, 0-9 and -, with a letter or digit at both ends"
_EXPECTS_LOCATION = "must be an http:// or https:// URL, a file:///PATH, or an absolute path"
_EXPECTS_SHA256 = "must be sha256: and 64 hex digits, or the digits alone"
_EXPECTS_PATH = "must be an absolute path"


def _location(help: str, *, required: bool = False) -> Text:
    return Text(help, _LOCATION, _EXPECTS_LOCATION, required=required)


def _checksum() -> Text:
    return Text("SHA-256 of the file; without it the file is fetched unchecked.", _SHA256, _EXPECTS_SHA256, lower=True)


def _format() -> Text:
    return Text("Format of the file.", choices=("raw", "qcow2"))


def _timeout(help: str) -> Number:
    return Number(help, 0, MAX_TIMEOUT_MS)


class _Fetched(Declared):
    """What is fetched from a place, and not given when it names none."""

    __slots__ = ()

    url: str
    checksum: str

    def is_empty(self) -> bool:
        return not self.url and not self.checksum

    def complaints(self) -> Iterator[Complaint]:
        if not self.url:
            yield ("url", "checksum"), "is required beside a checksum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rootfs(_Fetched):
    """The workload's root file system."""

    url: str = declared(_location("Where the image is."), "")
    checksum: str = declared(_checksum(), "")
    format: str = declared(_format(), "raw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Initramfs(_Fetched):
    """The workload's tree as a cpio archive that is unpacked into memory."""

    url: str = declared(_location("Where the archive is."), "")
    checksum: str = declared(_checksum(), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk(Declared):
    """One more disk of the VM."""

    name: str = declared(Text("Name of the disk, unique in the manifest.", LABEL, _EXPECTS_LABEL, required=True), "")
    source: str = declared(_location("Where the image is.", required=True), "")
    checksum: str = declared(_checksum(), "")
    format: str = declared(_format(), "raw")
    readonly: bool = declared(Flag("Whether the guest may only read it."), False)
    target: str = declared(
        Text(
            "Folder that it is mounted on in the guest; empty, or a device name such as vdb: attached and not mounted.",
            r"(?:/.+|vd[a-z]+)",
            "must be an absolute path or a device name such as vdb",
        ),
        "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources(Declared):
    """What a VM gets unless its creator says otherwise."""

    cpu_cores: int = declared(Number("Virtual CPUs.", 1, MAX_VCPUS, required=True), 0)
    memory_mb: int = declared(Number("Memory in MiB.", 1, MAX_MEMORY_MB, required=True), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Declared):
    """One HTTP request that the workload answers, under a name."""

    description: str = declared(Text("What it does, for people.", verbatim=True), "")
    method: str = declared(
        Text("HTTP verb.", choices=("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"), required=True),
        "",
    )
    path: str = declared(
        Text(
            "Path, and query if any, below the workload's base_url.", _HTTP_PATH, "must begin with / and hold no space or #", required=True
        ),
        "",
    )
    timeout_ms: int = declared(_timeout("How long an answer may take; 0: 30 seconds."), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck(Declared):
    """How the agent finds out that the workload is ready."""

    endpoint: str = declared(
        Text(
            "Path below base_url that answers 2xx or 3xx when the workload is healthy.",
            _HTTP_PATH,
            "must begin with / and hold no space or #",
        ),
        "",
    )
    timeout_ms: int = declared(
        _timeout(f"How long after its start the workload may take to get healthy; 0: {DEFAULT_HEALTH_TIMEOUT_MS} ms."), 0
    )

    def is_empty(self) -> bool:
        return not self.endpoint and not self.timeout_ms

    def complaints(self) -> Iterator[Complaint]:
        if not self.endpoint:
            yield ("endpoint",), "is required beside a timeout_ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload(Declared):
    """The program that the agent runs."""

    type: str = declared(Text("How the workload is spoken to.", choices=("http",), required=True), "")
    base_url: str = declared(
        Text(
            "Where it listens inside the guest.",
            _BASE_URL,
            "must be http://HOST[:PORT][/PATH]; the agent speaks plain HTTP inside the guest",
            required=True,
        ),
        "",
    )
    entrypoint: tuple[str, ...] = declared(
        ListOf("Program and arguments, as they are (no shell).", Text("One argument.", verbatim=True), required=True), ()
    )
    env: dict[str, str] = declared(
        MapOf(
            "Environment variables.",
            Text("Name of a variable.", ENV_NAME, "must be a letter or _, then letters, digits, _ . -"),
            Text("Value of a variable.", verbatim=True),
        ),
        factory=dict,
    )
    workdir: str = declared(Text("Folder that it starts in; empty: /.", r"/.*", _EXPECTS_PATH), "")

    def complaints(self) -> Iterator[Complaint]:
        if self.entrypoint and not self.entrypoint[0].strip():
            yield ("entrypoint",), "must begin with the program to run"
        port = self.base_url.partition("://")[2].partition("/")[0].rpartition(":")[2]
        if port.isdecimal() and not 1 <= int(port) <= 65_535:
            yield ("base_url",), f"has the port {port}; ports are 1 to 65535"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Declared):
    """One cloud-init document, inline or as a file on the host."""

    inline: bool = declared(Flag("Whether content holds the document; implied by content."), False)
    content: str = declared(Text("The document itself.", verbatim=True, max_chars=MAX_CONTENT_CHARS), "")
    path: str = declared(Text("File on the host that holds the document.", r"/.+", _EXPECTS_PATH), "")

    def is_empty(self) -> bool:
        return not (self.inline or self.content or self.path)

    def complaints(self) -> Iterator[Complaint]:
        if self.path and self.content:
            yield ("path", "content"), "and content exclude each other"
        elif self.path and self.inline:
            yield ("path", "inline"), "can't be given when inline is true"
        elif self.inline and not self.content:
            yield ("content", "inline", "path"), "is required when inline is true"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudInit(Declared):
    """What cloud-init in the guest is told."""

    datasource: str = declared(Text("How the guest finds it.", choices=("NoCloud",)), "NoCloud")
    seed_mode: str = declared(Text("File system of the seed image.", choices=("iso", "vfat")), "iso")
    user_data: Document | None = declared(Object("The user-data document.", Document))
    meta_data: Document | None = declared(Object("The meta-data document.", Document))
    network_config: Document | None = declared(Object("The network-config document.", Document))


@dataclass(frozen=True, slots=True, kw_only=True)
class Network(Declared):
    """How the VM reaches the world unless its creator says otherwise."""

    mode: str = declared(Text("How the VM is attached.", choices=tuple(NetworkMode)), "")
    subnet: str = declared(Text("IPv4 subnet of the VM.", CIDR4, "must be an IPv4 subnet such as 10.1.2.0/24"), "")
    gateway: str = declared(Text("IPv4 address of the gateway in that subnet.", IPV4, "must be an IPv4 address such as 10.1.2.1"), "")
    auto_assign: bool = declared(Flag("Whether the daemon chooses address and gateway."), False)

    def is_empty(self) -> bool:
        return not (self.mode or self.subnet or self.gateway or self.auto_assign)

    def complaints(self) -> Iterator[Complaint]:
        if not self.mode:
            yield ("mode",), f"is required; it is one of {', '.join(NetworkMode)}"
        if self.mode == NetworkMode.BRIDGED and self.subnet and not self.gateway and not self.auto_assign:
            yield (
                ("gateway", "mode", "subnet", "auto_assign"),
                "is required for a bridged network with a subnet, unless auto_assign is true",
            )
        if self.gateway and self.subnet and not is_within(self.gateway, self.subnet):
            yield ("gateway", "subnet"), f"{self.gateway} lies outside the subnet {self.subnet}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices(Declared):
    """Devices of the host that the VM takes over."""

    pci_passthrough: tuple[str, ...] = declared(
        ListOf(
            "PCI addresses of the devices.",
            Text(
                "One address.",
                r"(?:[0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[01][0-9a-fA-F]\.[0-7]",
                "must be a PCI address such as 0000:01:00.0",
                required=True,
                lower=True,
            ),
        ),
        (),
    )
    allowlist: tuple[str, ...] = declared(
        ListOf(
            "Which vendor:device ids may be passed through; * stands for any.",
            Text(
                "One pattern.",
                r"(?:[0-9a-fA-F]{4}|\*):(?:[0-9a-fA-F]{4}|\*)",
                "must be VENDOR:DEVICE, each 4 hex digits or *",
                required=True,
                lower=True,
            ),
        ),
        (),
    )

    def is_empty(self) -> bool:
        return not self.pci_passthrough and not self.allowlist


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Declared):
    """A normalised plugin manifest."""

    schema_version: str = declared(
        Text("Version of this format.", r"v?1(?:\.[0-9]{1,3}){0,2}", f"is a version this Volant doesn't know; it knows {SCHEMA_VERSION}"),
        SCHEMA_VERSION,
    )
    name: str = declared(Text("Name of the plugin.", LABEL, _EXPECTS_LABEL, required=True), "")
    version: str = declared(
        Text(
            "Version of the plugin.", _WORD, "must be 1 to 63 letters, digits and . _ + -, beginning with a letter or digit", required=True
        ),
        "",
    )
    runtime: str = declared(
        Text("Kind of workload, for people and filters; empty: the name.", _WORD, "must be one word of at most 63 characters"), ""
    )
    rootfs: Rootfs | None = declared(Object("The workload's root file system.", Rootfs))
    initramfs: Initramfs | None = declared(Object("The workload's tree as a cpio archive.", Initramfs))
    disks: tuple[Disk, ...] = declared(ListOf("More disks.", Object("One disk.", Disk, required=True)), ())
    image: str = declared(Text("OCI image that the boot media were made of; for information.", r"\S+", "must hold no space"), "")
    image_digest: str = declared(Text("Digest of that image; for information.", _SHA256, _EXPECTS_SHA256, lower=True), "")
    resources: Resources = declared(Object("What a VM gets.", Resources, required=True), factory=Resources)
    actions: dict[str, Action] = declared(
        MapOf(
            "What the workload offers, by name.",
            Text("Name of an action.", r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}", "must be 1 to 63 letters, digits and _ . -"),
            Object("One action.", Action, required=True),
        ),
        factory=dict,
    )
    health_check: HealthCheck | None = declared(Object("How readiness is found out.", HealthCheck))
    workload: Workload = declared(Object("The program to run.", Workload, required=True), factory=Workload)
    cloud_init: CloudInit | None = declared(Object("What cloud-init is told.", CloudInit))
    network: Network | None = declared(Object("How the VM is attached.", Network))
    devices: Devices | None = declared(Object("Devices of the host for the VM.", Devices))
    restart: str = declared(
        Text("Whether a VM that has ended is started again by itself; empty: no. Its creator may say otherwise.", PATTERN, EXPECTS), ""
    )
    enabled: bool = declared(Flag("Whether VMs may be made of it from the start."), True)
    openapi: str = declared(_location("Where the workload's OpenAPI document is."), "")
    labels: dict[str, str] = declared(
        MapOf(
            "Free labels; volant.plugin and volant.runtime are set by Volant.",
            Text("Name of a label.", _KEY, "must be 1 to 63 letters, digits and . _ / -"),
            Text("Value of a label."),
        ),
        factory=dict,
    )

    def complaints(self) -> Iterator[Complaint]:
        if self.rootfs is None and self.initramfs is None:
            yield ("rootfs", "initramfs"), "is missing, and initramfs too: at least one of them is required, with its url"
        for attribute in ("name", "target"):
            seen: set[str] = set()
            for number, disk in enumerate(self.disks):
                value: str = getattr(disk, attribute)
                if value and value in seen:
                    yield (f"disks[{number}].{attribute}",), f"{value!r} stands twice; each disk needs its own"
                seen.add(value)
