"""The connection of a command to its daemon."""

from __future__ import annotations

import argparse

from volant.client.blocking import Client

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from volant.client.following import Following
    from volant.client.resuming import Progress
    from volant.proto.errors import Fault

__all__ = ["Client", "misread", "open_client", "open_following"]

_opened: list[Client] = []
"""The command's newest connection, once it has one."""


def open_client(args: argparse.Namespace) -> Client:
    """A client of the daemon that `--socket`, VOLANT_SOCKET or the default names. Its faults say what is wrong with the socket."""
    _opened[:] = [Client(args.socket, read_only=args.read_only)]
    return _opened[0]


def misread(error: Exception) -> Fault | None:
    """The fault for a command that stumbled with `error` over what it was answered last: answers are shown as they are, for checking
    each would cost more than all the rest. None when it was answered nothing."""
    return _opened[0].misread(error) if _opened else None


def open_following(args: argparse.Namespace, progress: Progress) -> Following:
    """A stream that goes on when the daemon was away, for no longer than `--reconnect`; a person is told, unless `--quiet`."""
    from volant.client.cli.terminal import say
    from volant.client.cli.text import harmless
    from volant.client.following import Following

    return Following(
        lambda: open_client(args),
        progress,
        patience_s=args.reconnect / 1000,
        say=lambda text: None if args.quiet else say(harmless(text)),
    )
