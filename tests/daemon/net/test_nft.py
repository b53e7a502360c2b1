"""Both ways to run nftables commands behave alike."""

from __future__ import annotations

import pytest

from tests.netns import NetNs
from volant.daemon.net import nft as nft_module
from volant.daemon.net import rules
from volant.daemon.net.claim import NetworkClaim
from volant.daemon.net.nft import LibraryNft, Nft, NftRefused, ProgramNft, open_nft

pytestmark = pytest.mark.root


@pytest.fixture(params=[LibraryNft, ProgramNft])
def make_nft(request: pytest.FixtureRequest) -> type[Nft]:
    kind: type[Nft] = request.param
    return kind


def test_runs_lists_and_refuses(netns: NetNs, make_nft: type[Nft]) -> None:
    nft = make_nft()
    nft.run("add table inet one\nadd table inet two")
    assert [item["table"]["name"] for item in nft.list_json("list tables")["nftables"] if "table" in item] == ["one", "two"]
    with pytest.raises(NftRefused) as missing:
        nft.list_json("list table inet three")
    assert missing.value.is_missing
    assert not missing.value.is_forbidden
    nft.close()


def test_a_claim_is_nothing_to_whoever_reads_the_firewall(netns: NetNs, make_nft: type[Nft]) -> None:
    claim, nft = NetworkClaim(), make_nft()
    nft.run(
        f"add table inet {rules.TABLE}; add chain inet {rules.TABLE} c; add table bridge {rules.TABLE}; add chain bridge {rules.TABLE} c"
    )
    before = netns.run("nft", "-j", "list", "ruleset")
    claim.take()
    assert netns.run("nft", "-j", "list", "ruleset") == before
    assert rules.has_tables(nft.list_json(rules.LIST_CHAINS))
    nft.close()
    claim.release()


def test_an_error_in_the_middle_changes_nothing(netns: NetNs, make_nft: type[Nft]) -> None:
    nft = make_nft()
    with pytest.raises(NftRefused):
        nft.run("add table inet one\ndelete table inet absent\nadd table inet two")
    assert "table" not in {key for item in nft.list_json("list tables")["nftables"] for key in item}
    nft.run("add table inet one")
    nft.close()


def test_without_the_right_to_it_nothing_is_tried(netns: NetNs, monkeypatch: pytest.MonkeyPatch) -> None:
    open_nft().close()
    monkeypatch.setattr(nft_module, "_capabilities", lambda: ~(1 << 12))
    with pytest.raises(PermissionError):
        open_nft()
