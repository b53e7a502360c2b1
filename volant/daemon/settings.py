"""The settings in force: built-in defaults, then the config file, then `VOLANT_*` variables, then flags, each outranking the one before."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any

from volant import __version__
from volant.daemon.config import SETTINGS, Config, Setting, default_file, defaults
from volant.daemon.net.config import NetConfig, parse_subnet
from volant.daemon.original_names import ALIASES, HOST_IP, WITHOUT_MEANING
from volant.proto.errors import Fault, InvalidParams

CONFIG_VARIABLE = "VOLANT_CONFIG"
"""Names the config file, as --config does."""

BUILT_IN = "built in"

_LIKENESS = 0.8
"""How alike a variable must be to a setting's to be taken for a slip: one letter in five. Others' variables begin with VOLANT_ too."""

_WRITTEN: dict[tuple[type, ...], str] = {
    (str,): "a text in quotes",
    (int,): "a whole number without quotes",
    (int, float): "a number without quotes",
}
"""How a value of these types is written in TOML."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the daemon is to do, and who said so."""

    config: Config
    sources: dict[str, str]
    """By setting: `--bridge`, `VOLANT_BRIDGE`, the config file's path, or `built in`."""
    warnings: tuple[str, ...] = ()
    """Sentences about what was given and has no effect."""


@dataclass(frozen=True, slots=True)
class _Given:
    """One value as somebody wrote it."""

    setting: Setting
    text: str
    label: str
    """What a complaint calls it."""
    source: str

    def parsed(self) -> object:
        """ValueError says what is wrong with it."""
        try:
            self.text.encode()
        except UnicodeEncodeError:
            raise ValueError("is not UTF-8 text") from None
        return self.setting.kind.parse(self.text)


def load(environ: Mapping[str, str], flags: Mapping[str, str | None], *, uid: int | None = None) -> Settings:
    """All layers together. InvalidParams names every key that nobody knows and every value that makes no sense, and where each stands.

    `flags` by setting, None where not given; `config` among them names the config file.
    """
    uid = os.geteuid() if uid is None else uid
    problems: list[str] = []
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for given in (*_from_file(environ, flags.get("config"), uid, problems), *_from_environment(environ), *_from_flags(flags)):
        try:
            values[given.setting.name] = given.parsed()
            sources[given.setting.name] = given.source
        except ValueError as error:
            problems.append(f"{given.label}={given.text!r}: {error}")
    config = replace(defaults(environ, uid=uid), **values)
    if "runtime_dir" in values and "socket" not in values:
        config = replace(config, socket=config.runtime_dir / config.socket.name)
        sources["socket"] = f"in runtime_dir of {sources['runtime_dir']}"
    config = _with_host_ip(config, environ, sources, problems)
    _check_network(config, sources, problems)
    if problems:
        raise InvalidParams("; ".join(problems), hint="`volantd --help` describes each setting; --print-config shows those in force")
    in_order = {name: sources.get(name, BUILT_IN) for name in SETTINGS}
    return Settings(config, in_order, tuple(_without_effect(environ)))


def as_toml(settings: Settings) -> str:
    """The settings as a config file that says the same, with where each came from."""
    lines = [f"# volantd {__version__}: the settings in force, and where each comes from"]
    for name, source in settings.sources.items():
        lines.append(f"{name} = {toml_value(getattr(settings.config, name))}  # {''.join(c if c.isprintable() else '?' for c in source)}")
    return "\n".join(lines) + "\n"


def as_markdown() -> str:
    """The table of all settings, for docs/service.md."""
    root = defaults({}, uid=0)
    lines = ["| setting | values | default | what it is |", "|---|---|---|---|"]
    for item in fields(Config):
        setting = SETTINGS[item.name]
        lines.append(f"| `{item.name}` | {setting.kind.shown} | `{toml_value(getattr(root, item.name))}` | {setting.help} |")
    return "\n".join(lines) + "\n"


