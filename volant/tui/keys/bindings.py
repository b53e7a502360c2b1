"""Every action that a key can mean: its id, its keys unless somebody remaps them, and its line of help. Pure data.

An action belongs to a context. Several contexts hold at a time, from the particular to the general (a VM list: `vms`, `list`,
`everywhere`); the first that knows a key decides. `router` looks keys up, `keymap` reads what a person wants otherwise, help and
docs/tui.md are written from here.
"""

from __future__ import annotations

from typing import NamedTuple

FORBIDDEN = frozenset({"ctrl+a", "ctrl+b", "ctrl+s", "ctrl+z", "ctrl+q", "ctrl+k"})
"""Never bound: terminals, tmux and screen have them for themselves, and Ctrl-K kills elsewhere without asking."""


class Binding(NamedTuple):
    """One action of one context."""

    id: str
    keys: tuple[str, ...]
    help: str
    label: str = ""
    """What the key line calls it; empty: not shown there."""
    changes: bool = False
    """Changes something on the host: not offered in read-only mode."""


CONTEXTS: dict[str, str] = {
    "everywhere": "Everywhere",
    "past": "Looking back",
    "list": "Lists",
    "vms": "The list of VMs",
    "vm": "One VM",
    "deployments": "Deployments",
    "deployment": "One deployment",
    "calls": "Calling a workload",
    "form": "A request",
    "answer": "An answer",
    "plugins": "Plugins",
    "host": "The host",
    "console": "A console",
    "copy": "Copying from a console",
    "typing": "Typing into a console",
    "stream": "Events and logs",
    "text": "Reading",
    "line": "Typing a filter or a command",
    "dialog": "Questions",
    "menu": "Menus",
}
"""Contexts and their headings."""

