"""The command tree as plain data: which noun has which verbs, and what module carries each out.

Nothing is imported for a verb until it is chosen; the help of the tree itself is written from here. A verb's module offers
`configure(parser)` and `run(args) -> int` below the names given here.
"""

from __future__ import annotations

from volant.proto.errors import Usage


class Verb:
    """One command. `module` (below `cli.commands`) has `configure_<function>` and `run_<function>`."""

    __slots__ = ("function", "help", "module")

    def __init__(self, module: str, function: str, help: str) -> None:
        self.module, self.function, self.help = module, function, help


TREE: dict[str, dict[str, Verb]] = {
    "vm": {
        "list": Verb("vm", "list", "list VMs"),
        "get": Verb("vm", "get", "show one VM"),
        "create": Verb("create", "create", "make a VM of a plugin and start it"),
        "start": Verb("change", "start", "start VMs"),
        "stop": Verb("change", "stop", "stop VMs: ask, wait, then kill"),
        "restart": Verb("change", "restart", "stop and start VMs"),
        "delete": Verb("change", "delete", "destroy VMs and all they had"),
        "watch": Verb("watch", "watch", "the VMs, then each change as it happens"),
        "top": Verb("top", "top", "what VMs cost the host, busiest first, live"),
        "wait": Verb("change", "wait", "wait for a VM's state"),
        "exec": Verb("execute", "exec", "run a program in a VM"),
        "cp": Verb("copy", "cp", "copy files into a VM or out of it"),
        "logs": Verb("logs", "logs", "show the workload's output"),
        "console": Verb("console", "console", "open the serial console"),
        "call": Verb("call", "call", "call an action of a VM's workload"),
        "actions": Verb("call", "actions", "list a VM's actions"),
        "config": Verb("config", "config", "show a VM's config"),
        "set": Verb("config", "set", "change VMs' configs"),
        "history": Verb("config", "history", "the versions of a VM's config: who, when, from where"),
        "diff": Verb("config", "diff", "compare two versions of a VM's config"),
        "rollback": Verb("config", "rollback", "go back to an earlier version of a VM's config"),
        "explain": Verb("explain", "explain", "tell what became of a VM and why"),
    },
    "plugin": {
        "install": Verb("plugin_install", "install", "install a plugin from its manifest"),
        "list": Verb("plugin", "list", "list plugins"),
        "show": Verb("plugin", "show", "show one plugin"),
        "enable": Verb("plugin", "enable", "allow new VMs of a plugin"),
        "disable": Verb("plugin", "disable", "forbid new VMs of a plugin"),
        "remove": Verb("plugin", "remove", "remove a plugin and its artifacts"),
    },
    "deployment": {
        "create": Verb("deployment_change", "create", "make a deployment: a number of VMs, kept at that number"),
        "list": Verb("deployment", "list", "list deployments"),
        "get": Verb("deployment", "get", "show one deployment"),
        "scale": Verb("deployment_change", "scale", "change the number of VMs"),
        "update": Verb("deployment_change", "update", "roll out another description, VM by VM"),
        "status": Verb("deployment", "status", "how far a deployment is"),
        "pause": Verb("deployment_change", "pause", "halt the rolling out; healing and scaling go on"),
        "resume": Verb("deployment_change", "resume", "go on with the rolling out"),
        "undo": Verb("deployment_change", "undo", "go back to an earlier description"),
        "history": Verb("deployment", "history", "the revisions: who, when, from where"),
        "delete": Verb("deployment", "delete", "delete deployments and their VMs"),
    },
    "event": {
        "list": Verb("event", "list", "list past events"),
        "follow": Verb("event", "follow", "events as they happen"),
    },
    "system": {
        "info": Verb("system", "info", "what the daemon is and has"),
        "watch": Verb("system", "watch", "how busy the host is, told when that changes"),
        "contexts": Verb("system", "contexts", "list the daemons that have names, and which one is meant"),
        "ping": Verb("system", "ping", "see whether the daemon answers"),
        "ledger": Verb("ledger", "ledger", "list every host object and its owner, and compare with the host"),
        "selftest": Verb("selftest", "selftest", "try every fault on a daemon of its own, and see that nothing is lost or left"),
    },
}

NOUN_HELP = {
    "vm": "virtual machines",
    "plugin": "workloads, described once by a manifest",
    "deployment": "VMs of one description, kept at a number and up to date",
    "event": "what happened, numbered",
    "system": "the daemon and its host",
}

PLURALS = {"vms": "vm", "plugins": "plugin", "deployments": "deployment", "deploy": "deployment", "events": "event"}

VERB_ALIASES = {"ls": "list", "rm": "delete", "destroy": "delete", "show": "get"}
"""Words of other tools for ours, where the noun has no verb of that name itself."""

SHORT_FORMS: dict[str, tuple[str, str, Verb]] = {
    "tui": ("system", "tui", Verb("tui", "tui", "the terminal UI: everything live on one screen")),
    "ps": ("vm", "list", TREE["vm"]["list"]),
    "run": ("vm", "run", Verb("run", "run", "run a VM in the foreground, or (--detach) until it is ready")),
    "exec": ("vm", "exec", TREE["vm"]["exec"]),
    "cp": ("vm", "cp", TREE["vm"]["cp"]),
    "logs": ("vm", "logs", TREE["vm"]["logs"]),
    "console": ("vm", "console", TREE["vm"]["console"]),
    "wait": ("vm", "wait", TREE["vm"]["wait"]),
    "explain": ("vm", "explain", TREE["vm"]["explain"]),
    "top": ("vm", "top", TREE["vm"]["top"]),
    "ledger": ("system", "ledger", TREE["system"]["ledger"]),
    "selftest": ("system", "selftest", TREE["system"]["selftest"]),
    "events": ("event", "list", Verb("event", "events", "past events, or (--follow) events as they happen")),
    "completion": ("system", "completion", Verb("completion", "completion", "print the script that completes commands in a shell")),
}

