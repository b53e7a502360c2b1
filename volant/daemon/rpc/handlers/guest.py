"""Handlers that join a client's call to one at a VM's agent, or to its console, and pump bytes both ways."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import trio

from volant.daemon.host.nurseries import helpers
from volant.daemon.ports import ConsoleChunk, ConsoleReader, ConsoleWriter, GuestCall
from volant.daemon.rpc.app import App
from volant.daemon.rpc.calls import Call
from volant.daemon.rpc.peer import Peer
from volant.daemon.rpc.registry import Encoded, handles
from volant.proto import cbor
from volant.proto.api import guest, vm_call, vm_console
from volant.proto.api import vm as api
from volant.proto.connection import MAX_DATA
from volant.proto.errors import AgentMissing, ConnectionLost, Fault, WriterTaken
from volant.proto.method import Method

P = TypeVar("P")


@handles(vm_call.CALL)
async def call_workload(app: App, peer: Peer, asked: vm_call.CallVm, call: Call) -> api.Done:
    request = app.vms.workload_request(asked)
    async with _calling(app, asked.name, guest.HTTP, request) as inner:
        await _join(call, inner, outward=(api.STDOUT,), announced=True)
    return api.Done(asked.name)


@handles(api.EXEC)
async def run_program(app: App, peer: Peer, asked: api.ExecVm, call: Call) -> Encoded:
    order = guest.Exec(
        argv=asked.argv, env=asked.env, workdir=asked.workdir, user=asked.user, tty=asked.tty, rows=asked.rows, cols=asked.cols,
        timeout_ms=asked.timeout_ms,
    )  # fmt: skip
    async with _calling(app, asked.name, guest.EXEC, order) as inner:
        return await _join(call, inner, outward=(api.STDOUT, api.STDERR), announced=True)


@handles(api.COPY_IN)
async def copy_in(app: App, peer: Peer, asked: api.CopyIn, call: Call) -> Encoded:
    async with _calling(app, asked.name, guest.COPY_IN, guest.GuestPath(path=asked.path)) as inner:
        return await _join(call, inner, outward=())


@handles(api.COPY_OUT)
async def copy_out(app: App, peer: Peer, asked: api.CopyOut, call: Call) -> Encoded:
    async with _calling(app, asked.name, guest.COPY_OUT, guest.GuestPath(path=asked.path)) as inner:
        return await _join(call, inner, outward=(api.STDOUT,), inward=False)


@handles(api.LOGS)
async def logs(app: App, peer: Peer, asked: api.LogsVm, call: Call) -> api.Done:
    order = guest.Logs(tail=asked.tail, since=asked.since, after=asked.after, follow=asked.follow)
    if not asked.follow:
        async with _calling(app, asked.name, guest.LOGS, order) as inner:
            await _join(call, inner, outward=(), inward=False)
        return api.Done(asked.name)
    output = app.vms.output(asked.name)
    async with aclosing(output.follow(order)) as lines:
        async for line in lines:
            await call.send_item(Encoded(cbor.dumps(line)))
    return api.Done(asked.name, output.end)


@handles(vm_console.CONSOLE)
async def console(app: App, peer: Peer, asked: vm_console.ConsoleVm, call: Call) -> api.Done:
    holder = app.vms.console(asked.name)
    async with helpers() as nursery:
        if asked.write:
            await nursery.start(_type, call, holder.writer(f"{peer} (pid {peer.pid})", force=asked.force))
        reader = holder.read(history_bytes=asked.history_bytes, from_offset=asked.from_offset, follow=asked.follow)
        if asked.follow:
            nursery.start_soon(_finish_with_vm, app, asked.name, reader)
        place = _place(reader.offset, reader)
        if asked.from_offset is not None:
            await call.send_item(replace(place, times=holder.times(place.offset)) if asked.times else place)
        async for chunk in reader:
            if asked.from_offset is not None:
                if (begins := _place(chunk.offset, chunk)) != place:
                    await call.send_item(begins)
                place = _place(chunk.offset + len(chunk.data), chunk)
            elif chunk.missed:
                await call.send(api.STDOUT, f"\r\n[{chunk.missed} bytes were missed here]\r\n".encode())
            await call.send(api.STDOUT, chunk.data)
    await call.end(api.STDOUT)
    return api.Done(asked.name)


@handles(vm_console.RESIZE)
async def resize_console(app: App, peer: Peer, asked: vm_console.ConsoleSize) -> api.Done:
    console = app.vms.console(asked.name)
    async with _calling(app, asked.name, guest.CONSOLE_RESIZE, guest.Size(rows=asked.rows, cols=asked.cols)) as inner:
        before, console.size = console.size, (asked.rows, asked.cols)
        console.wake()  # who looks on knows it by the time that the guest draws for it
        try:
            await inner.result()
        except Fault:
            console.size = before
            console.wake()
            raise
    return api.Done(asked.name)


def _place(offset: int, at: ConsoleReader | ConsoleChunk) -> vm_console.ConsolePlace:
    rows, cols = at.size
    return vm_console.ConsolePlace(offset, at.writer, rows=rows, cols=cols)


async def _finish_with_vm(app: App, name: str, reader: ConsoleReader) -> None:
    """A VM that runs no more, and is not about to, has nothing more to say."""
    await app.vms.wait_ended(name)
    reader.finish()


async def _type(call: Call, place: AbstractAsyncContextManager[ConsoleWriter], *, task_status: trio.TaskStatus[None]) -> None:
    """Hold the writer's place until the client has no more to type; if somebody takes it before, the call ends."""
    async with place as writer, helpers() as nursery:
        nursery.start_soon(_fail_when_lost, writer)
        task_status.started()
        while data := await call.receive(api.STDIN):
            await writer.send(data)


