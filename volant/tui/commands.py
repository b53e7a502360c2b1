"""The command bar: the `volant` command line without `volant`, and a few words of the UI's own. Pure; the tree is the CLI's."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from volant.client.cli import tree
from volant.client.cli.failures import did_you_mean
from volant.client.cli.text import harmless
from volant.proto.errors import Usage
from volant.tui.screens import registry
from volant.tui.settings import THEMES

OWN = {
    "help": "the keys, or the help of a command",
    "ctx": "look at another daemon, by its name",
    "ro": "read-only from now on",
    "rw": "allow changes again",
    "set theme": f"colours: {', '.join(THEMES)}",
    "resync": "list anew",
    "q": "leave",
}
"""Words of the UI and their help."""
_HOME = {"vms": "the list of VMs"}
_ABOUT = {"vm": "vms", "plugin": "plugins", "deployment": "deployments", "deploy": "deployments", "event": "events", "system": "host"}
"""Screens of nouns that stand alone, where a shell would show their verbs."""

_READING = frozenset({"list", "get", "logs", "config", "history", "diff", "explain", "status", "show", "info", "ping", "ledger", "actions",
                      "wait", "follow", "watch", "top", "completion", "doctor", "contexts"})  # fmt: skip
"""Verbs that change nothing; any other is refused in read-only mode, one that this list doesn't know yet included."""
_COMMANDS = frozenset({*tree.TREE, *tree.SHORT_FORMS, *tree.PLURALS, "help"})
"""What a command of the CLI begins with."""
_DELETING = frozenset({"delete", "remove"})
_LEAVING = frozenset({"q", "q!", "quit", "exit"})
"""What people type to leave, here and elsewhere."""


@dataclass(frozen=True, slots=True)
class Go:
    """Show a screen, by its word; `vms` is home. `argument` is what was typed behind its word."""

    screen: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Own:
    """A word of the UI's own, with what follows it."""

    word: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Cli:
    """A command of the CLI."""

    words: tuple[str, ...]
    changes: bool
    foreground: bool
    """It needs the terminal for itself."""
    deletes: bool = False
    """What it names is gone for good after it: at a terminal the command asks before."""


Command = Go | Own | Cli


