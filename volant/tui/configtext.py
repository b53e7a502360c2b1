"""A VM's config as a text that people edit: YAML out, YAML in, and the patch that leads from one to the other. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from volant.proto.errors import Fault, InvalidParams
from volant.proto.specs.vmconfig import RESERVED_LABELS

FIELDS = ("cpu_cores", "memory_mb", "env", "labels", "kernel", "cmdline", "boot", "forwards", "restart", "autostart")
"""What `vm.patch` can change, in the order of the text."""
MAPS = ("env", "labels")
MARK = "#! "
"""What a line begins with that says what is wrong with the line above it; it is taken out again."""
MAX_TEXT = 256 * 1024
"""Bytes of an edited text: a patch travels in one frame of as many."""


def to_text(name: str, version: int, config: Mapping[str, Any]) -> str:
    """The config as YAML, with what there is to know in comments."""
    import yaml

    fixed = ", ".join(f"{key} {config[key]}" for key in ("plugin", "plugin_version", "network", "hypervisor") if config.get(key))
    head = (
        f"# The configuration of {name}, version {version}.\n"
        "# What is changed here is shown and asked about before it is done; leave\n"
        "# the text as it is to change nothing. A line that is taken out is given\n"
        "# back to the manifest or the default.\n"
        f"# Not to be changed here: {fixed}\n"
    )
    shown = {field: own(config[field]) if field in MAPS else config[field] for field in FIELDS if field in config}
    body: str = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, default_flow_style=False, width=4096)
    return head + body


def own(named: Mapping[str, str]) -> dict[str, str]:
    """Variables or labels without those that Volant sets itself."""
    return {name: text for name, text in named.items() if name not in RESERVED_LABELS}


def from_text(text: str) -> dict[str, Any]:
    """What the text says. InvalidParams, whose data has `problems` as those of the daemon, or `line`, counted from 1."""
    import yaml

    if len(text.encode(errors="replace")) > MAX_TEXT:
        raise InvalidParams(f"the text is longer than {MAX_TEXT // 1024} KiB", hint="say less")
    try:
        said = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise InvalidParams(f"line {line} is no YAML: {error.problem or error.context}", hint="edit it again", line=line) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidParams(f"the text is no YAML: {error}", hint="edit it again", line=1) from None
    if said is None:
        said = {}
    if not isinstance(said, dict):
        raise InvalidParams("the text holds no fields", hint="a field is a line like `memory_mb: 512`", line=1)
    unknown = [str(key) for key in said if key not in FIELDS]
    if unknown:
        problems = [{"path": key, "message": f"can't be set here; what can is {', '.join(FIELDS)}"} for key in unknown]
        raise InvalidParams(f"there is no field {unknown[0]!r} to set", hint="edit it again", problems=problems)
    for field in MAPS:
        value = said.get(field)
        if value is not None and not (isinstance(value, dict) and all(isinstance(one, str) for pair in value.items() for one in pair)):
            problem = {"path": field, "message": "must be lines of `NAME: TEXT`; numbers and words like true need quotes"}
            raise InvalidParams(f"{field} must be names and texts", hint="edit it again", problems=[problem])
    return said


def patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of `vm.patch` that lead from one to the other; empty when they are the same."""
    params: dict[str, Any] = {}
    unset: list[str] = []
    for field in FIELDS:
        if field not in before:
            continue
        old, new = before[field], after.get(field)
        if field in MAPS:
            new = new or {}
            changed = {name: text for name, text in new.items() if old.get(name) != text}
            params |= {field: changed} if changed else {}
            unset += [f"{field}.{name}" for name in own(old) if name not in new]
        elif new is None and old not in ("", None, [], ()):
            unset.append(field)
        elif new is not None and new != old:
            params[field] = new
    return {**params, **({"unset": unset} if unset else {})}


def marked(text: str, fault: Fault) -> str:
    """The text with what is wrong below the lines that it is about; what belongs to no line comes first."""
    lines = [line for line in text.splitlines() if not line.startswith(MARK)]
    notes: dict[int, list[str]] = {}
    problems = fault.data.get("problems") or [{"path": "", "message": fault.message}]
    for problem in problems:
        at = fault.data.get("line") or line_of(lines, str(problem.get("path", "")).split("."))
        notes.setdefault(int(at), []).append(MARK + " ".join(str(problem.get("message", "")).split()))
    made = list(notes.get(0, ()))
    for number, line in enumerate(lines, 1):
        made += [line, *notes.pop(number, ())]
    return "\n".join([*made, *(note for number, late in notes.items() if number for note in late)]) + "\n"


def line_of(lines: Sequence[str], path: Sequence[str]) -> int:
    """The number of the line, counted from 1, that says the field of this path, or what holds it; 0 for none."""
    found = start = 0
    for depth, name in enumerate(path):
        for number, line in enumerate(lines[start:], start + 1):
            bare = line.lstrip(" -")
            indent = len(line) - len(line.lstrip(" "))
            if depth and found and indent == 0 and bare and number > found + 1:
                break
            if bool(indent) == bool(depth) and bare.startswith((f"{name}:", f"'{name}':", f'"{name}":')):
                found = start = number
                break
        else:
            break
    return found
