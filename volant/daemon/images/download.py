"""Getting an artifact's bytes: over http(s), or from a file of this host. Blocking, run in a worker thread.

Proxies are taken from the environment (`http_proxy`, `https_proxy`, `no_proxy`), as every other program does.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from volant.daemon.images.cache import Draft, open_regular
from volant.proto.errors import ImageFailed

MAX_REDIRECTS = 10
"""What browsers and curl's scripts allow; mirrors need two or three."""
_CHUNK = 256 * 1024
"""Bytes taken at once: large enough to keep a disk busy, small enough to leave fine holes."""
_REPORT_SECONDS = 0.1
"""Least time between two progress reports: faster than anybody sees."""

Report = Callable[[int, int], None]
"""Told (bytes done, bytes in all; 0 when unknown). May raise, which ends the transfer: that is how it is cancelled."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a server."""

    connect_seconds: float = 15.0
    """Five SYN retries; a server that takes longer is down."""
    stall_seconds: float = 30.0
    """Without a single byte; slower than this no transfer ends."""


DEFAULT_PATIENCE = Patience()


def local_path(url: str) -> Path | None:
    """The file that a file:// URL or an absolute path names; None for other URLs."""
    if url.startswith("file://"):
        return Path(unquote(urlsplit(url).path))
    return Path(url) if url.startswith("/") else None


def copy_file(path: Path, draft: Draft, report: Report) -> None:
    """Copy a file of this host. Not linked: whoever owns it may change it in place later."""
    fd = open_regular(path, str(path))
    with os.fdopen(fd, "rb", buffering=0) as file:
        facts = os.fstat(fd)
        draft.reserve(facts.st_size, holes=max(facts.st_size - facts.st_blocks * 512, 0))
        try:
            _pump(file, draft, facts.st_size, report)
        except OSError as error:
            raise ImageFailed(f"{path} can't be read: {os.strerror(error.errno or 0)}", hint="check the disk it is on") from error


@dataclass(eq=False)
class Download:
    """One GET with its redirects.

    `abort`, from any thread, ends its waiting for data at once; a connection that is being made ends by its own time-out.
    """

    url: str
    patience: Patience
    _socket: socket.socket | None = None
    _aborted: bool = False
    _phase_seconds: float = field(default=0.0, init=False)

    def abort(self) -> None:
        """Make whatever waits for the server fail now."""
        self._aborted = True
        if connected := self._socket:
            with suppress(OSError):
                # Not SSLSocket.shutdown, which would drop the TLS state under the reading thread.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    def run(self, draft: Draft, report: Report) -> None:
        """Fetch into `draft`; ImageFailed says in one sentence what went wrong."""
        opener = urllib.request.build_opener(_Redirects(self.url), _Http(self), _Https(self))
        self._phase_seconds = self.patience.connect_seconds
        try:
            request = urllib.request.Request(self.url, headers={"User-Agent": "volant", "Accept": "*/*"})  # noqa: S310 - http(s) alone gets here
            with opener.open(request, timeout=self.patience.connect_seconds) as response:
                self._receive(response, draft, report)
        except urllib.error.HTTPError as error:
            error.close()
            hint = "check the URL" if error.code in (404, 410) else "try again later, or fetch it by hand and install from the file"
            raise ImageFailed(f"{self.url} is answered with {error.code} {error.reason}", hint=hint) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self._aborted:
                report(draft.size, 0)  # raises what the transfer was ended for
            raise self._fault(error.reason if isinstance(error, urllib.error.URLError) else error) from error

    def connected(self, connection: socket.socket) -> None:
        """A connection of this download exists."""
        self._socket = connection
        self._phase_seconds = self.patience.stall_seconds
        connection.settimeout(self.patience.stall_seconds)
        if self._aborted:
            self.abort()

    def _receive(self, response: Any, draft: Draft, report: Report) -> None:
        total = _announced(response.headers)
        draft.reserve(total)
        _pump(response, draft, total, report)
        if draft.size < total:
            raise ImageFailed(f"{self.url} broke off after {draft.size} of {total} bytes", hint="try again")

    def _fault(self, reason: object) -> ImageFailed:
        where = urlsplit(self.url).netloc or self.url
        if isinstance(reason, socket.gaierror):
            return ImageFailed(
                f"{self.url} can't be fetched: the host name in it can't be resolved", hint="check the name and this host's resolver"
            )
        if isinstance(reason, ConnectionRefusedError):
            return ImageFailed(f"{self.url} can't be fetched: nobody listens at {where}", hint="check host and port")
        if isinstance(reason, TimeoutError):
            return ImageFailed(
                f"{self.url} can't be fetched: no answer from {where} for {self._phase_seconds:g} s",
                hint="try again, or use another mirror",
            )
        if isinstance(reason, ssl.SSLCertVerificationError):
            return ImageFailed(
                f"{self.url} can't be fetched: its certificate is not valid: {reason.verify_message}",
                hint="check the URL and this host's clock",
            )
        if isinstance(reason, http.client.IncompleteRead | http.client.RemoteDisconnected | ConnectionError):
            return ImageFailed(f"{self.url} broke off: the server closed the connection", hint="try again")
        return ImageFailed(f"{self.url} can't be fetched: {reason or type(reason).__name__}", hint="check the URL")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, up to a limit and never in a circle, nor away from what was asked for."""

    def __init__(self, url: str) -> None:
        self._chain = [url]

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        problem = ""
        if newurl in self._chain:
            problem = f"redirects in a circle, back to {newurl}"
        elif len(self._chain) > MAX_REDIRECTS:
            problem = f"redirects more than {MAX_REDIRECTS} times"
        elif scheme not in ("http", "https"):
            problem = f"redirects to {newurl[:80]}, which is neither http nor https"
        elif scheme == "http" and urlsplit(self._chain[-1]).scheme == "https":
            problem = f"redirects from https to unprotected http at {newurl}"
        if problem:
            fp.close()
            raise ImageFailed(f"{self._chain[0]} {problem}", hint="give the URL of the file itself")
        self._chain.append(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _HttpConnection(http.client.HTTPConnection):
    """Tells its download which socket it uses."""

    def __init__(self, *args: Any, download: Download, **options: Any) -> None:
        super().__init__(*args, **options)
        self._download = download

    def connect(self) -> None:
        super().connect()
        self._download.connected(self.sock)


class _HttpsConnection(_HttpConnection, http.client.HTTPSConnection):
    """The same over TLS."""


class _Http(urllib.request.HTTPHandler):
    def __init__(self, download: Download) -> None:
        super().__init__()
        self._download = download

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_HttpConnection, download=self._download), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, download: Download) -> None:
        super().__init__()
        self._download = download

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_HttpsConnection, download=self._download), req, context=ssl.create_default_context())


def _announced(headers: http.client.HTTPMessage) -> int:
    """The Content-Length; 0 when there is none that is a number."""
    text = headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and len(text) < 20 else 0


def _pump(source: Any, draft: Draft, total: int, report: Report) -> None:
    """Move all bytes, reporting at the beginning, now and then, and at the end."""
    report(0, total)
    told = time.monotonic()
    while data := source.read(_CHUNK):
        draft.write(data)
        if time.monotonic() - told >= _REPORT_SECONDS:
            report(draft.size, total)
            told = time.monotonic()
    report(draft.size, total)
