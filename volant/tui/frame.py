"""The whole screen as lines: top line, crumbs, body, keys, status, and what lies over them. Pure.

Where there is little room the frame gives way from the outside in: crumbs from 8 lines on, keys from 6, and the body always.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from volant.client.cli import human
from volant.client.cli.text import harmless, width_of
from volant.tui.keys.bindings import Binding, shown_key
from volant.tui.lines import BLANK, Line, Span, clipped, columns_of, filled, justified, wrapped
from volant.tui.model import Phase

if TYPE_CHECKING:
    from volant.tui.desk import Desk
    from volant.tui.work import Operation

CRUMBS_FROM, KEYS_FROM, HINT_FROM = 8, 6, 12
"""Lines of the terminal from which there is room for them."""
LABELS_FROM = 60
"""Columns from which the line of a lost connection tells of the next try, and that of the past names the keys that step."""
PLAY_FROM = 100
"""Columns from which the line of the past names the key that lets time go on, beside the last event."""
CONTEXT = 24
"""Columns of the daemon's name, at most."""
GRAPH_FROM = 110
"""Columns from which the top line has a sparkline."""
_GAP: Line = (("   ", ""),)
"""Between the parts of the top line."""
PART_KEPT = 9
"""Of the part of it that always stays."""
MAX_SAID = 3
"""Lines that a message may take where the screen has room: what helps stands at its end, and must not be cut off."""
BOX_FROM = 100
"""Columns from which a panel does not take the whole width."""


def frame(desk: Desk, width: int, height: int) -> list[Line]:
    """Exactly `height` lines of exactly `width` columns."""
    if width < 1 or height < 1:
        return []
    head = [_top(desk, width), *([_crumbs(desk, width)] if height >= CRUMBS_FROM else [])] if height > 2 else []
    alarm = _lost(desk, width, height) if desk.snapshot.link.is_lost and desk.snapshot.listed else []
    alarm += [_past(desk, width)] if desk.past is not None else []
    typed = desk.bar.lines(width, max(0, height - len(head) - 4), desk.glyphs["down"]) if desk.bar is not None else []
    said = _said(desk, width, MAX_SAID if height >= HINT_FROM else 1)
    below = len(typed) or (height >= KEYS_FROM) + (height > 1) * max(1, len(said))
    room = max(0, height - len(head) - len(alarm) - below)
    body = [filled(line, width) for line in desk.screen.body(desk, width, room)[:room]] if room else []
    body += [filled(BLANK, width)] * (room - len(body))
    if desk.overlay is not None:
        body = _over(desk, body, width)
    # After the body, which decides what part of it is seen.
    status = (said or [_status(desk, width)]) if height > 1 else []
    foot = typed or [*([_keys(desk, width)] if height >= KEYS_FROM else []), *status]
    return [*head, *body, *(filled(line, width) for line in (*alarm, *foot))][-height:]


def _over(desk: Desk, body: list[Line], width: int) -> list[Line]:
    """The body with a panel over its last lines."""
    assert desk.overlay is not None
    inner = min(width, BOX_FROM) - 2
    panel = desk.overlay.lines(inner, max(1, len(body) - 1), desk.glyphs)
    panel = panel[: max(0, len(body) - 1)]
    rule: Line = ((desk.glyphs["bar"] * min(width, BOX_FROM), "panel.rule"),)
    drawn = [filled(rule, width), *(filled(filled(((" ", "panel"), *line), min(width, BOX_FROM), "panel"), width) for line in panel)]
    return [*body[: len(body) - len(drawn)], *drawn][-len(body) :] if body else []


