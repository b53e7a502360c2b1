"""From the words of a command line to what may stand at its cursor. Pure but for what it asks of the daemon.

The command tree and each command's own parser say what is possible, so a new flag completes as soon as it is declared. The libraries
for argparse don't fit: argcomplete and shtab want the whole tree as one parser (which exists nowhere here, and takes 20 ms to build), know
nothing of `--wait NAME` and `-- COMMAND`, and leave asking the daemon, in a bounded time, to us all the same.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence

from volant.client.cli import tree
from volant.client.cli.completing.offers import Offer, Offers
from volant.client.cli.completing.sources import Place, offers_for
from volant.client.cli.parsing import Parser, command_parser
from volant.client.contexts import CONTEXT_VARIABLE, load, socket_of
from volant.client.paths import SOCKET_VARIABLE
from volant.proto.errors import Usage

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from volant.client.cli.completing.offers import Ask


def offers_at(before: Sequence[str], typed: str, ask: Ask) -> Offers:
    """What may stand behind the words `before` (those after `volant`), where `typed` is what there is of the word already."""
    words = list(before)
    if words[-1:] == ["--socket"]:
        return Offers(path_after="")
    if words[-1:] == ["--context"]:
        return offers_for("CONTEXT", Place("", "", [], "--context", typed, ask)).beginning_with(typed)
    if words[:1] == ["help"]:
        return Offers(_tree_words(words[1:])).beginning_with(typed)
    try:
        chosen = tree.choose(words)
    except tree.HelpWanted as wanted:
        if not wanted.missing:
            return Offers()
        return Offers(_tree_words([wanted.noun] if wanted.noun else [], help=True)).beginning_with(typed)
    except (Usage, tree.VersionWanted):
        return Offers()
    noun = chosen.words[0] if len(chosen.words) == 2 else tree.SHORT_FORMS[chosen.words[0]][0]
    parser = command_parser(" ".join(chosen.words), chosen.verb)
    return _Command(parser, noun, chosen.words[-1], ask).offers(chosen.rest, typed)


def socket_in(before: Sequence[str]) -> str | None:
    """The socket that the line or the environment names, itself or by its context; None when they name none. Usage: no such context."""
    socket = _value_of("--socket", before)
    context = _value_of("--context", before) or ("" if socket or os.environ.get(SOCKET_VARIABLE) else os.environ.get(CONTEXT_VARIABLE))
    return socket_of(context, load(os.environ)) if context else socket


def _value_of(flag: str, words: Sequence[str]) -> str | None:
    for at, word in enumerate(words):
        if word == flag:
            return words[at + 1] if at + 1 < len(words) else None
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None


def _tree_words(named: Sequence[str], *, help: bool = False) -> Iterable[Offer]:
    """The words that may follow these nouns and verbs."""
    if not named:
        yield from (Offer(noun, tree.NOUN_HELP[noun]) for noun in tree.TREE)
        yield from (Offer(word, short[2].help) for word, short in tree.SHORT_FORMS.items())
        if help:
            yield Offer("help", "explain a command")
    elif len(named) == 1:
        verbs = tree.TREE.get(tree.PLURALS.get(named[0], named[0]), {})
        yield from (Offer(name, verb.help) for name, verb in verbs.items())


class _Command:
    """One command and the words that are given of it."""

    def __init__(self, parser: Parser, noun: str, verb: str, ask: Ask) -> None:
        self._noun, self._verb, self._ask = noun, verb, ask
        self._flags = {name: action for action in parser.actions for name in action.option_strings}
        self._arguments = [action for action in parser.actions if not action.option_strings]
        self._used: set[str] = set()
        """What was given and may be given once only, by `dest`."""
        self._given: list[str] = []
        """Arguments."""

    def offers(self, rest: Sequence[str], typed: str) -> Offers:
        if "--" in rest:  # behind it stands a command of the guest's
            return Offers()
        waiting = self._read(rest)
        if waiting is not None and waiting.nargs is None:
            return self._values(waiting, typed)
        if typed.startswith("--") and "=" in typed:
            name, _, value = typed.partition("=")
            action = self._flags.get(name)
            return Offers() if action is None or action.nargs == 0 else self._values(action, value).behind(f"{name}=")
        if typed.startswith("-"):
            return Offers(self._flag_words()).beginning_with(typed)
        optional = self._values(waiting, typed).words if waiting is not None else []
        argument = self._argument()
        found = self._values(argument, typed) if argument is not None else Offers()
        return Offers([*optional, *found.words], path_after=found.path_after)

    def _read(self, rest: Sequence[str]) -> argparse.Action | None:
        """Note what is given; the flag that still waits for its value when the words are at their end."""
        waiting: argparse.Action | None = None
        for word in rest:
            if waiting is not None and (waiting.nargs is None or word in (waiting.choices or ())):
                waiting = None
                continue
            waiting = None
            if not word.startswith("-") or word == "-":
                self._given.append(word)
                continue
            name, has_value, _ = word.partition("=")
            flags = [name]
            if not word.startswith("--"):
                flags = _short_flags(word, self._flags)
                has_value = word[1 + len(flags) :]
            for action in (self._flags[flag] for flag in flags if flag in self._flags):
                self._used |= set() if isinstance(action, argparse._AppendAction) else {action.dest}
                waiting = action if action.nargs != 0 and not has_value else None
        return waiting

    def _flag_words(self) -> Iterable[Offer]:
        for action in dict.fromkeys(self._flags.values()):
            if action.dest not in self._used:
                yield from (Offer(name, action.help or "") for name in action.option_strings if name.startswith("--"))

    def _argument(self) -> argparse.Action | None:
        """The argument that comes next."""
        for at, action in enumerate(self._arguments):
            if at >= len(self._given) or action.nargs not in (None, "?"):
                return action
        return None

    def _values(self, action: argparse.Action, typed: str) -> Offers:
        if action.choices:
            return Offers(map(Offer, action.choices)).beginning_with(typed)
        flag = max(action.option_strings, key=len, default="")
        place = Place(self._noun, self._verb, self._given, flag, typed, self._ask)
        return offers_for(str(action.metavar), place).beginning_with(typed)


def _short_flags(word: str, flags: dict[str, argparse.Action]) -> list[str]:
    """`-it` as the two flags that it is; the last one may take what is left of the word as its value."""
    found = []
    for letter in word[1:]:
        found.append(f"-{letter}")
        action = flags.get(f"-{letter}")
        if action is None or action.nargs != 0:
            break
    return found
