"""The connection of a command to its daemon."""

from __future__ import annotations

import argparse

from volant.client.blocking import BytesCall, Client

__all__ = ["BytesCall", "Client", "open_client"]


def open_client(args: argparse.Namespace) -> Client:
    """A client of the daemon that `--socket`, VOLANT_SOCKET or the default names. Its faults say what is wrong with the socket."""
    return Client(args.socket)