def _top(desk: Desk, width: int) -> Line:
    snapshot, glyphs = desk.snapshot, desk.glyphs
    phase = snapshot.link.phase
    if phase is Phase.LIVE:
        state: Span = (f"{glyphs['live']} live", "good")
    elif snapshot.link.is_lost:
        state = (f"{glyphs['lost']} disconnected", "bad")
    elif phase is Phase.PAST:
        state = (f"{glyphs['past']} past", "past")
    else:
        state = (f"{glyphs['dots']} {phase.value}", "warm")
    right: Line = (("RO " if desk.unchanging else "RW ", "warm" if desk.unchanging else "dim"),)
    name = harmless(desk.context)
    name = name if len(name) <= CONTEXT else desk.glyphs["dots"] + name[1 - CONTEXT :]  # of a path its end says more
    context: list[tuple[int, Line]] = [(4, ((name, "name"), ("  ", "")))] if name else []
    parts = [*context, (PART_KEPT, (state, *_GAP)), *_figures(desk, width)]
    brand = (" volant ", "brand"), (" ", "")
    while len(parts) > 1 and columns_of((*brand, *right)) + sum(columns_of(part) for _, part in parts) >= width:
        parts.remove(min(parts, key=lambda part: part[0]))
    return justified((*brand, *(span for _, part in parts for span in part)), right, width)


def _figures(desk: Desk, width: int) -> list[tuple[int, Line]]:
    """What the host is busy with; before each how long it is kept where room is short: what counts most stays longest."""
    cpu, memory = desk.busy.words(desk, graph=width >= GRAPH_FROM) if desk.past is None else ((), ())
    up, failed = desk.counts
    vms: list[Span] = [("vms ", "dim"), (f"{up} up", "")]
    vms += [(", ", ""), (f"{failed} failed", "bad")] if failed else []
    vms.append((f" /{len(desk.snapshot.vms)}", "dim"))
    deployments = desk.busy.deployments() if desk.past is None else ()
    found = [(3, cpu), (2, memory), (5, tuple(vms) if desk.snapshot.listed else ()), (1, deployments)]
    return [(kept, (*part, *_GAP)) for kept, part in found if part]


def _crumbs(desk: Desk, width: int) -> Line:
    trail: list[Span] = [(" ", "")]
    for at, screen in enumerate(desk.path):
        last = at == len(desk.path) - 1
        trail.append((harmless(screen.title), "title" if last else "dim"))
        trail += [] if last else [(" > ", "dim")]
    running = sum(operation.left for operation in desk.operations)
    words = [harmless(desk.screen.subtitle(desk)), f"{running} running" if running else ""]
    return justified(tuple(trail), (("  ".join(word for word in words if word) + " ", "dim"),), width)


def _lost(desk: Desk, width: int, height: int) -> list[Line]:
    """Since when, why, when it is tried again, and what helps."""
    link, now = desk.snapshot.link, desk.clock()
    gone = max(0, round(now - link.since))
    age = human.duration(gone) if gone >= 60 else f"{gone}s"
    retry = max(0.0, link.retry_at - now)
    waiting = f" retry in {retry:.0f}s ({desk.key_of('resync')} now) "
    right = (waiting if link.phase is Phase.LOST else " trying now ... ") if width >= LABELS_FROM else ""
    reason, since = harmless(link.reason), f" {desk.glyphs['lost']} DISCONNECTED {age}"
    # What a line is too short for goes below, so that neither the reason nor what helps is cut off.
    whole = width_of(f"{since}: {reason}") + len(waiting) < width or height < HINT_FROM
    left: Line = ((f"{since}: {reason}" if whole else since, "alarm"),)
    lines = [justified(clipped(left, max(0, width - len(right) - 1)), ((right, "alarm"),), width, "alarm")]
    below = "; ".join(part for part in ("" if whole else reason, harmless(link.hint)) if part) if height >= HINT_FROM else ""
    pieces = wrapped(below, width - 3)[:MAX_SAID] if below else []
    return [*lines, *(filled(((f"   {piece}", "alarm"),), width, "alarm") for piece in pieces)]


