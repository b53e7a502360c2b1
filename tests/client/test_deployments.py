"""Deployments as a person, a script and a program use them: the `volant` command and the SDK against a real daemon with fake guests."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.complaints import complaint
from tests.fakes.hello import hello
from tests.rig import Rig, rig
from volant.client.aio import AsyncClient
from volant.proto.api import deployment as api
from volant.proto.errors import ExitCode, NoSuchDeployment
from volant.proto.specs.states import DeploymentStatus


@pytest.fixture(scope="module")
def house() -> Iterator[Rig]:
    with rig(hypervisor="fake", network="none") as made:
        made.start()
        for version in ("1.0.0", "1.1.0"):
            made.volant("plugin", "install", hello(made.root, version=version))
        yield made


@pytest.fixture
def web(house: Rig) -> Iterator[Rig]:
    """With a deployment `web` of three."""
    said = house.volant("deployment", "create", "web", "--plugin", "hello@1.0.0", "-n", "3", "--env", "COLOUR=blue", "--wait")
    assert said.stdout == "web\n"
    yield house
    house.volant("deployment", "delete", "web")


def test_a_life_of_a_deployment(web: Rig) -> None:
    assert web.volant("vm", "list", "--filter", "deployment=web", "-o", "name").stdout.split() == ["web-1", "web-2", "web-3"]
    web.volant("deployment", "scale", "web", "5", "--wait")
    header, row = (line.split("\t") for line in web.volant("deployments", "ls").stdout.splitlines())
    assert (header[:7], row[:7]) == (
        ["NAME", "STATUS", "REPLICAS", "AVAILABLE", "UPDATED", "PLUGIN", "VERSION"],
        ["web", "ready", "5", "5", "5", "hello", "1.0.0"],
    )
    web.volant("deploy", "update", "web", "--plugin", "hello", "--unset-env", "COLOUR", "--max-unavailable", "3", "--wait")
    found = web.json("deployment", "get", "web")
    assert (found["revision"], found["template"]["plugin_version"], found["template"]["env"], found["updated"]) == (2, "1.1.0", {}, 5)
    web.volant("deployment", "undo", "web", "--wait")
    history = web.json("deployment", "history", "web")["items"]
    assert [(item["revision"], item["note"]) for item in history] == [(3, "undone to 1"), (2, "updated"), (1, "created")]
    assert all(item["author"].startswith("uid:") and item["origin"].startswith("pid ") for item in history)
    web.volant("deployment", "pause", "web")
    said = web.volant("deployment", "update", "web", "--memory", "256M", "--wait")
    assert said.stderr.splitlines()[-1] == "web is paused: revision 4 is rolled out once the deployment is resumed"
    assert web.json("deployment", "get", "web")["status"] == "paused"
    assert web.json("vm", "get", "web-1")["memory_mb"] == 128
    web.volant("deployment", "resume", "web", "--wait")
    assert web.json("vm", "get", "web-1")["memory_mb"] == 256


def test_deleting_or_stopping_a_replica_says_that_it_comes_again(web: Rig) -> None:
    said = web.volant("vm", "stop", "web-1")
    assert (said.stdout, said.stderr) == (
        "web-1\n",
        "web-1 is a replica of deployment web, which makes it anew; `volant deployment scale` makes fewer\n",
    )
    said = web.volant("vm", "delete", "web-2", "--force")
    assert (said.stdout, said.stderr) == (
        "web-2\n",
        "web-2 was a replica of deployment web, which makes it anew; `volant deployment scale` makes fewer\n",
    )
    assert web.volant("vm", "delete", "web-3", "--force", "--quiet").stderr == ""
    web.volant("deployment", "status", "web", "--wait")
    assert web.json("vm", "get", "web-2")["deployment"] == "web"


def test_a_timeout_without_a_wait_is_refused_and_not_left_without_effect(web: Rig) -> None:
    complaint(
        web.volant("deployment", "status", "web", "--watch", "--timeout", "1s", check=False), ExitCode.USAGE, "is for --wait", "--watch"
    )


def test_status_is_a_sentence_for_people_and_records_for_programs(web: Rig) -> None:
    line = web.volant("deployment", "status", "web", "-o", "table").stdout
    assert line == "web is ready: 3 of 3 available, 3 up to date\n"
    with web.under_way("deployment", "status", "web", "--watch", "-o", "jsonl") as watching:
        assert watching.stdout is not None
        first = json.loads(watching.stdout.readline())
        web.volant("deployment", "scale", "web", "4")
        seen = [first]
        while seen[-1]["available"] < 4:
            seen.append(json.loads(watching.stdout.readline()))
    assert (first["available"], seen[-1]["replicas"]) == (3, 4)


def test_a_dry_run_shows_and_changes_nothing(web: Rig) -> None:
    said = web.volant("deployment", "scale", "web", "9", "--dry-run", "-o", "json")
    assert json.loads(said.stdout)["replicas"] == 9
    assert "nothing was changed" in said.stderr
    shown = web.volant("deployment", "create", "api", "--plugin", "hello", "--dry-run").stdout
    assert "replicas\t1\n" in shown and '"plugin_version": "1.1.0"' in shown
    assert web.json("deployment", "list")["total"] == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("deployment get wep", ExitCode.NOT_FOUND, "did you mean 'web'?"),
        ("deployment create web --plugin hello", ExitCode.CONFLICT, "a deployment named 'web' exists already"),
        ("deployment create x --plugin helo", ExitCode.NOT_FOUND, "did you mean 'hello'?"),
        ("deployment create x --plugin hello -n 5000", ExitCode.USAGE, "a deployment has 0 to 1000"),
        ("deployment create x --plugin hello -p 8080:80", ExitCode.USAGE, "names a host port, which only one VM could have"),
        ("deployment scale web many", ExitCode.USAGE, "is no whole number"),
        ("deployment undo web", ExitCode.NOT_FOUND, "no earlier revision with another description"),
        ("deployment rollback web", ExitCode.USAGE, "there is no deployment command 'rollback'"),
        ("deployment update web --memory 64M --wait", ExitCode.USAGE, "memory_mb is 64"),
    ],
)
def test_what_goes_wrong_is_said_with_its_exit_code(web: Rig, words: str, code: ExitCode, said: str) -> None:
    done = web.volant(*words.split(), check=False)
    assert done.returncode == code, done.stderr
    assert said in done.stderr


def test_the_blocking_client_has_every_verb(web: Rig) -> None:
    with web.client() as client:
        assert client.deployments.get(name="web").status is DeploymentStatus.READY
        page = client.deployments.list(text="HELL")
        assert [view.name for view in page.items] == ["web"] and page.seq > 0
        assert client.deployments.scale(name="web", replicas=1, wait=True).available == 1
        assert [view.available for view in client.deployments.status(name="web")] == [1]
        assert client.call(api.HISTORY, api.DeploymentName(name="web")).items[-1].template.env == {"COLOUR": "blue"}
        with pytest.raises(NoSuchDeployment):
            client.deployments.get(name="api")


def test_the_asyncio_client_follows_a_deployment(web: Rig) -> None:
    import asyncio

    async def follow() -> list[int]:
        async with AsyncClient(str(web.socket)) as client:
            await client.deployments.scale(name="web", replicas=2)
            return [view.replicas async for view in client.deployments.status(name="web", wait=True)]

    assert set(asyncio.run(follow())) == {2}


def test_a_list_is_read_page_by_page(web: Rig) -> None:
    with web.client() as client:
        for number in range(5):
            client.deployments.create(name=f"page-{number}", plugin="hello", replicas=0)
        assert [view.name for view in client.deployments.list(limit=2, offset=1).items] == ["page-1", "page-2"]
        long = {f"K{number}": "v" * 4_000 for number in range(50)}
        for number in range(12):
            client.deployments.create(name=f"long-{number:02}", plugin="hello", replicas=0, env=long)
        first = client.deployments.list(text="long-")
        assert 0 < len(first.items) < first.total == 12, "a page ends before its frame is full"
    names = web.volant("deployment", "list", "--text", "long-", "-o", "name").stdout.split()
    assert names == [f"long-{number:02}" for number in range(12)]
    web.volant("deployment", "delete", *names, *(f"page-{number}" for number in range(5)))
