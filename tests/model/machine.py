"""Hypothesis drives a real daemon: several clients at once, calls twice, calls taken back, and the daemon stopped and killed meanwhile.

What came of it is checked at the end of each run (`checker`), and so is that everything comes to rest as it is wanted.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.model.checker import check
from tests.model.clients import PATIENCE_S, Caller, Listener, Order
from tests.model.history import Call, History
from tests.rig import Rig
from volant.client.blocking import Client

CLIENTS = 4
WAIT_MS = 30_000

_runs = itertools.count(1)
_memory = itertools.count(256)
"""Each config differs from all others, so that what is seen tells whose change it was."""

clients = st.integers(0, CLIENTS - 1)
vms = st.sampled_from(("a", "b"))
verbs = st.sampled_from(("create", "start", "stop", "restart", "delete", "delete by force", "patch", "get", "list"))
fleet_verbs = st.sampled_from(("create", "scale", "pause", "resume", "delete", "get"))


def vm_order(verb: str, name: str) -> Order:
    match verb:
        case "create":
            return Order("vm", verb, name, {"plugin": "hello", "memory_mb": next(_memory)})
        case "stop":
            return Order("vm", verb, name, {"wait": False, "grace_ms": 200})
        case "restart":
            return Order("vm", verb, name, {"grace_ms": 200})
        case "delete" | "delete by force":
            return Order("vm", "delete", name, {"force": verb != "delete", "timeout_ms": WAIT_MS})
        case "patch":
            return Order("vm", verb, name, {"memory_mb": next(_memory)})
        case "list":
            return Order("vm", verb, "", {"limit": 1_000})
    return Order("vm", verb, name, {})


def fleet_order(verb: str, name: str, replicas: int) -> Order:
    match verb:
        case "create":
            return Order("deployment", verb, name, {"plugin": "hello", "replicas": replicas})
        case "scale":
            return Order("deployment", verb, name, {"replicas": replicas})
        case "delete":
            return Order("deployment", verb, name, {"timeout_ms": WAIT_MS})
    return Order("deployment", verb, name, {})


class DaemonMachine(RuleBasedStateMachine):
    """One run. `host` has a daemon with the plugin `hello`, which the runs share."""

    host: ClassVar[Rig]

    @initialize()
    def begin(self) -> None:
        self.run = next(_runs)
        self.path = str(self.host.socket)
        with Client(self.path) as client:
            newest = client.call_plain("event.list", {"last": 1})["seq"]
        self.listener = Listener(self.path, newest)
        self.callers = [Caller(self.path) for _ in range(CLIENTS)]
        self.restarts: list[float] = []

    def _name(self, letter: str) -> str:
        return f"{letter}-{self.run}"

    @rule(client=clients, verb=verbs, vm=vms)
    def ask(self, client: int, verb: str, vm: str) -> None:
        self.callers[client].ask(vm_order(verb, self._name(vm)))

    @rule(client=clients, verb=verbs, vm=vms)
    def ask_twice(self, client: int, verb: str, vm: str) -> None:
        for each in (client, (client + 1) % CLIENTS):
            self.callers[each].ask(vm_order(verb, self._name(vm)))

    @rule(client=clients, verb=verbs, vm=vms)
    def ask_and_take_back(self, client: int, verb: str, vm: str) -> None:
        self.callers[client].ask(replace(vm_order(verb, self._name(vm)), cancel=True))

    @rule(client=clients, verb=fleet_verbs, replicas=st.integers(0, 3))
    def ask_for_many(self, client: int, verb: str, replicas: int) -> None:
        self.callers[client].ask(fleet_order(verb, self._name("fleet"), replicas))

    @rule(seconds=st.sampled_from((0.001, 0.01, 0.1, 0.3)))
    def let_time_pass(self, seconds: float) -> None:
        time.sleep(seconds)

    @rule(killed=st.booleans())
    def restart_the_daemon(self, killed: bool) -> None:
        self.host.kill() if killed else self.host.stop()
        self.restarts.append(time.monotonic())
        self.host.start()

    def teardown(self) -> None:
        if not hasattr(self, "callers"):
            return
        try:
            self._check()
        finally:
            # What a finding leaves would be one in the next run, and so in the one that shows it.
            self._clean_up()

    def _check(self) -> None:
        calls = [call for caller in self.callers for call in caller.finish()]
        now = time.monotonic()
        history = History([_ended(call, self.restarts) for call in calls])
        with Client(self.path) as client:
            for letter in ("a", "b", "fleet"):
                history.calls.append(self._last_look(client, "deployment" if letter == "fleet" else "vm", self._name(letter), now))
            self._come_to_rest(client)
            newest = client.call_plain("event.list", {"last": 1})["seq"]
        history.events = list(self.listener.wait_for(newest))
        check(history)
        assert "Traceback" not in self.host.log.read_text()

    def _last_look(self, client: Client, noun: str, name: str, now: float) -> Call:
        """What is wanted in the end, which has to be what was answered last."""
        items = client.call_plain(f"{noun}.list", {"limit": 1_000})["items"]
        found = next((item for item in items if item["name"] == name), None)
        return Call(noun, name, "get", {}, now, time.monotonic(), found, "" if found else "not_found")

    def _come_to_rest(self, client: Client) -> None:
        """Everything becomes what is wanted."""
        until = time.monotonic() + PATIENCE_S
        while unlike := self._unlike(client):
            assert time.monotonic() < until, f"not as wanted: {unlike}"
            time.sleep(0.05)

    def _unlike(self, client: Client) -> list[str]:
        items = client.call_plain("vm.list", {"limit": 1_000})["items"]
        fleets = client.call_plain("deployment.list", {})["items"]
        at_rest = {"running": "ready", "stopped": "stopped"}
        return [
            *(
                f"{item['name']} is {item['status']}, wanted {item['wanted']}"
                for item in items
                if item["status"] != at_rest.get(item["wanted"])
            ),
            *(f"{item['name']} is {item['status']}" for item in fleets if item["status"] not in ("ready", "paused")),
            *(f"{item['name']} has {item['ready']}" for item in fleets if item["ready"] != item["replicas"]),
        ]

    def _clean_up(self) -> None:
        with Client(self.path) as client:
            for item in client.call_plain("deployment.list", {})["items"]:
                client.call_plain("deployment.delete", {"name": item["name"]})
            for item in client.call_plain("vm.list", {"limit": 1_000})["items"]:
                client.call_plain("vm.delete", {"name": item["name"], "force": True})


def _ended(call: Call, restarts: list[float]) -> Call:
    """A lost call may take effect until its daemon is dead."""
    if not call.lost:
        return call
    return replace(call, returned=next((at for at in restarts if at > call.returned), call.returned))
