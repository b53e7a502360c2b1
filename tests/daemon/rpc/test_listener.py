"""The daemon's socket: who may open it, what is in its place, and where it comes from."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from volant.daemon.rpc.listener import accept_all, adopted_sockets, bind_socket
from volant.daemon.rpc.outbox import HIGH_WATER, STALL_SECONDS, Outbox
from volant.daemon.rpc.peer import Group, Peer, owner_policy, peer_of
from volant.proto.api import vm as vm_api
from volant.proto.errors import ConnectionLost, NotAllowed, SocketPathTooLong, StateLocked
from volant.proto.method import NOUNS, methods_of


def test_only_the_owner_and_the_group_may_open_the_socket(socket_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with bind_socket(socket_path, group="no such group"):
        assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600
    assert "the group 'no such group' does not exist" in caplog.text


@pytest.mark.root
def test_the_group_may_open_the_socket_where_it_exists(socket_path: Path) -> None:
    with bind_socket(socket_path, group="adm"):
        found = socket_path.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o660, 0)
        assert found.st_gid != 0


def test_a_leftover_socket_is_replaced(socket_path: Path) -> None:
    bind_socket(socket_path).close()
    assert socket_path.exists()
    with bind_socket(socket_path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(socket_path))


def test_a_socket_that_somebody_answers_is_left_alone(socket_path: Path) -> None:
    with bind_socket(socket_path):
        with pytest.raises(StateLocked, match="another daemon answers"):
            bind_socket(socket_path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(socket_path))


def test_a_file_in_its_place_is_left_alone(socket_path: Path) -> None:
    socket_path.write_text("mine")
    with pytest.raises(StateLocked, match="is no socket"):
        bind_socket(socket_path)
    assert socket_path.read_text() == "mine"


def test_a_path_that_is_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(SocketPathTooLong, match="107"):
        bind_socket(tmp_path / ("x" * 108))


def test_a_folder_that_is_missing_is_said_so(socket_path: Path) -> None:
    with pytest.raises(NotAllowed, match="No such file or directory"):
        bind_socket(socket_path.parent / "missing" / "s")


def test_sockets_of_a_service_manager_are_taken_over(socket_path: Path) -> None:
    """As systemd does it: descriptor 3, and variables that name the process."""
    program = """
import os, sys
from volant.daemon.rpc.listener import adopted_sockets
os.environ["LISTEN_PID"] = str(os.getpid())
(found,) = adopted_sockets(os.environ)
assert not os.get_inheritable(found.fileno()) and not found.getblocking()
assert not [name for name in os.environ if name.startswith("LISTEN")]
print(found.getsockname(), end="")
"""
    with bind_socket(socket_path) as listening:
        before = f"import os; os.dup2({listening.fileno()}, 3); os.execv({sys.executable!r}, [{sys.executable!r}, '-c', {program!r}])"
        done = subprocess.run(
            [sys.executable, "-c", before],
            pass_fds=[listening.fileno()],
            env=os.environ | {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "volantd"},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.stdout, done.stderr) == (str(socket_path), "")


def test_sockets_meant_for_another_process_are_not_taken() -> None:
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1"}
    assert adopted_sockets(environment) == []
    assert environment == {}


async def test_all_that_wait_are_accepted_in_one_go(socket_path: Path) -> None:
    accepted: list[socket.socket] = []
    with bind_socket(socket_path) as listening:
        clients = [socket.socket(socket.AF_UNIX) for _ in range(50)]
        for client in clients:
            client.connect(str(socket_path))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept_all, listening, accepted.append)
            await trio.testing.wait_all_tasks_blocked()
            assert len(accepted) == 50
            nursery.cancel_scope.cancel()
    for connected in accepted + clients:
        connected.close()


def test_the_peer_is_who_connected() -> None:
    one, other = socket.socketpair()
    with one, other:
        peer = peer_of(one)
    assert (peer.uid, peer.gid, peer.pid) == (os.geteuid(), os.getegid(), os.getpid())
    assert peer.groups >= set(os.getgroups())


@pytest.mark.parametrize(
    ("peer", "may_change"),
    [
        (Peer(0, 0, 1), True),
        (Peer(os.geteuid(), 9_999, 1), True),
        (Peer(12_345, 77, 1), True),
        (Peer(12_345, 1, 1, frozenset({77})), True),
        (Peer(12_345, 1, 1, frozenset({78})), False),
    ],
)
def test_who_may_change_things(peer: Peer, may_change: bool) -> None:
    refusal = owner_policy(Group("volant", 77))
    assert (refusal(peer, vm_api.CREATE) is None, refusal(peer, vm_api.LIST) is None) == (may_change, may_change)


def test_a_reader_may_look_and_is_told_how_to_do_more() -> None:
    refusal = owner_policy(Group("volant", 77), Group("auditors", 78))
    reader = Peer(12_345, 1, 1, frozenset({78}))
    assert refusal(reader, vm_api.LIST) is None
    refused = refusal(reader, vm_api.CREATE)
    assert refused is not None
    assert refused.message == "you (uid:12345) may look, but not call vm.create"
    assert refused.hint.startswith("join the group 'volant'")


def test_a_reader_sees_no_file_of_a_guest_and_no_environment() -> None:
    refusal = owner_policy(Group("volant", 77), Group("auditors", 78))
    reader = Peer(12_345, 1, 1, frozenset({78}))
    methods = [method for noun in NOUNS for method in methods_of(noun).values()]
    shown = {method.name for method in methods if refusal(reader, method) is None}
    assert {"vm.list", "vm.get", "vm.logs", "vm.explain", "event.follow", "plugin.list", "system.info"} <= shown
    assert not shown & {"vm.copy_out", "vm.config", "vm.config_history", "vm.config_diff", "deployment.get", "deployment.history"}
    # Whoever adds a call whose result carries a config or a template decides here that readers may not have it.
    for method in methods:
        if method.name in shown:
            assert not {"env", "template", "config"} & {field.name for field in fields(method.result)}, method.name


def test_a_stranger_is_told_which_groups_there_are() -> None:
    stranger = Peer(12_345, 1, 1)
    refused = owner_policy(Group("volant", 77), Group("auditors", 78))(stranger, vm_api.LIST)
    assert refused is not None
    assert refused.message == "you (uid:12345) may not use this daemon"
    assert refused.hint.startswith("join the group 'auditors' to look; to do more, join the group 'volant'")
    alone = owner_policy(Group("volant", None))(stranger, vm_api.LIST)
    assert alone is not None and alone.hint == "run as root, or as the user that runs volantd"


async def test_a_peer_that_takes_nothing_is_given_up_after_a_while(autojump_clock: MockClock) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        outbox = Outbox(ours)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outbox.run)
            outbox.add(b"x" * (HIGH_WATER * 4))
            with pytest.raises(ConnectionLost, match="read nothing for 30 s"):
                await outbox.wait_room()
            assert trio.current_time() == pytest.approx(STALL_SECONDS, abs=1)
            nursery.cancel_scope.cancel()


async def test_all_bytes_leave_in_order_however_little_the_peer_takes() -> None:
    ours, theirs = socket.socketpair()
    expected = b"".join(bytes([n % 251]) * 5_000 for n in range(200))
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        outbox = Outbox(ours)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outbox.run)
            for start in range(0, len(expected), 5_000):
                outbox.add(expected[start : start + 5_000])
            nursery.start_soon(outbox.wait_empty)
            got = bytearray()
            while len(got) < len(expected):
                await trio.lowlevel.wait_readable(theirs)
                got += theirs.recv(3_000)
            assert outbox.unsent == 0
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    assert bytes(got) == expected
