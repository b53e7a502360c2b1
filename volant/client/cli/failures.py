"""Failures on stderr: one line what and why, one line what to do, then what the guest or the VMM last said."""

from __future__ import annotations

from typing import Any

from volant.client.cli import terminal
from volant.client.cli.text import harmless, harmless_block
from volant.proto.errors import Fault

_EXCERPTS = (("console", "last console lines"), ("stderr", "what the VMM said"), ("command_line", "its command line"))
_INDENT = "    "
MAX_SUGGESTIONS = 3


def report(fault: Fault, *, as_json: bool = False, subject: str = "") -> None:
    """Say `fault` on stderr. `subject` names whose failure it is, where a command was about several and the
    sentence doesn't say."""
    if as_json:
        from volant.client.cli.output import as_json as encode

        terminal.say(encode(described(fault, subject), descriptor=2))
        return
    colour = terminal.wants_colour(2)
    prefix = f"{harmless(subject)}: " if subject and subject not in fault.message else ""
    terminal.say(f"{_painted('error:', '1;31', colour)} {prefix}{_one_line(fault.message)}")
    if fault.hint:
        terminal.say(f"{_painted('hint:', '36', colour)} {_one_line(fault.hint)}")
    for line in excerpts(fault.data):
        terminal.say(line)


def described(fault: Fault, subject: str = "") -> dict[str, Any]:
    """The fault for programs; `name` and `data` only where there is something in them."""
    found: dict[str, Any] = {"code": str(fault.data.get("code", fault.code)), "message": fault.message, "hint": fault.hint}
    if subject:
        found["name"] = subject
    if fault.data:
        found["data"] = fault.data
    return found


def excerpts(data: dict[str, Any]) -> list[str]:
    """Console, stderr and command line of a boot that failed, indented below the error."""
    lines = []
    for key, title in _EXCERPTS:
        text = _joined(data.get(key))
        if text:
            lines.append(f"  {title}:")
            lines.extend(f"{_INDENT}{line}" for line in text.split("\n"))
    return lines


def nearest(word: str, choices: list[str]) -> list[str]:
    """Which of `choices` somebody who typed `word` may have meant, the likeliest first: a slip in every three letters, or a beginning."""
    allowed = max(1, len(word) // 3)
    distances = {choice: distance(word, choice) for choice in choices if abs(len(word) - len(choice)) <= allowed}
    close = sorted((choice for choice in distances if distances[choice] <= allowed), key=lambda choice: distances[choice])
    begun = [choice for choice in choices if len(word) > 1 and choice.startswith(word)]
    return list(dict.fromkeys([*close, *begun]))[:MAX_SUGGESTIONS]


def did_you_mean(word: str, choices: list[str]) -> str:
    """A question that names the nearest of `choices`; empty when none is near."""
    close = nearest(word, choices)
    return f"did you mean {' or '.join(repr(choice) for choice in close)}?" if close else ""


def distance(one: str, other: str) -> int:
    """How many letters must be added, dropped, changed or swapped with their neighbour (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        before, last, row = row, before, [at]
        for to, wanted in enumerate(other, 1):
            cost = min(before[to] + 1, row[-1] + 1, before[to - 1] + (letter != wanted))
            if at > 1 and to > 1 and letter == other[to - 2] and one[at - 2] == wanted:
                cost = min(cost, last[to - 2] + 1)
            row.append(cost)
    return row[-1]


def _joined(value: object) -> str:
    """An excerpt as lines of harmless text, whether it came as a text, as lines or as words."""
    if isinstance(value, str):
        return harmless_block(value).strip("\n")
    if isinstance(value, (list, tuple)):
        words = [str(word) for word in value]
        return "\n".join(harmless(word.rstrip("\r\n")) for word in words)
    return ""


def _one_line(text: str) -> str:
    """A sentence of a fault; one that has several lines keeps them, below each other."""
    return harmless_block(text).rstrip("\n").replace("\n", "\n" + _INDENT)


def _painted(text: str, style: str, colour: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if colour else text
