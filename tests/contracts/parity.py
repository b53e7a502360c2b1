"""Who reaches which method of the registry: read off the code of the command, the clients and the terminal UI.

`python -m tests.contracts.parity` writes docs/parity.md anew. `parity.toml` beside it lists what is out of reach on purpose, with reasons.
"""

from __future__ import annotations

import ast
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from volant.client import resuming
from volant.client.cli import tree
from volant.proto.errors import Usage
from volant.proto.method import NOUNS, Method, methods_of
from volant.tui import commands as bar

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "parity.md"
EXCEPTIONS = PAGE.with_suffix(".toml")
SURFACES = ("cli", "sdk", "tui")

_CALLING = {"call", "call_plain", "stream", "stream_plain", "bytes_call", "follow", "_open", "_change", "Relisting", "Action"}
"""Functions and classes of clients and UI one of whose arguments is a method's name."""
_PROGRESSES = {name: thing.method for name, thing in vars(resuming).items() if isinstance(getattr(thing, "method", None), str)}
"""Streams that outlive the daemon: the class that a command names stands for its method."""


@cache
def registry() -> tuple[str, ...]:
    """Every method, by noun and name: the order of declaration depends on which module was imported first."""
    return tuple(name for noun in NOUNS for name in sorted(methods_of(noun)))


@cache
def called_in(path: Path) -> set[str]:
    """The methods that a module's code calls: arguments of what calls, the pairs of name and parameters, named streams."""
    return set(_called(ast.parse(path.read_text()))) & set(registry())


def _called(module: ast.AST) -> Iterator[str]:
    declared = _declarations(module)
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            if _name(node.func) in _CALLING:
                # The first word of an action is its id, which may look like a method's name and mean another.
                given = node.args[1:] if _name(node.func) == "Action" else node.args
                given = [*given, *(keyword.value for keyword in node.keywords)]
                yield from _texts(given)
                names = (ast.unparse(each) for each in given if isinstance(each, (ast.Name, ast.Attribute)))
                yield from (declared[name] for name in names if name in declared)
            elif _name(node.func) in _PROGRESSES:
                yield _PROGRESSES[_name(node.func)]
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[1], (ast.Dict, ast.Name)):
            yield from _texts(node.elts[:1])


def _declarations(module: ast.AST) -> dict[str, str]:
    """The methods that a module imports from the contract, by what it calls them: `HOLD`, or `api.HOLD`."""
    found: dict[str, str] = {}
    for node in ast.walk(module):
        if not isinstance(node, ast.ImportFrom) or node.module is None or not node.module.startswith("volant.proto.api"):
            continue
        for alias in node.names:
            home = import_module(node.module)
            thing = getattr(home, alias.name) if hasattr(home, alias.name) else import_module(f"{node.module}.{alias.name}")
            name = alias.asname or alias.name
            inside = {f"{name}.{key}": value for key, value in vars(thing).items()} if isinstance(thing, ModuleType) else {name: thing}
            found |= {key: value.name for key, value in inside.items() if isinstance(value, Method)}
    return found


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""


def _texts(nodes: list[ast.expr]) -> Iterator[str]:
    yield from (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


@cache
def by_command() -> dict[str, list[str]]:
    """The commands whose modules call a method; of several, the one named as the method is comes first."""
    found: dict[str, list[str]] = {}
    for words, verb in _commands().items():
        for method in _reached_by(f"volant.client.cli.commands.{verb.module}"):
            found.setdefault(method, []).append(words)
    return {method: sorted(words, key=lambda one: _unlike(method, one)) for method, words in found.items()}


def _commands() -> dict[str, tree.Verb]:
    nouns = {f"{noun} {name}": verb for noun, verbs in tree.TREE.items() for name, verb in verbs.items()}
    return nouns | {word: short[2] for word, short in tree.SHORT_FORMS.items()}


def _unlike(method: str, words: str) -> tuple[bool, bool, int]:
    noun, _, verb = method.partition(".")
    return (words.split()[-1] not in (verb, verb.removeprefix("config_")), not words.startswith(noun), len(words))


@cache
def _reached_by(module: str) -> frozenset[str]:
    """What a module of the command calls, and what the modules that help it call for it."""
    found: set[str] = set()
    seen: set[str] = set()
    left = [module]
    while left:
        path = ROOT / Path(*left.pop().split(".")).with_suffix(".py")
        if str(path) in seen or not path.exists():
            continue
        seen.add(str(path))
        found |= called_in(path)
        nodes = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom))
        left += [node.module for node in nodes if node.module is not None and _helps(node.module)]
    return frozenset(found)


def _helps(module: str) -> bool:
    """Whether it is part of the command and no other command, or holds the lease of a VM for one."""
    return (module.startswith("volant.client.cli.") and ".commands." not in module) or module == "volant.client.leases"


@cache
def on_screens() -> frozenset[str]:
    """What the terminal UI calls by itself."""
    return frozenset().union(*map(called_in, (ROOT / "volant" / "tui").rglob("*.py")))


def in_command_bar(words: str) -> bool:
    """Whether the UI's command bar takes a command of the command line."""
    try:
        return isinstance(bar.parse(words), bar.Cli)
    except Usage:
        return False


def reach(method: str) -> dict[str, str]:
    """By surface, how `method` is reached there; surfaces that don't reach it are missing."""
    commands = by_command().get(method, [])
    found = {"sdk": f"client.{_attribute(method)}"}
    if commands:
        found["cli"] = f"volant {commands[0]}"
    if method in on_screens():
        found["tui"] = "screen"
    elif typed := next(filter(in_command_bar, commands), ""):
        found["tui"] = f":{shlex.join(typed.split())}"
    return found


def _attribute(method: str) -> str:
    from volant.client.asking import NAMED

    noun, _, verb = method.partition(".")
    return f"{next(plural for plural, name in NAMED.items() if name == noun)}.{verb}"


def exceptions() -> dict[str, dict[str, str]]:
    """By method and surface: why it is not reached there."""
    return tomllib.loads(EXCEPTIONS.read_text())


def page() -> str:
    """docs/parity.md."""
    lines = [
        "# Who reaches what",
        "",
        "Every call of the daemon, and how the command line, the Python clients (blocking and asyncio alike) and the terminal UI reach it:",
        "by a screen of its own, or typed into its command bar. What is out of reach on purpose says why; `parity.toml` beside this page",
        "holds those reasons. A test holds both against the code; `python -m tests.contracts.parity` writes this page.",
        "",
        "| call | command | Python | terminal UI |",
        "|---|---|---|---|",
    ]
    left_out = exceptions()
    for method in registry():
        found, why = reach(method), left_out.get(method, {})
        cells = [f"`{found[surface]}`" if surface in found else f"none: {why.get(surface, '?')}" for surface in SURFACES]
        lines.append(f"| `{method}` | {' | '.join(cell.replace('`screen`', 'a screen') for cell in cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