async def _fail_when_lost(writer: ConsoleWriter) -> None:
    by = await writer.wait_lost()
    raise WriterTaken(f"{by} has taken over this console", hint="attach again with --force to take it back, or with --read-only to look on")


@asynccontextmanager
async def _calling(app: App, name: str, method: Method[P, Any], params: P) -> AsyncIterator[GuestCall]:
    """A call to the VM's agent; when that goes away meanwhile, the fault names the VM. It is the agent that is away, not the daemon."""
    try:
        async with app.vms.link(name).open(method, params) as inner:
            yield inner
    except ConnectionLost:
        raise AgentMissing(
            f"the agent of VM {name!r} went away in the middle of this", hint=f"`volant vm get {name}` says how the VM is, and why"
        ) from None


async def _join(call: Call, inner: GuestCall, *, outward: Sequence[int], inward: bool = True, announced: bool = False) -> Encoded:
    """Forward everything between client and agent until the agent answers; its answer, or its fault raised.

    With `announced` the agent's first item comes before its bytes, and does so at the client too.
    """
    async with helpers() as nursery:
        if inward:
            nursery.start_soon(_forward_in, call, inner)
        if announced and (item := await inner.next_item()) is not None:
            await call.send_item(Encoded(cbor.dumps(item)))
        async with trio.open_nursery() as outgoing:
            outgoing.start_soon(_forward_items, call, inner)
            for channel in outward:
                outgoing.start_soon(_forward_out, call, inner, channel)
        return Encoded(cbor.dumps(await inner.result()))


async def _forward_in(call: Call, inner: GuestCall) -> None:
    while data := await call.receive(api.STDIN):
        await inner.send(api.STDIN, data)
    await inner.end(api.STDIN)


async def _forward_out(call: Call, inner: GuestCall, channel: int) -> None:
    while data := await inner.receive(channel):
        for start in range(0, len(data), MAX_DATA):
            await call.send(channel, data[start : start + MAX_DATA])
    await call.end(channel)


async def _forward_items(call: Call, inner: GuestCall) -> None:
    while (item := await inner.next_item()) is not None:
        await call.send_item(Encoded(cbor.dumps(item)))