_GLOBAL_WITH_VALUE = ("--socket", "--context", "-o", "--output")
"""Flags that may stand before the noun, and take a value."""


class Chosen:
    """What a command line asks for: the words that name it, who carries it out, and the words left over."""

    __slots__ = ("rest", "verb", "words")

    def __init__(self, words: tuple[str, ...], verb: Verb, rest: list[str]) -> None:
        self.words, self.verb, self.rest = words, verb, rest


class HelpWanted(Exception):
    """The line asks for (or, `missing`, needs) the help of the tree or of a noun."""

    def __init__(self, noun: str = "", *, missing: bool = False) -> None:
        super().__init__(noun)
        self.noun, self.missing = noun, missing


class VersionWanted(Exception):
    """The line asks for the version."""


def choose(argv: list[str]) -> Chosen:
    """Find the command in `argv`; flags that stood before its words are kept. Usage, HelpWanted, VersionWanted."""
    flags: list[str] = []
    words, rest = _next_word(argv, flags)
    if words == "help":
        return _help_for(rest)
    if words in SHORT_FORMS and not (words == "events" and rest and rest[0] in TREE["event"]):
        return Chosen((words,), SHORT_FORMS[words][2], flags + _without_noun(words, rest))
    noun = PLURALS.get(words, words)
    if noun not in TREE:
        raise _unknown("command", words, [*TREE, *SHORT_FORMS, *PLURALS, "help"], "`volant help` lists the commands")
    word, rest = _next_word(rest, flags, noun)
    if word == "help":
        raise HelpWanted(noun)
    name = word if word in TREE[noun] else VERB_ALIASES.get(word, word)
    if noun == "plugin" and word in ("rm", "delete"):
        name = "remove"
    if name not in TREE[noun]:
        raise _unknown(f"{noun} command", word, list(TREE[noun]), f"`volant {noun} --help` lists them: {', '.join(TREE[noun])}")
    return Chosen((noun, name), TREE[noun][name], flags + rest)


def _next_word(argv: list[str], flags: list[str], noun: str = "") -> tuple[str, list[str]]:
    """The first word that is no flag, and what follows it; flags before it go to `flags`."""
    at = 0
    while at < len(argv):
        word = argv[at]
        if word in ("-h", "--help"):
            raise HelpWanted(noun)
        if word == "--version" and not noun:
            raise VersionWanted
        if not word.startswith("-") or word in ("-", "--"):
            return word, argv[at + 1 :]
        taken = 2 if word in _GLOBAL_WITH_VALUE else 1
        flags += argv[at : at + taken]
        at += taken
    raise HelpWanted(noun, missing=True)


def _help_for(words: list[str]) -> Chosen:
    """`volant help [NOUN [VERB]]` is the `--help` of what is named."""
    named = [word for word in words if not word.startswith("-")]
    if not named:
        raise HelpWanted
    if len(named) == 1 and PLURALS.get(named[0], named[0]) in TREE:
        raise HelpWanted(PLURALS.get(named[0], named[0]))
    return choose([*named[:2], "--help"])


def _without_noun(word: str, rest: list[str]) -> list[str]:
    """`volant wait vm NAME` is `volant vm wait NAME`, and so with `explain`."""
    return rest[1:] if word in ("wait", "explain") and rest[:1] in (["vm"], ["vms"]) else rest


def _unknown(what: str, word: str, choices: list[str], otherwise: str) -> Usage:
    from volant.client.cli.failures import did_you_mean
    from volant.client.cli.text import harmless

    return Usage(f"there is no {what} {harmless(word)!r}", hint=did_you_mean(word, choices) or otherwise)


def overview() -> str:
    """The help of `volant` itself."""
    lines = [
        "usage: volant [--socket PATH | --context CONTEXT] [--read-only] COMMAND ...",
        "",
        "Runs microVMs on this host as easily as containers.",
        "",
    ]
    for noun, verbs in TREE.items():
        lines += [f"{noun}: {NOUN_HELP[noun]}", *_verb_lines(f"{noun} ", verbs), ""]
    lines += ["short forms:", *_verb_lines("", {word: short[2] for word, short in SHORT_FORMS.items()}), ""]
    lines += [
        "examples:",
        "  volant plugin install ./plugin.json",
        "  volant run --detach hello web-1",
        "  volant vm list --filter state:ready",
        "  volant exec web-1 -- uname -a",
        "",
        "`volant COMMAND --help` explains one; `volant --version` tells the version.",
    ]
    return "\n".join(lines)


def noun_overview(noun: str) -> str:
    """The help of one noun."""
    return "\n".join(
        [
            f"usage: volant {noun} VERB ...",
            "",
            f"{NOUN_HELP[noun][0].upper()}{NOUN_HELP[noun][1:]}.",
            "",
            *_verb_lines("", TREE[noun]),
            "",
            "examples:",
            f"  volant {noun} {next(iter(TREE[noun]))} --help",
            f"  volant help {noun} {next(iter(TREE[noun]))}",
        ]
    )


def _verb_lines(prefix: str, verbs: dict[str, Verb]) -> list[str]:
    width = max(16, *(len(prefix + name) for name in verbs))
    return [f"  {prefix + name:<{width}}  {verb.help}" for name, verb in verbs.items()]
