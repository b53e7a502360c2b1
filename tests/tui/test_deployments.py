"""Deployments at the UI: what is seen, what is asked before it is done, and what is heard while one looks."""

from __future__ import annotations

from tests.tui.desks import Seat, event, fault, vm
from tests.tui.scenes_host import HELD, REVISIONS, ROLLING, STUCK, deployment, deployments, give, one, tell
from volant.tui import effects
from volant.tui.model import Happened


def test_each_step_of_a_rollout_is_seen_as_it_is_told() -> None:
    seat = deployments()()
    assert "4/6" in seat.screen()
    tell(seat, "web", {**ROLLING, "updated": 5}, {**ROLLING, "status": "ready", "updated": 6, "ready": 6})
    screen = seat.screen()
    assert "6/6" in screen
    assert "progressing" not in screen


def test_one_that_is_made_elsewhere_comes_and_one_that_goes_is_not_followed_any_more() -> None:
    seat = deployments()()
    followed = {each.params["name"]: each.tag for each in seat.effects(effects.Follow)}
    assert set(followed) == {"web", "build", "api", "db"}
    seat.desk.heard(Happened((event(8, "DEPLOYMENT_CREATED", {"name": "", "id": ""}),)))
    give(seat, "deployment.list", {"items": [ROLLING, deployment("new")], "total": 2, "seq": 8})
    assert {each.params["name"] for each in seat.effects(effects.Follow)} == {"new"}
    assert {each.tag for each in seat.effects(effects.Unfollow)} == {followed[name] for name in ("build", "api", "db")}
    assert "2/2" in seat.screen()


def test_a_list_of_several_pages_is_put_together() -> None:
    seat = Seat()
    seat.type(", d")
    give(seat, "deployment.list", {"items": [deployment("a")], "total": 2, "seq": 7})
    assert [effect.params for effect in seat.effects(effects.Call)] == [{"limit": 1_000, "offset": 1}]


def test_leaving_the_list_ends_what_it_follows_and_coming_back_follows_again() -> None:
    seat = deployments()()
    seat.effects(effects.Follow)
    seat.type("escape")
    assert len(seat.effects(effects.Unfollow)) == 4
    seat.type("[")
    assert seat.asked() == [("deployment.list", {"limit": 1_000})]


def test_after_a_break_the_list_is_asked_anew() -> None:
    seat = deployments()()
    seat.lose()
    seat.asked()
    seat.connect()
    assert ("deployment.list", {"limit": 1_000}) in seat.asked()


def test_scaling_asks_for_a_number_until_it_is_one() -> None:
    seat = deployments("G s '12x' enter")()
    assert "'12x' is no number of VMs" in seat.screen()
    assert "volant deployment scale web 12" in seat.screen()
    seat.asked()
    seat.type("backspace enter")
    assert seat.asked() == [("deployment.scale", "web")]
    assert seat.calls[0].params == {"name": "web", "replicas": 12}
    seat.answer({})
    assert "web is scaled to 12 (from 6)" in seat.screen()


def test_rolling_back_shows_what_will_be_different_and_asks() -> None:
    seat = deployments("G u")()
    give(seat, "deployment.history", {"items": REVISIONS})
    assert "revision 2: hello 1.0.0, updated 58m ago by uid:0(root)" in seat.screen()
    seat.type("1")
    screen = seat.screen()
    assert "as in revision 2" in screen
    assert "+ env.COLOUR: green" in screen
    seat.type("enter")
    assert [call for call in seat.asked() if call[0] == "deployment.undo"] == []
    seat.type("u")
    give(seat, "deployment.history", {"items": REVISIONS})
    seat.type("1 y")
    assert ("deployment.undo", "web") in seat.asked()
    assert seat.calls[-1].params == {"name": "web", "to_revision": 2}


def test_without_an_earlier_description_there_is_nothing_to_go_back_to() -> None:
    seat = deployments("G u")()
    give(seat, "deployment.history", {"items": REVISIONS[:1]})
    assert "no earlier revision" in seat.screen()


