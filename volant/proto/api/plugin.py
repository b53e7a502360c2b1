"""Calls about plugins: workloads described once, by a manifest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from volant.proto import errors
from volant.proto.method import Http, Method, Noun, Shape

NOUN = Noun("plugin")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginView:
    """One installed version of a plugin."""

    name: str
    version: str
    runtime: str
    enabled: bool
    installed_at: str
    manifest: dict[str, Any]
    """The normalised manifest, JSON-shaped."""
    artifacts: dict[str, str]
    """sha256 of each fetched artifact: `rootfs`, `initramfs`, `disk:<name>`."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPlugin:
    """Validate a manifest and fetch what it names. Installing the same again succeeds and changes nothing."""

    manifest: dict[str, Any]
    strict: bool = False
    """Unknown fields are errors, not warnings."""
    replace: bool = False
    """Allow a different manifest under the same name and version while no VM uses it."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class InstallProgress:
    """`done` of `total` bytes of one artifact (`total` 0: unknown)."""

    step: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginName:
    name: str
    version: str = ""
    """Empty: the newest for `show`; all versions for enable, disable and remove."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPlugins:
    text: str = ""
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Plugins:
    items: tuple[PluginView, ...]
    seq: int


_LOOKUP = (errors.NoSuchPlugin, errors.InvalidParams)

INSTALL = NOUN.add(
    Method("plugin.install", InstallPlugin, PluginView, "install a plugin from its manifest",
           faults=(errors.InvalidManifest, errors.NameTaken, errors.PluginInUse, errors.ImageFailed, errors.HostShort),
           http=Http("POST", "/plugins"), shape=Shape.STREAM, item=InstallProgress, changes=True)
)  # fmt: skip
LIST = NOUN.add(Method("plugin.list", ListPlugins, Plugins, "list plugins", http=Http("GET", "/plugins")))
SHOW = NOUN.add(Method("plugin.show", PluginName, PluginView, "show one plugin", faults=_LOOKUP, http=Http("GET", "/plugins/{name}")))
ENABLE = NOUN.add(
    Method(
        "plugin.enable",
        PluginName,
        Plugins,
        "allow new VMs of a plugin",
        faults=_LOOKUP,
        http=Http("POST", "/plugins/{name}/enable"),
        changes=True,
    )
)
DISABLE = NOUN.add(
    Method(
        "plugin.disable",
        PluginName,
        Plugins,
        "forbid new VMs of a plugin",
        faults=_LOOKUP,
        http=Http("POST", "/plugins/{name}/disable"),
        changes=True,
    )
)
REMOVE = NOUN.add(
    Method("plugin.remove", PluginName, Plugins, "remove a plugin and its artifacts", faults=(*_LOOKUP, errors.PluginInUse),
           http=Http("DELETE", "/plugins/{name}"), changes=True)
)  # fmt: skip
