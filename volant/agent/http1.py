"""HTTP/1.1 heads and bodies as bytes, for both ends; no sockets here. `http.client` costs 250 ms to import in an emulated guest."""

from __future__ import annotations

from typing import NamedTuple

MAX_HEAD = 65_536
"""Bytes of a request's or response's head: what common servers allow in all headers together."""

MAX_HEADERS = 256
"""Header lines in one head."""

MAX_LENGTH_DIGITS = 18
"""Of a Content-Length: an exabyte. Python itself refuses to read numbers of some thousand digits."""

MAX_CHUNK_LINE = 1_024
"""Bytes of the line before a chunk: a number and perhaps an extension."""

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers about one connection, never passed on (RFC 9110, 7.6.1)."""

Headers = list[tuple[str, str]]

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

_HEX = frozenset(b"0123456789abcdefABCDEF")


class HttpError(Exception):
    """The peer's HTTP is wrong, or what we were asked to send could not be HTTP; the text says what."""


class Head(NamedTuple):
    """A parsed head: `first` holds the three words of its first line."""

    first: tuple[str, str, str]
    headers: Headers

    def get(self, name: str) -> str:
        """The value of a header (several joined by commas); empty when there is none."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    def passed_on(self) -> Headers:
        """The headers without those of this hop."""
        named = {word.strip().lower() for word in self.get("connection").split(",")}
        return [(name, value) for name, value in self.headers if name.lower() not in HOP_BY_HOP | named]


def is_token(text: str) -> bool:
    """Whether `text` can be a method or a header's name."""
    return bool(text) and _TOKEN.issuperset(text)


def parse_head(raw: bytes) -> Head:
    """The head whose bytes, up to the empty line, are `raw`."""
    first, *lines = raw.decode("latin-1").replace("\r\n", "\n").rstrip("\n").split("\n")
    words = first.split(" ", 2)
    if len(words) < 2:
        raise HttpError(f"the first line makes no sense: {first[:80]!r}")
    if len(lines) > MAX_HEADERS:
        raise HttpError(f"there are {len(lines)} headers; at most {MAX_HEADERS} are allowed")
    headers: Headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not is_token(name):
            raise HttpError(f"a header line makes no sense: {line[:80]!r}")
        headers.append((name, value.strip(" \t")))
    return Head((words[0], words[1], words[2] if len(words) > 2 else ""), headers)


def status_of(head: Head) -> int:
    """The status of a response's head."""
    version, status, _ = head.first
    if not version.startswith("HTTP/1.") or len(status) != 3 or not status.isdecimal():
        raise HttpError(f"not an HTTP/1 response: {' '.join(head.first)[:80]!r}")
    return int(status)


def render_head(first: str, headers: Headers) -> bytes:
    """A head's bytes; HttpError when a name or value would break out of its line."""
    for name, value in headers:
        if not is_token(name) or any(mark in value for mark in "\r\n\0"):
            raise HttpError(f"{name[:40]!r} can't be sent as a header")
    text = "".join([f"{first}\r\n", *(f"{name}: {value}\r\n" for name, value in headers), "\r\n"])
    return text.encode("latin-1", errors="replace")


def check_target(method: str, path: str) -> None:
    """HttpError unless `method` and `path` can stand in a request's first line."""
    if not is_token(method):
        raise HttpError(f"{method[:40]!r} is no HTTP method")
    if not path.startswith("/") or any(ord(char) <= 32 or ord(char) >= 127 for char in path):
        raise HttpError(f"{path[:80]!r} is no request path: it begins with / and has no spaces; percent-encode others")


class BodyReader:
    """Cuts a body out of what arrives; `feed` gives payload, `done` tells the end."""

    def __init__(self, *, length: int | None, chunked: bool) -> None:
        """`length` None and not chunked: the body ends with the connection."""
        self._left = length
        self._chunked = chunked
        self._held = b""
        self._state = "size"
        self.done = length == 0 and not chunked

    def feed(self, data: bytes) -> bytes:
        """The payload in `data`; what follows the body's end is dropped."""
        if self.done:
            return b""
        if self._chunked:
            return self._feed_chunked(data)
        if self._left is None:
            return data
        piece = data[: self._left]
        self._left -= len(piece)
        self.done = self._left == 0
        return piece

    def end(self) -> None:
        """The connection ended; HttpError when the body is not complete."""
        if not self.done and (self._chunked or self._left is not None):
            raise HttpError("the connection ended in the middle of the body")
        self.done = True

    def _feed_chunked(self, data: bytes) -> bytes:
        self._held += data
        payload = b""
        while not self.done:
            if self._state == "data":
                assert self._left is not None
                piece = self._held[: self._left]
                payload += piece
                self._held = self._held[len(piece) :]
                self._left -= len(piece)
                if self._left:
                    break
                self._state = "gap"
            line, newline, rest = self._held.partition(b"\n")
            if not newline:
                if len(line) > MAX_CHUNK_LINE:
                    raise HttpError("a chunk's size line does not end")
                break
            self._held = rest
            self._take_line(line.strip())
        return payload

    def _take_line(self, line: bytes) -> None:
        """A line between chunks: the end of one, the size of the next, or a trailer."""
        if self._state == "gap":
            self._state = "size"
        elif self._state == "trailer":
            self.done = not line
        else:
            size = line.partition(b";")[0].strip()
            if not size or not _HEX.issuperset(size) or len(size) > 16:
                raise HttpError(f"{line[:40]!r} is no chunk size")
            self._left = int(size, 16)
            self._state = "data" if self._left else "trailer"


def response_body(method: str, status: int, head: Head) -> BodyReader:
    """How the body of this response ends (RFC 9112, 6.3)."""
    if method == "HEAD" or status in (204, 304) or status < 200:
        return BodyReader(length=0, chunked=False)
    return _framed(head, None)


def request_body(head: Head) -> BodyReader:
    """How the body of this request ends."""
    return _framed(head, 0)


def _framed(head: Head, otherwise: int | None) -> BodyReader:
    if head.get("transfer-encoding").lower().endswith("chunked"):
        return BodyReader(length=None, chunked=True)
    length = head.get("content-length")
    if not length:
        return BodyReader(length=otherwise, chunked=False)
    if not length.isdecimal() or len(length) > MAX_LENGTH_DIGITS:
        raise HttpError(f"{length[:40]!r} is no content length")
    return BodyReader(length=int(length), chunked=False)


def chunk(data: bytes) -> bytes:
    """`data`, not empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
