"""Every call of the daemon is reached from the command line, from Python and from the terminal UI, or docs/parity.toml says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts import parity
from tests.fakes.rpc_server import serving
from volant.client.aio import AsyncClient
from volant.client.blocking import Client
from volant.proto.method import find


@pytest.mark.parametrize("method", parity.registry())
def test_a_method_is_reached_from_everywhere_or_says_why_not(method: str) -> None:
    reached, left_out = parity.reach(method), parity.exceptions().get(method, {})
    missing = set(parity.SURFACES) - reached.keys()
    assert missing == left_out.keys(), f"{method}: docs/parity.toml lists what is out of reach, and nothing else"
    assert all(len(why.split()) > 3 for why in left_out.values())


def test_reasons_are_about_methods_that_there_are() -> None:
    assert parity.exceptions().keys() <= set(parity.registry())


@pytest.mark.parametrize("method", parity.registry())
def test_both_clients_have_the_method_by_its_noun_and_verb(method: str, tmp_path: Path) -> None:
    plural, _, verb = parity.reach(method)["sdk"].removeprefix("client.").partition(".")
    with serving(tmp_path / "s", {}), Client(str(tmp_path / "s")) as blocking:
        for client in (blocking, AsyncClient(str(tmp_path / "s"))):
            ask = getattr(getattr(client, plural), verb)
            assert find(method).help.lower() in ask.__doc__.lower()


def test_the_page_is_the_codes() -> None:
    assert parity.PAGE.read_text() == parity.page(), "`python -m tests.contracts.parity` writes docs/parity.md anew"


def test_what_counts_as_calling(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "from volant.proto.api.vm_lease import HOLD, MARK\n"
        "BINDING = Binding('vm.delete', 'd')\n"
        "ACTION = Action('vm.restart', 'k', 'kill', 'vm.stop', done='vm.start')\n"
        "PAGES = {'overview': ('vm.get', {}), 'order': ('vm.list', 'vm.watch')}\n"
        "if action == 'vm.call': client.call_plain('vm.config', {}); client.call(HOLD); print(MARK)\n"
        "follow(args, EventProgress({}))\n"
    )
    assert parity.called_in(module) == {"vm.stop", "vm.start", "vm.get", "vm.config", "vm.hold", "event.follow"}