def parse(line: str, names: Sequence[str] = ()) -> Command:
    """What a line asks for; `names` are the VMs there are. Usage, whose data has `at`, the character that is wrong."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise Usage(f"the command can't be read: {error}", hint="close the quotes", at=len(line)) from None
    if words[:1] == ["volant"]:
        words = words[1:]
    if not words:
        raise Usage("no command", hint="for example: vm stop web-1", at=0)
    first, rest = words[0], words[1:]
    if first in (*_LEAVING, "ro", "rw", "resync") and not rest:
        return Own("q" if first in _LEAVING else first)
    if first == "ctx" and len(rest) <= 1:
        return Own("ctx", "".join(rest))
    if first == "help" and not rest:
        return Own("help")
    if first == "set":
        return _setting(line, rest)
    if first in (*_HOME, *_ABOUT) and not rest:
        return Go(_ABOUT.get(first, first))
    found = registry.find(words, names)
    if found is not None and not _is_verb(words):
        return Go(found[0].word, found[1])
    if first in names and not rest and first not in _COMMANDS:
        return Go("vm", first)
    return _cli(line, words)


def _setting(line: str, rest: list[str]) -> Own:
    if len(rest) == 2 and rest[0] == "theme" and rest[1] in THEMES:
        return Own("theme", rest[1])
    wrong = rest[-1] if rest[:1] == ["theme"] else "".join(rest[:1])
    at = line.find(wrong, line.find("set") + len("set")) if wrong else len(line)
    raise Usage(f"what can be set is: theme {'|'.join(THEMES)}", hint="for example: set theme dark", at=at)


def _is_verb(words: list[str]) -> bool:
    """A VM may be called as a verb is; then the verb is meant."""
    noun = tree.PLURALS.get(words[0], words[0])
    return len(words) > 1 and words[1] in tree.TREE.get(noun, ())


def _cli(line: str, words: list[str]) -> Cli:
    if words[0] == "tui":
        raise Usage("the terminal UI is here already", hint="type ? for its keys", at=0)
    if words[0] not in _COMMANDS and not words[0].startswith("-"):
        hint = did_you_mean(words[0], [*_known([], ())]) or "Tab shows what there is"
        raise Usage(f"there is no command {harmless(words[0])!r}", hint=hint, at=max(0, line.find(words[0])))
    try:
        chosen = tree.choose(words)
    except tree.HelpWanted as wanted:
        return Cli(("help", *([wanted.noun] if wanted.noun else [])), changes=False, foreground=False)
    except tree.VersionWanted:
        return Cli(("--version",), changes=False, foreground=False)
    except Usage as fault:
        wrong = next((word for word in words if repr(word) in fault.message), words[0])
        fault.data["at"] = max(0, line.find(wrong))
        raise
    verb = chosen.words[-1]
    asks_help = words[0] == "help" or "--help" in words or "-h" in words
    reads = asks_help or verb in (*_READING, "events", "ps") or (verb == "console" and "--read-only" in words)
    deletes = verb in _DELETING and not asks_help
    return Cli(tuple(words), changes=not reads, foreground=not asks_help and _needs_terminal(verb, words), deletes=deletes)


def _needs_terminal(verb: str, words: list[str]) -> bool:
    """Whether a command is a program of its own to look at. What ends by itself is not: it would be gone before anybody had read it."""
    own = frozenset(words[: words.index("--")] if "--" in words else words)
    if verb == "exec":
        return bool(own & {"-t", "-it", "-ti", "--tty"})
    return (verb == "console" and "--no-follow" not in own) or (verb == "top" and not own & {"-n", "--count"})


@dataclass(frozen=True, slots=True)
class Completion:
    """What the word at the cursor could become. `start` is where that word begins."""

    start: int
    choices: tuple[tuple[str, str], ...]
    """Words and their help."""

    @property
    def common(self) -> str:
        """What all choices begin with."""
        words = [word for word, _ in self.choices]
        if not words:
            return ""
        least, most = min(words), max(words)
        length = next((at for at, char in enumerate(least) if at >= len(most) or most[at] != char), len(least))
        return least[:length]


Offered = Callable[[Sequence[str], str], Mapping[str, str]]
"""Words that may follow these words of a command, where so much of the next is there already, and their help."""


def _nothing(before: Sequence[str], typed: str) -> dict[str, str]:
    return {}


def complete(
    line: str, at: int, names: Sequence[str] = (), daemons: Mapping[str, str] | None = None, offered: Offered = _nothing
) -> Completion:
    """Choices for the word that ends at the cursor: what begins so; where nothing does, what contains it, in the word or its help."""
    before = line[:at]
    start = before.rfind(" ") + 1
    word = before[start:]
    said = before[:start].split()
    said = said[1:] if said[:1] == ["volant"] else said
    known = (_known(said, names) or offered(said, word)) if said != ["ctx"] else daemons or {}
    choices = tuple((each, help) for each, help in known.items() if each.startswith(word))
    if not choices and word:
        choices = tuple((each, help) for each, help in known.items() if word in each or word in help.split())
    return Completion(start, choices)


def _known(before: list[str], names: Sequence[str]) -> dict[str, str]:
    """The words that may follow these."""
    if not before:
        screens = {entry.word: entry.help for entry in registry.SCREENS}
        commands = {**tree.NOUN_HELP, **{word: short[2].help for word, short in tree.SHORT_FORMS.items() if word != "tui"}}
        known = {**_HOME, **screens, **OWN, **commands}
        return known | {name: "a VM" for name in names if name not in known}
    first = tree.PLURALS.get(before[0], before[0])
    vms = dict.fromkeys(names, "a VM")
    if before == ["set"]:
        return {"theme": OWN["set theme"]}
    if before == ["set", "theme"]:
        return dict.fromkeys(THEMES, "")
    if first == "help" and len(before) == 1:
        return {**tree.NOUN_HELP, **{word: short[2].help for word, short in tree.SHORT_FORMS.items()}}
    if first in tree.TREE and len(before) == 1:
        verbs = {name: verb.help for name, verb in tree.TREE[first].items()}
        return {**verbs, **vms} if first == "vm" else verbs
    screen = registry.find([before[0], names[0]], names[:1]) if names and len(before) == 1 else None
    return vms if screen is not None and screen[0].takes is registry.Takes.VM else {}