def test_pausing_needs_no_question_and_goes_the_other_way_for_a_paused_one() -> None:
    seat = deployments("G")()
    seat.asked()
    seat.type("p")
    assert seat.asked() == [("deployment.pause", "web")]
    seat.answer({})
    assert "p resumes it" in seat.screen()
    seat.type("g p")
    assert seat.asked() == [("deployment.resume", "api")]


def test_deleting_names_the_effect_and_asks_and_several_want_their_number() -> None:
    seat = deployments("delete")()
    assert "Delete deployment api?" in seat.screen()
    assert "disks are gone for good" in seat.screen()
    seat.asked()
    seat.type("escape * delete '4' enter")
    assert [method for method, _ in seat.asked()] == ["deployment.delete"] * 4


def test_read_only_refuses_every_change() -> None:
    seat = deployments()()
    seat.asked()
    seat.type(": 'ro' enter G s u p delete U n")
    assert seat.asked() == []
    assert "read-only" in seat.screen()


def test_a_fault_is_told_and_nothing_is_lost() -> None:
    seat = deployments("g p")()
    seat.asked()
    seat.answer(*(fault("it is being deleted", "wait") for _ in seat.calls))
    assert "api: it is being deleted; wait" in seat.screen()


def test_the_filter_knows_the_fields_of_deployments() -> None:
    seat = deployments("/ 'state:degraded|plugin:postgres' enter")()
    screen = seat.screen()
    assert "2/4" in screen
    assert "web" not in screen.split("UP TO DATE")[1]


def test_its_vms_come_and_go_with_the_list_of_vms() -> None:
    seat = one()()
    assert "5/5" in seat.screen()
    seat.change(gone=[vm(2)["id"]])
    assert "4/4" in seat.screen()
    assert "lone" not in seat.screen()
    seat.type("enter")
    assert "vms > deployments > web > web-1" in seat.screen()


def test_one_that_is_deleted_while_looked_at_says_so() -> None:
    seat = one()()
    (watch,) = [each for each in seat.effects(effects.Follow) if each.params.get("name") == "web"][-1:]
    seat.desk.answered(watch.tag, {"name": "web"})
    assert "it was deleted" in seat.screen()
    seat.type("p")
    assert [call for call in seat.asked() if call[0] != "deployment.history"] == []


def test_what_can_be_copied() -> None:
    seat = one()()
    seat.type(". C")
    assert seat.effects(effects.Copy) == [effects.Copy("volant deployment status --watch web")]


def test_a_held_or_stuck_one_says_why() -> None:
    seat = deployments("", STUCK, HELD)()
    assert "7→8" in seat.screen()
    seat.type("G enter")
    assert "the next try is in 14 s" in " ".join(seat.screen(60, 15).split())


def test_the_vms_of_a_deployment_stand_beside_it_each_with_how_it_is() -> None:
    seat = deployments("G")()
    screen = seat.screen(140, 30)
    assert "── VMs ──" in screen
    assert "web-4  ● ready " in screen
    assert "web-5  ◐ starting " in screen
    assert "lone" not in screen.partition("── VMs ──")[2]
    seat.change(vm(5, "web-5", deployment="web", status="failed", reason="the kernel panicked", revision=3))
    assert "web-5  ✖ failed       60m  rev 3  the kernel panicked" in seat.screen(180, 30)


def test_what_the_newest_revision_changed_is_asked_once_and_only_where_it_is_shown() -> None:
    seat = deployments("G")()
    seat.screen(80, 24)
    assert "deployment.history" not in [method for method, _ in seat.asked()]
    seat.screen(140, 30)
    seat.screen(140, 30)
    assert seat.asked() == [("deployment.history", "web")]
    seat.answer({"items": REVISIONS})
    screen = seat.screen(140, 30)
    assert "revision 3, 57m ago" in screen
    assert "- env.COLOUR: green" in screen
    assert "+ plugin_version: 1.1.0" in screen


def test_a_deployment_that_was_never_updated_or_whose_history_is_refused_has_no_change() -> None:
    seat = deployments("G")()
    for result in ({"items": REVISIONS[-1:]}, fault("the store can't be read")):
        seat.screen(140, 30)
        give(seat, "deployment.history", result)
        assert "revision 1," not in seat.screen(140, 30)
        seat.type("k")