def _past(desk: Desk, width: int) -> Line:
    """On every screen while somebody looks back: the moment, what had happened last, and the way back."""
    from volant.tui.past.moments import shown

    journey = desk.past
    assert journey is not None
    event = journey.event(journey.index)
    about = f"#{event['seq']} {event['kind']} {event.get('vm') or ''}".strip() if event is not None else ""
    about = "looking back ..." if journey.waiting is not None else about
    ago = f"{human.duration(max(0.0, desk.now() - journey.time))} ago" if not journey.recording else f"in {journey.recording}"
    speed = f"{desk.glyphs['play' if journey.playing else 'held']}x{journey.speed} " if journey.playing or journey.recording else ""
    left = f" {desk.glyphs['past']} PAST {speed}{shown(journey.time)}  {harmless(ago)}  {harmless(about)}"
    keys = f"{desk.key_of('past.now')} {'end' if journey.recording else 'now'} "
    if width >= LABELS_FROM:
        keys = f"{desk.key_of('past.before')} {desk.key_of('past.after')} step  {keys}"
    if width >= PLAY_FROM:
        keys = f"{desk.key_of('past.play')} {'pause' if journey.playing else 'play'}  {keys}"
    # The way back stays where there is no room for both.
    return justified(clipped(((left, "past"),), max(0, width - len(keys) - 1)), ((keys, "past"),), width, "past")


def _keys(desk: Desk, width: int) -> Line:
    """The most useful keys, as many as there is room for; how to get back, further and help is always among them."""
    if desk.bar is not None:
        return _fitting(desk, ("accept", "cancel", "complete"), width)
    if desk.overlay is not None:
        return _fitting(desk, desk.overlay.hints, width)
    always = _fitting(desk, (*(("back",) if len(desk.path) > 1 else ()), "command", "help"), width)
    wanted = _fitting(desk, desk.screen.hints, width - columns_of(always) + 1)
    return (*wanted, *always[1:])


def _fitting(desk: Desk, actions: Sequence[str], width: int) -> Line:
    """The keys of these actions, as many as there is room for, behind one blank."""
    spans: list[Span] = [(" ", "")]
    taken = 1
    for action in actions:
        binding = desk.router.binding(desk.contexts, action)
        if binding is None or not binding.label or not _offered(desk, binding):
            continue
        # A context that is more particular may have taken some of its keys.
        key = next((key for key in binding.keys if desk.router.action(desk.contexts, key) == action), "")
        if not key:
            continue
        words = (f"<{shown_key(key).lower() if len(key) > 1 else key}>", f"{binding.label} ")
        taken += sum(map(len, words))
        if taken > width:
            break
        spans += [(words[0], "key"), (words[1], "")]
    return tuple(spans)


def _said(desk: Desk, width: int, most: int) -> list[Line]:
    """The message, in at most so many lines; what doesn't fit into them is cut off."""
    if desk.said is None:
        return []
    *pieces, last = wrapped(desk.said.text, width - 1)
    shown = [*pieces[: most - 1], " ".join((*pieces[most - 1 :], last))]
    return [clipped(((f" {piece}", desk.said.style),), width) for piece in shown]


def _last(operation: Operation) -> str:
    """What was asked for last, as a command, and how it went."""
    took = human.duration((operation.ended or operation.started) - operation.started)
    return f"last: {harmless(operation.command)} ({f'{len(operation.failures)} failed' if operation.failures else 'ok'}, {took})"


def _offered(desk: Desk, binding: Binding) -> bool:
    """Whether the key would be obeyed now: nobody is offered what is then refused."""
    if binding.changes and (desk.unchanging or not desk.snapshot.is_live):
        return False
    return desk.bar is not None or desk.overlay is not None or desk.screen.offers(desk, binding.id)


def _status(desk: Desk, width: int) -> Line:
    left = "   ".join(("", *filter(None, desk.screen.status(desk))))[2:]
    snapshot = desk.snapshot
    right = f"event {snapshot.seq} " if snapshot.seq else ""
    if desk.past_operations and width >= GRAPH_FROM:
        right = f"{_last(desk.past_operations[-1])}   {right}"
    line: Line = ((left, "dim"),)
    if snapshot.missed:
        right = f"{snapshot.missed} events missed  {right}"
    return justified(line, ((right, "dim"),), width) if columns_of(line) + len(right) < width else clipped(line, width)
