"""The pages of the `volant` command: one about all of it, and one for each command, read off its own parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from volant.client.cli import tree
from volant.client.cli.completing.answer import CAP_MS, CAP_VARIABLE
from volant.client.cli.parsing import Parser, command_parser
from volant.client.contexts import CONTEXT_VARIABLE
from volant.client.paths import SOCKET_VARIABLE, SYSTEM_SOCKET
from volant.manpages import roff
from volant.manpages.roff import bold, entry, italic, literal
from volant.proto.errors import ExitCode

EXIT_CODES: dict[int, str] = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "it was tried and failed",
    ExitCode.USAGE: "what was asked makes no sense",
    ExitCode.NOT_FOUND: "not found",
    ExitCode.CONFLICT: "what exists, or its state, is in the way",
    ExitCode.TIMEOUT: "a timeout passed",
    ExitCode.UNREACHABLE: "the daemon can't be reached",
    ExitCode.PERMISSION: "no permission",
    ExitCode.PARTIAL: "some of several names failed",
    130: "Ctrl-C",
    141: "the reader of the output went away",
}
"""Of every command that doesn't pass a guest's code on."""

_GUESTS_OWN = {
    "exec": "That of the program, or 128 and the number of the signal that ended it. 125 is a failure of volant's own, 126 a program that "
    "can't be run, 127 one that isn't there.",
    "run": "That of the workload, or 128 and the number of the signal that ended it. 122: another runner took the VM over. 123: the VM "
    "crashed. 125 is a failure of volant's own, 126 a program that can't be run, 127 one that isn't there. 137: it was killed, stopped or "
    "deleted before its workload ended. 2: flags that make no sense.",
}
"""Of the commands that pass a guest's code on."""

_ENVIRONMENT = {
    SOCKET_VARIABLE: "the daemon's socket, where --socket and --context name none",
    CONTEXT_VARIABLE: "the daemon's name, as for --context, where no socket is named",
    "VOLANT_TUI_CONFIG": "the terminal UI's settings file, which also names the contexts",
    "VOLANT_OUTPUT": "the format of records, where -o names none",
    CAP_VARIABLE: f"milliseconds that completing a word may take in all (default {CAP_MS})",
    "NO_COLOR": "when set, nothing is coloured",
    "COLUMNS": "how wide tables may be, instead of what the terminal says",
}


def pages() -> dict[str, str]:
    """Every page by its file's name, such as `volant-vm-list.1`; the short forms of a command refer to its page."""
    found = {"volant.1": _overview()}
    for noun, verbs in tree.TREE.items():
        for name, verb in verbs.items():
            found[f"{_page_name(noun, name)}.1"] = _command(f"{noun} {name}", verb)
    for word, (noun, name, verb) in tree.SHORT_FORMS.items():
        is_another_name = tree.TREE[noun].get(name) is verb
        found[f"{_page_name(word)}.1"] = f".so man1/{_page_name(noun, name)}.1\n" if is_another_name else _command(word, verb)
    return found


def _page_name(*words: str) -> str:
    return "-".join(("volant", *words))


def _overview() -> str:
    commands: list[str] = []
    for noun, verbs in tree.TREE.items():
        commands += [f'.SS "{literal(f"{noun}: {tree.NOUN_HELP[noun]}")}"']
        commands += [line for name, verb in verbs.items() for line in entry(bold(f"{noun} {name}"), verb.help)]
    socket, context = f"{bold('--socket')} {italic('PATH')}", f"{bold('--context')} {italic('CONTEXT')}"
    commands += ['.SS "short forms"']
    commands += [line for word, (_, _, verb) in tree.SHORT_FORMS.items() for line in entry(bold(word), verb.help)]
    return roff.page(
        roff.title("volant", 1, about="run microVMs on this host as easily as containers"),
        [roff.section("SYNOPSIS"), f"{bold('volant')} [{socket} | {context}] {italic('COMMAND')} ..."],
        [roff.section("DESCRIPTION")],
        roff.paragraph(
            "volant talks to volantd, the daemon that owns every VM, over its socket. A command is a noun and a verb, or a short form; "
            "each has a page of its own, and help with --help.\n\n"
            "Standard output is data: a table on a terminal, tab-separated values in a pipe, and with -o what is asked for. Narration "
            "and errors go to standard error; an error is one line of what and why, and one line of what to do."
        ),
        [roff.section("COMMANDS"), *commands],
        _exit_status(),
        [roff.section("ENVIRONMENT"), *(line for name, text in _ENVIRONMENT.items() for line in entry(bold(name), text))],
        [
            roff.section("FILES"),
            *entry(italic(SYSTEM_SOCKET), "the socket of the system's daemon"),
            *entry(italic("~/.config/volant/tui.toml"), "settings of the terminal UI; its table contexts gives sockets names"),
        ],
        roff.see_also([("volantd", 8), ("volantd.toml", 5)]),
    )


def _command(words: str, verb: tree.Verb) -> str:
    parser = command_parser(words, verb)
    arguments = [action for action in parser.actions if not action.option_strings]
    flags = [action for action in parser.actions if action.option_strings]
    examples = (parser.epilog or "").splitlines()[1:]
    return roff.page(
        roff.title(_page_name(*words.split()), 1, about=verb.help),
        [roff.section("SYNOPSIS"), *_synopsis(parser, words, arguments)],
        [roff.section("DESCRIPTION")],
        roff.paragraph(parser.description or ""),
        [line for action in arguments for line in entry(italic(str(action.metavar)), _help(action))],
        [roff.section("OPTIONS"), *_options(flags)],
        [roff.section("EXAMPLES"), *roff.example(line.strip() for line in examples)],
        _exit_status(words.split()[-1]),
        roff.see_also([("volant", 1), ("volantd", 8)]),
    )


def _synopsis(parser: Parser, words: str, arguments: Iterable[argparse.Action]) -> list[str]:
    """The command's words, its flags in brackets, then its arguments."""
    parts = [bold(f"volant {words}"), f"[{italic('OPTION')}]..."]
    for action in arguments:
        word = italic(str(action.metavar))
        parts.append({"?": f"[{word}]", "+": f"{word}...", "...": f"[{word}]"}.get(str(action.nargs), word))
    return [" ".join(parts)]


def _options(flags: Iterable[argparse.Action]) -> Iterable[str]:
    for action in (*flags, None):
        if action is None:
            yield from entry(f"{bold('-h')}, {bold('--help')}", "show what this page says, and exit")
            continue
        value = "" if action.nargs == 0 else f"[={italic(_value(action))}]" if action.nargs == "?" else f" {italic(_value(action))}"
        yield from entry(", ".join(map(bold, action.option_strings)) + value, _help(action))


def _value(action: argparse.Action) -> str:
    return str(action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper())


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")


def _exit_status(verb: str = "") -> list[str]:
    if verb in _GUESTS_OWN:
        return [roff.section("EXIT STATUS"), *roff.paragraph(_GUESTS_OWN[verb])]
    return [roff.section("EXIT STATUS"), *(line for code, text in EXIT_CODES.items() for line in entry(bold(str(int(code))), text))]