def toml_value(value: object) -> str:
    """A setting's value as it stands in a config file."""
    if isinstance(value, (int, float)):
        return repr(value)
    # JSON escapes as TOML does, but for DEL, which TOML takes only escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _from_file(environ: Mapping[str, str], named: str | None, uid: int, problems: list[str]) -> Iterator[_Given]:
    told = named or environ.get(CONFIG_VARIABLE)
    path = Path(told) if told else default_file(environ, uid=uid)
    try:
        table = tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        if told:
            problems.append(f"the config file {path} does not exist")
        return
    except OSError as error:
        problems.append(f"the config file {path} can't be read: {error.strerror}")
        return
    except ValueError as error:  # not TOML, or not UTF-8
        problems.append(f"{path} is no TOML file: {error}")
        return
    for key, value in table.items():
        setting = SETTINGS.get(key)
        if setting is None:
            problems.append(f"{path}: there is no setting {key!r}{_nearest(key, tuple(SETTINGS))}")
        elif type(value) not in setting.kind.natives:
            problems.append(f"{path}: {key}={value!r}: must be {_WRITTEN[setting.kind.natives]}")
        else:
            yield _Given(setting, str(value), f"{path}: {key}", str(path))


def _from_environment(environ: Mapping[str, str]) -> Iterator[_Given]:
    """Empty variables count as not set."""
    named = [(variable, SETTINGS[name]) for variable, name in ALIASES.items()]
    for variable, setting in (*named, *((setting.variable, setting) for setting in SETTINGS.values())):
        if value := environ.get(variable):
            yield _Given(setting, value, variable, variable)


def _from_flags(flags: Mapping[str, str | None]) -> Iterator[_Given]:
    for name, setting in SETTINGS.items():
        if (value := flags.get(name)) is not None:
            yield _Given(setting, value, setting.flag, setting.flag)


def _with_host_ip(config: Config, environ: Mapping[str, str], sources: dict[str, str], problems: list[str]) -> Config:
    """The original's VOLANT_HOST_IP, laid into the subnet; a --subnet outranks it."""
    text = environ.get(HOST_IP)
    if not text or sources.get("subnet") == SETTINGS["subnet"].flag:
        return config
    try:
        address = IPv4Address(text)
        network = parse_subnet(config.subnet).network
    except AddressValueError:
        problems.append(f"{HOST_IP}={text!r}: must be an IPv4 address")
        return config
    except Fault:  # the subnet's own complaint says it all
        return config
    if address not in network:
        problems.append(f"{HOST_IP}={text!r}: must be an address in the subnet {network}")
        return config
    sources["subnet"] = f"{sources.get('subnet', BUILT_IN)}, {HOST_IP}"
    return replace(config, subnet=f"{address}/{network.prefixlen}")


def _check_network(config: Config, sources: Mapping[str, str], problems: list[str]) -> None:
    """Bridge and subnet as the network room sees them, complained about together with the rest."""
    try:
        NetConfig(bridge=config.bridge)
    except Fault as fault:
        problems.append(f"{sources['bridge']}: {fault.message}")
    try:
        NetConfig(subnet=parse_subnet(config.subnet))
    except Fault as fault:
        problems.append(f"{sources['subnet']}: {fault.message}")


def _without_effect(environ: Mapping[str, str]) -> Iterator[str]:
    known = {setting.variable for setting in SETTINGS.values()} | set(ALIASES) | {HOST_IP, CONFIG_VARIABLE}
    for variable in sorted(environ):
        if variable in WITHOUT_MEANING:
            yield f"{variable} has no effect: {WITHOUT_MEANING[variable]}"
        elif variable.startswith("VOLANT_") and variable not in known and (slip := _nearest(variable, tuple(known))):
            yield f"{variable} is no setting{slip}"


def _nearest(word: str, choices: tuple[str, ...]) -> str:
    """` (did you mean ...?)`, or nothing when nothing is near. The common prefix of variables would make all of them alike."""
    bare = {choice.removeprefix("VOLANT_"): choice for choice in choices}
    found = get_close_matches(word.removeprefix("VOLANT_").replace("-", "_"), bare, n=1, cutoff=_LIKENESS)
    return f" (did you mean {bare[found[0]]}?)" if found else ""
