"""One VM: overview, configuration with its history, events, and what its agent offers."""

from __future__ import annotations

import json
import shlex
from functools import partial
from typing import TYPE_CHECKING, Any

from volant.client.cli import human
from volant.client.cli.text import harmless
from volant.proto.errors import Fault, NoSuchVm
from volant.tui import travelling
from volant.tui.lines import Line, Span, clipped
from volant.tui.model import Delta, Record
from volant.tui.readings import EVERY_MS, Readings
from volant.tui.screens.base import Copyable, Screen
from volant.tui.screens.listing import PANE_FROM, PANE_GAP, beside_pane, side_by_side
from volant.tui.screens.reader import Reader
from volant.tui.screens.vm_events_page import EventsPage
from volant.tui.screens.vm_facts import facts, metrics, of_vm, usage

if TYPE_CHECKING:
    from volant.tui.desk import Desk

TABS = ("overview", "config", "history", "events", "metrics", "actions")
LABEL = 12
"""Columns of a fact's name."""

_ASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "overview": ("vm.get", {}),
    "config": ("vm.config", {}),
    "history": ("vm.config_history", {}),
    "actions": ("vm.actions", {}),
}


class VmScreen(Screen):
    """Known by its id, so that a VM that is deleted and made anew under the same name is another one."""

    contexts = ("vm", "text", "vms")
    in_past = True

    def __init__(self, vm_id: str, tab: str = "overview") -> None:
        self._id, self._tab = vm_id, tab
        self._last: Record | None = None
        """As it was last seen: it may be deleted while we look."""
        self._gone = False
        self._answers: dict[str, Any] = {}
        self._reader: Reader[Line] = Reader(follow=False)
        self._drawn: object = None
        self._generation = -1
        self._versions_of: object = None
        """The tape for which the versions of its configuration were asked."""
        self._readings = Readings()
        self._meter = 0
        """The call that tells what it costs; 0: nobody looks."""
        self._events = EventsPage(vm_id)

    @classmethod
    def opened(cls, desk: Desk, argument: str) -> VmScreen:
        vm_id = next((vm_id for vm_id, vm in desk.snapshot.vms.items() if vm["name"] == argument), "")
        if not vm_id:
            raise NoSuchVm(argument)
        desk.home.rows.select(vm_id)
        return cls(vm_id)

    @property
    def title(self) -> str:
        return str(self._last["name"]) if self._last is not None else "vm"

    @property
    def hints(self) -> tuple[str, ...]:  # type: ignore[override]
        moment = ("vm.moment",) if self._tab == "events" else ()
        return ("tab.next", *moment, "vm.console", "actions", "vm.logs", "vm.attach", "copy")

    def offers(self, desk: Desk, action: str) -> bool:
        return super().offers(desk, action) and (action != "vm.moment" or self._events.chosen(desk) is not None)

    def copies(self, desk: Desk) -> list[Copyable]:
        event = self._events.chosen(desk) if self._tab == "events" else None
        more = [] if event is None else [Copyable("e", "event as JSON", json.dumps(dict(event), ensure_ascii=False))]
        return [*of_vm(self._last), *more]

    def command(self, desk: Desk) -> str:
        words = {"overview": ("vm", "get"), "config": ("vm", "config"), "history": ("vm", "history"), "actions": ("vm", "actions")}
        words |= {"events": ("events", "--vm")}
        name = f"name:{self.title}" if self._tab == "metrics" else self.title
        return shlex.join(("volant", *words.get(self._tab, ("top", "--filter")), name))

    def shown(self, desk: Desk) -> None:
        self.refreshed(desk, Delta())
        self._measure(desk)

    def hidden(self, desk: Desk) -> None:
        if self._meter:
            desk.pending.forget(self._meter)
        self._meter = 0

    def _measure(self, desk: Desk) -> None:
        """Hear what it costs while somebody looks at that."""
        wanted = (
            self._tab in ("metrics", "overview")
            and desk.screen is self
            and desk.snapshot.is_live
            and self._last is not None
            and not self._gone
        )
        if wanted and not self._meter and self._last is not None:
            params = {"name": self._last["name"], "every_ms": EVERY_MS}
            self._meter = desk.pending.follow("vm.stats_watch", params, self._read, self._measured)
        elif not wanted:
            self.hidden(desk)

    def _read(self, items: list[Any]) -> None:
        for item in items:
            self._readings.take(item)
        self._drawn = None

    def _measured(self, result: Any) -> None:
        self._meter = 0
        self._answered("metrics", result)

    def refreshed(self, desk: Desk, delta: Delta) -> None:
        """The list's record is fresh at once; what the tab shows besides is asked for anew when the VM changed."""
        record = desk.snapshot.vms.get(self._id)
        self._gone = record is None and (desk.snapshot.is_live or desk.past is not None)
        if not desk.snapshot.is_live:
            self._events.lost()
        self._last = record or self._last
        if record is not None and desk.snapshot.is_live and desk.screen is self and record["generation"] != self._generation:
            self._generation = record["generation"]
            self._ask(desk)
        self._ask_versions(desk)
        self._measure(desk)

    def _ask(self, desk: Desk) -> None:
        tab = self._tab
        if self._last is None or tab == "metrics":
            return
        if tab == "events":
            self._events.need(desk)
            return
        method, more = _ASKS[tab]
        desk.pending.call(method, {"name": self._last["name"], **more}, lambda result: self._answered(tab, result))

    def _answered(self, tab: str, result: Any) -> None:
        self._answers[tab] = result

    # ------------------------------------------------------------------------------------------------------------ looks

    def subtitle(self, desk: Desk) -> str:
        if self._last is None:
            return ""
        status = "gone" if self._gone else str(self._last["status"])
        at = f"   {desk.home.rows.position + 1}/{len(desk.home.rows)}" if desk.home.rows.selected == self._id else ""
        return f"{desk.glyphs.state(status).sign} {status}{at}"

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        tabs: list[Span] = [(" ", "")]
        for tab in TABS:
            tabs += [(f"[{tab.capitalize()}]" if tab == self._tab else f" {tab} ", "title" if tab == self._tab else "dim"), (" ", "")]
        if self._last is None:
            return [clipped(tuple(tabs), width), (("  this VM is not known", "dim"),)]
        room = max(1, height - 1)
        if width < PANE_FROM:
            return [clipped(tuple(tabs), width), *self._body(desk, width, room)]
        left = beside_pane(width)
        right = self._beside(desk, width - left - PANE_GAP, room)
        return [clipped(tuple(tabs), width), *side_by_side(desk, self._body(desk, left, room), right, left, room)]

    def _body(self, desk: Desk, width: int, height: int) -> list[Line]:
        """What is seen of the page."""
        if self._tab == "events":
            return self._events.lines(desk, width, height)
        answer = self._answers.get(self._tab if desk.past is None else "versions")
        # The page is laid out anew only when what it shows, or its width, is another.
        basis = (self._tab, width, id(answer), id(self._last), self._gone, desk.past.time if desk.past is not None else None)
        if basis != self._drawn:
            self._drawn = basis
            self._reader.replace(self._page(desk, answer, width))
        return self._reader.view(height)

    def _beside(self, desk: Desk, width: int, height: int) -> list[Line]:
        """On a wide terminal: the whole of the chosen event, or, beside the other pages, the latest ones."""
        if self._tab == "events":
            return self._events.whole(desk, width, height)
        if desk.past is None and desk.snapshot.is_live and not self._gone:
            self._events.need(desk)
        return self._events.latest(desk, width, height)

    def _page(self, desk: Desk, answer: Any, width: int) -> list[Line]:
        if desk.past is not None:
            return self._past(desk, width)
        if self._gone:
            return [(("  it was deleted; this is how it was last seen", "warm"),), *self._overview(desk, None, width)]
        if isinstance(answer, Fault) and self._tab != "overview":
            return [((f"  {harmless(answer.message)}", "bad"),), ((f"  {harmless(answer.hint)}", "dim"),)]
        page = getattr(self, f"_{self._tab}")
        lines: list[Line] = page(desk, answer, width)
        return lines

    def _past(self, desk: Desk, width: int) -> list[Line]:
        """What events tell of it: how it was, and what had happened to it."""
        if self._gone:
            return [(("  it did not exist at this moment", "warm"),)]
        if self._tab == "overview":
            return self._overview(desk, None, width)
        if self._tab in ("config", "history"):
            return self._past_config(desk, width)
        return [((f"  events don't tell its {self._tab}; {desk.key_of('past.now')} returns to now", "dim"),)]

    def _past_config(self, desk: Desk, width: int) -> list[Line]:
        """The versions of its configuration that there were, which the daemon keeps with their times."""
        from volant.tui.past.configs import config_at, history_at

        assert self._last is not None
        answer = self._answers.get("versions")
        if isinstance(answer, Fault):
            return [((f"  {harmless(answer.message)}", "warm"),), ((f"  {harmless(answer.hint)}", "dim"),)]
        if answer is None:
            return [(("  asking ...", "dim"),)]
        history = history_at(answer, self._last, desk.wall())
        config = config_at(history)
        if config is None:
            return [(("  the versions of that time are no longer kept", "warm"),)]
        return self._history(desk, history, width) if self._tab == "history" else self._config(desk, config, width)

    def _ask_versions(self, desk: Desk) -> None:
        """Once for each look back: later versions are of later moments."""
        if (
            desk.past is None
            or desk.past.waiting is not None
            or self._tab not in ("config", "history")
            or self._versions_of is desk.past.tape
        ):
            return
        self._versions_of = desk.past.tape
        if desk.past.recording:
            fault = Fault("a recording holds no configurations", hint="they may have secrets in them")
        elif self._id not in desk.live.vms:
            fault = Fault("it was deleted since then, and the versions of its configuration went with it")
        else:
            self._answers.pop("versions", None)
            name = desk.live.vms[self._id]["name"]
            desk.pending.call("vm.config_history", {"name": name}, partial(self._answered, "versions"))
            return
        self._answered("versions", fault)

    def _overview(self, desk: Desk, answer: Any, width: int) -> list[Line]:
        assert self._last is not None
        whole = answer if isinstance(answer, dict) and answer.get("generation") == self._last["generation"] else self._last
        readings = self._readings.of.get(self._id, ()) if desk.past is None and not self._gone else ()
        lines = [*usage(desk, self._last, readings, width, LABEL), *facts(desk, whole, width)]
        console = str(((whole.get("error") or {}).get("data") or {}).get("console") or "")
        if console:
            lines += [(), (("the last lines of its console", "header"),)]
            lines += [clipped(((harmless(line), ""),), width) for line in console.splitlines()[-20:]]
        return lines

    def _config(self, desk: Desk, answer: Any, width: int) -> list[Line]:
        if answer is None:
            return [(("  asking ...", "dim"),)]
        shown = answer["shown"]
        who = f"version {shown['version']} of {answer['config_version']}, {shown['note']} by {shown['author']}"
        pending = set(answer["pending_changes"])
        lines: list[Line] = [((harmless(who), "header"),)]
        if pending:
            lines.append(((f"from the next start on: {harmless(', '.join(sorted(pending)))}", "warm"),))
        for name, value in shown["config"].items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            waits = any(field == name or field.startswith(f"{name}.") for field in pending)
            lines.append(clipped(((f"{name:<16}", "label"), (harmless(text), "warm" if waits else "" if value else "dim")), width))
        return lines

    def _history(self, desk: Desk, answer: Any, width: int) -> list[Line]:
        if answer is None:
            return [(("  asking ...", "dim"),)]
        lines: list[Line] = []
        before: dict[str, Any] = {}
        for version in answer["items"]:
            runs = "  runs" if version["version"] == answer["running_version"] else ""
            age = human.age(version["created_at"], now=desk.wall())
            head = f"version {version['version']}  {version['note']}  {age} ago  {version['author']}"
            block: list[Line] = [((harmless(head), "header"), (runs, "good"))]
            for name, value in version["config"].items():
                if before and before.get(name) != value:
                    block.append(clipped(((f"  - {name}: ", "bad"), (harmless(json.dumps(before.get(name))), "dim")), width))
                    block.append(clipped(((f"  + {name}: ", "good"), (harmless(json.dumps(value)), "")), width))
            before = version["config"]
            lines = [*block, *lines]
        return lines

    def _metrics(self, desk: Desk, answer: Any, width: int) -> list[Line]:
        assert self._last is not None
        return metrics(desk, self._last, self._readings.of.get(self._id, ()), width)

    def _actions(self, desk: Desk, answer: Any, width: int) -> list[Line]:
        if answer is None:
            return [(("  asking ...", "dim"),)]
        if not answer["items"]:
            return [(("  its plugin declares no actions", "dim"),)]
        lines: list[Line] = []
        for each in answer["items"]:
            words: Line = ((f"{harmless(each['name']):<20} ", "name"), (f"{harmless(each['method']):<6} {harmless(each['path'])}  ", "dim"))
            lines.append(clipped((*words, (harmless(each["description"]), "")), width))
        name = harmless(str((self._last or {}).get("name", "")))
        return [*lines, (), (("to call one:  ", "dim"), (desk.key_of("vm.moment"), "key"), (f"  or :vm call {name} ACTION", "name"))]

    def status(self, desk: Desk) -> list[str]:
        if self._last is None:
            return []
        place = self._events.place(desk) if self._tab == "events" else self._reader.place
        return [harmless(self.title), f"config {self._last.get('config_version') or 1}", place]

    # ------------------------------------------------------------------------------------------------------------- keys

    def act(self, desk: Desk, action: str) -> bool:
        steps = {"tab.next": 1, "tab.previous": -1}
        pages = {"vm.describe": "overview", "vm.config": "config", "vm.events": "events", "vm.metrics": "metrics"}
        if action in steps:
            self._turn(desk, TABS[(TABS.index(self._tab) + steps[action]) % len(TABS)])
        elif action in pages:
            self._turn(desk, pages[action])
        elif action in ("vm.next", "vm.previous"):
            self._neighbour(desk, 1 if action == "vm.next" else -1)
        elif action == "vm.moment":
            return self._entered(desk)
        elif not (self._events.act(desk, action) if self._tab == "events" else self._reader.act(action)):
            victims = [self._last] if self._last is not None and not self._gone else []
            return desk.vm_action(action, victims, victims[0] if victims else None)
        return True

    def _turn(self, desk: Desk, tab: str) -> None:
        self._tab = tab
        self._reader.act("first")
        if desk.snapshot.is_live:
            self._ask(desk)
        self._ask_versions(desk)
        self._measure(desk)

    def _entered(self, desk: Desk) -> bool:
        """How the VM was when the chosen event happened; on the page of actions: call one. Whether it means anything on this page."""
        if self._tab == "actions":
            return self.act(desk, "vm.calls")
        event = self._events.chosen(desk) if self._tab == "events" else None
        if event is not None:
            self._tab = "overview"
            travelling.go_to(desk, f"#{event['seq']}")
        return event is not None

    def _neighbour(self, desk: Desk, by: int) -> None:
        rows = desk.home.rows
        rows.select(self._id)
        rows.move(by)
        if rows.selected and rows.selected != self._id:
            desk.go((desk.home, VmScreen(rows.selected, self._tab)))