BINDINGS: dict[str, tuple[Binding, ...]] = {
    "everywhere": (
        Binding("command", (":",), "type a command, as after `volant` in a shell", "cmd"),
        Binding("help", ("?", "f1"), "the keys that mean something here", "help"),
        Binding("back", ("escape",), "back; before that, clear the filter, then the marks", "back"),
        Binding("quit", ("q",), "back, and at the first screen leave"),
        Binding("screens", (",", "f2"), "go to another screen", "screens"),
        Binding("view", tuple("123456789"), "a saved view: a screen with its filter and order"),
        Binding("view.save", ("V",), "save what is looked at under a digit"),
        Binding("previous", ("-",), "the screen that was shown last, and back again"),
        Binding("history.back", ("[",), "back in the history of screens"),
        Binding("history.forward", ("]",), "forward in the history of screens"),
        Binding("resync", ("ctrl+r",), "list anew; while disconnected: try to connect now"),
        Binding("past.at", ("@",), "go to a moment: 10:32, 5m ago, #88121, now", "moment"),
        Binding("past.before", ("<",), "look back: to the event before"),
        Binding("past.trouble.before", ("{",), "look back: to the last thing that failed"),
        Binding("copy", (".",), "copy: name, address, record, or the command that shows it", "copy"),
        Binding("redraw", ("ctrl+l",), "draw the screen anew"),
        Binding("interrupt", ("ctrl+c",), "twice: leave"),
    ),
    "past": (
        Binding("past.before", ("<",), "the event before", "before"),
        Binding("past.after", (">",), "the event after", "after"),
        Binding("past.trouble.before", ("{",), "the failure before"),
        Binding("past.trouble.after", ("}",), "the failure after"),
        Binding("past.play", ("space",), "let time go on by itself, or stop it", "play"),
        Binding("past.faster", (")",), "faster: up to sixty seconds in one"),
        Binding("past.slower", ("(",), "slower"),
        Binding("past.now", ("n",), "return to now", "now"),
    ),
    "list": (
        Binding("down", ("j", "down"), "down"),
        Binding("up", ("k", "up"), "up"),
        Binding("first", ("g", "home"), "the first row"),
        Binding("last", ("G", "end"), "the last row"),
        Binding("page.down", ("pagedown", "ctrl+f"), "a page down"),
        Binding("page.up", ("pageup", "ctrl+u"), "a page up"),
        Binding("open", ("enter",), "open", "open"),
        Binding("filter", ("/",), "filter", "filter"),
        Binding("mark", ("space",), "mark, and go down", "mark"),
        Binding("mark.range", ("v",), "mark everything from the last marked row to here"),
        Binding("mark.all", ("*",), "mark all that are shown, or none"),
        Binding("sort", ("o",), "sort by a column", "sort"),
        Binding("sort.invert", ("I",), "turn the order round"),
        Binding("wide", ("w",), "all columns, or those that matter"),
        Binding("pane", ("z",), "the side pane on or off, where there is room"),
    ),
    "vms": (
        Binding("actions", ("x",), "everything that can be done with it", "actions", changes=True),
        Binding("vm.describe", ("d",), "overview"),
        Binding("vm.config", ("y",), "configuration"),
        Binding("vm.events", ("e",), "its events"),
        Binding("vm.metrics", ("m",), "what it costs the host, as it changes"),
        Binding("vm.edit", ("E",), "edit its configuration", changes=True),
        Binding("vm.logs", ("l",), "its logs", "logs"),
        Binding("vm.attach", ("a",), "its console: leave the screen to it until Ctrl-]", "attach"),
        Binding("vm.console", ("c",), "its console, here: read, search, copy, type", "console"),
        Binding("vm.shell", ("s",), "a shell in it", changes=True),
        Binding("vm.calls", ("r",), "call an action of its workload", "call"),
        Binding("vm.kill", ("X",), "stop without asking the guest", changes=True),
        Binding("vm.delete", ("ctrl+d", "delete"), "delete", changes=True),
        Binding("new", ("n",), "make one", "new", changes=True),
        Binding("sort.name", ("N",), "sort by name"),
        Binding("sort.status", ("S",), "sort by state"),
        Binding("sort.cpu_cores", ("C",), "sort by CPUs"),
        Binding("sort.memory_mb", ("M",), "sort by memory"),
        Binding("sort.created_at", ("A",), "sort by age"),
        Binding("usage", ("%",), "what each costs the host, as it changes, or not"),
        Binding("problem", ("!",), "go to the newest failure"),
    ),
    "vm": (
        Binding("tab.next", ("tab", "right"), "next page", "pages"),
        Binding("tab.previous", ("shift+tab", "left"), "page before"),
        Binding("vm.moment", ("enter",), "among events: how things were at the chosen one; among actions: call one", "look back"),
        Binding("vm.rollback", ("u",), "back to an earlier configuration", changes=True),
        Binding("vm.next", ("J",), "the next VM of the list"),
        Binding("vm.previous", ("K",), "the VM before it"),
    ),
    "deployments": (
        Binding("actions", ("x",), "everything that can be done with it", "actions", changes=True),
        Binding("deployment.scale", ("s",), "another number of VMs", "scale", changes=True),
        Binding("deployment.pause", ("p",), "hold the rollout, or go on with it", "pause", changes=True),
        Binding("deployment.undo", ("u",), "roll back to an earlier revision", "roll back", changes=True),
        Binding("deployment.update", ("U",), "roll out another description", changes=True),
        Binding("deployment.history", ("y",), "its revisions, and what each changed"),
        Binding("deployment.delete", ("ctrl+d", "delete"), "delete, with its VMs", changes=True),
        Binding("new", ("n",), "make one", "new", changes=True),
    ),
    "deployment": (
        Binding("tab.next", ("tab", "right"), "its VMs, its history", "pages"),
        Binding("tab.previous", ("shift+tab", "left"), "its history, its VMs"),
    ),
    "calls": (
        Binding("down", ("j", "down"), "down"),
        Binding("up", ("k", "up"), "up"),
        Binding("first", ("g", "home"), "the first line"),
        Binding("last", ("G", "end"), "the last line"),
        Binding("page.down", ("pagedown", "ctrl+f"), "a page down"),
        Binding("page.up", ("pageup", "ctrl+u"), "a page up"),
        Binding("open", ("enter",), "open the form of a call, or fill in its line", "open"),
        Binding("call.send", ("r",), "send it; what was called before is sent again", "send", changes=True),
    ),
    "form": (
        Binding("form.add", ("a",), "add a parameter of the query, or a header", "add"),
        Binding("form.omit", ("x",), "leave the line out, or send it empty", "leave out"),
        Binding("form.editor", ("E",), "write the body in your editor", "editor"),
    ),
    "answer": (
        Binding("call.send", ("r",), "send it again", "again", changes=True),
        Binding("answer.edit", ("e",), "back to the form, to send something else", "edit"),
        Binding("answer.headers", ("h",), "the answer's headers too, or not", "headers"),
    ),
    "plugins": (
        Binding("actions", ("x",), "everything that can be done with it", "actions", changes=True),
        Binding("plugin.install", ("i",), "install one, from a file or a URL", "install", changes=True),
        Binding("plugin.enable", ("e",), "allow new VMs of it, or no more", "on/off", changes=True),
        Binding("plugin.run", ("n",), "make a VM of it", "make VM", changes=True),
        Binding("plugin.remove", ("ctrl+d", "delete"), "remove", changes=True),
    ),
    "host": (Binding("host.check", ("c",), "compare the ledger with the host again", "check"),),
    "console": (
        Binding("console.type", ("i", "enter"), "type into the guest, until Ctrl-]", "type", changes=True),
        Binding("search", ("/",), "search upwards; behind ~ a regular expression", "search"),
        Binding("search.older", ("n",), "the match above", "older"),
        Binding("search.newer", ("N",), "the match below"),
        Binding("console.follow", ("f",), "the end, and follow it", "follow"),
        Binding("copy.mode", ("v",), "choose text to copy", "copy text"),
        Binding("console.size", ("S",), "tell the guest how large this is", "size", changes=True),
    ),
    "copy": (
        Binding("down", ("j", "down"), "down"),
        Binding("up", ("k", "up"), "up"),
        Binding("left", ("h", "left"), "left"),
        Binding("right", ("l", "right"), "right"),
        Binding("word.next", ("w",), "the next word"),
        Binding("word.previous", ("b",), "the word before"),
        Binding("line.begin", ("0", "home"), "the beginning of the line"),
        Binding("line.end", ("$", "end"), "the end of the line"),
        Binding("page.down", ("pagedown", "ctrl+f"), "a page down"),
        Binding("page.up", ("pageup", "ctrl+u"), "a page up"),
        Binding("first", ("g",), "the first line"),
        Binding("last", ("G",), "the last line"),
        Binding("select", ("v", "space"), "select from here; once more: no more", "select"),
        Binding("select.words", ("W",), "select by words", "words"),
        Binding("select.lines", ("V",), "select whole lines", "lines"),
        Binding("select.block", ("ctrl+v",), "select a block", "block"),
        Binding("search", ("/",), "search upwards"),
        Binding("search.older", ("n",), "the match above"),
        Binding("search.newer", ("N",), "the match below"),
        Binding("yank", ("y", "enter"), "copy what is selected", "copy"),
        Binding("copy.leave", ("escape", "q", "ctrl+c"), "leave without copying", "leave"),
    ),
    "typing": (Binding("typing.leave", ("ctrl+]",), "stop typing; everything else goes to the guest", "stops typing"),),
    "stream": (
        Binding("pause", ("p",), "hold still, or go on", "pause"),
        Binding("time", ("t",), "times: of the clock, ago, none", "time"),
        Binding("wrap", ("W",), "break long lines, or cut them", "wrap"),
        Binding("filter", ("/",), "filter", "filter"),
        Binding("open", ("enter",), "open what the chosen line is about", "open"),
        Binding("stream.moment", ("m",), "how things were when the chosen line came", "look back"),
        Binding("stream.console", ("c",), "what the VM's console had said when the chosen line came", "console then"),
        Binding("pane", ("z",), "the line as a whole on or off, where there is room"),
    ),
    "text": (
        Binding("down", ("j", "down"), "down"),
        Binding("up", ("k", "up"), "up"),
        Binding("first", ("g", "home"), "the beginning"),
        Binding("last", ("G", "end"), "the end, and follow it", "end"),
        Binding("page.down", ("pagedown", "ctrl+f", "space"), "a page down"),
        Binding("page.up", ("pageup", "ctrl+u"), "a page up"),
    ),
    "line": (
        Binding("accept", ("enter",), "do it", "do it"),
        Binding("cancel", ("escape", "ctrl+c"), "leave it as it was", "cancel"),
        Binding("complete", ("tab",), "complete", "complete"),
        Binding("older", ("up", "ctrl+p"), "an older line"),
        Binding("newer", ("down", "ctrl+n"), "a newer line"),
        Binding("left", ("left",), "left"),
        Binding("right", ("right",), "right"),
        Binding("home", ("home",), "to the beginning"),
        Binding("end", ("end", "ctrl+e"), "to the end"),
        Binding("backspace", ("backspace",), "take the character before the cursor away"),
        Binding("erase", ("delete",), "take the character under the cursor away"),
        Binding("erase.word", ("ctrl+w",), "take the word before the cursor away"),
        Binding("erase.all", ("ctrl+u",), "take everything before the cursor away"),
    ),
    "dialog": (
        Binding("cancel", ("escape", "ctrl+c", "enter", "n", "q"), "cancel: that is what Enter does as well", "cancel"),
        Binding("yes", ("y",), "go ahead, where one object is meant"),
    ),
    "menu": (
        Binding("cancel", ("escape", "ctrl+c", "q", "?"), "close", "close"),
        Binding("accept", ("enter",), "choose", "choose"),
        Binding("down", ("j", "down"), "down"),
        Binding("up", ("k", "up"), "up"),
        Binding("first", ("g", "home"), "the first line"),
        Binding("last", ("G", "end"), "the last line"),
        Binding("page.down", ("pagedown", "ctrl+f", "space"), "a page down", "page down"),
        Binding("page.up", ("pageup", "ctrl+u"), "a page up"),
    ),
}


def shown_key(name: str) -> str:
    """A key as people write it: `Ctrl-D`, `Shift-Tab`, `Esc`, `G`."""
    *held, last = name.rsplit("+", 1) if name not in ("+", "ctrl++") else [name]
    words = {"escape": "Esc", "pageup": "PgUp", "pagedown": "PgDn", "delete": "Del", "backspace": "Bksp"}
    named = words.get(last, last.capitalize())
    if held:
        return "-".join([*(word.capitalize() for word in held[0].split("+")), last.upper() if len(last) == 1 else named])
    return last if len(last) == 1 else named
