"""A web server on loopback, in a thread, whose answers a test writes as functions over the raw request."""

from __future__ import annotations

import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


class WebServer:
    """`answers` by path; `asked` counts requests by path. `released` ends whatever waits for it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, Answer] = {}
        self.asked: Counter[str] = Counter()
        self.released = threading.Event()

    def serve(self, path: str, body: bytes, *, length: int | None = None) -> str:
        """Answer with `body`; `length` is what is announced, where that is a lie."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.send_header("Content-Length", str(len(body) if length is None else length))
            request.end_headers()
            request.wfile.write(body)

        self.answers[path] = answer
        return self.url + path

    def redirect(self, path: str, target: str) -> str:
        """Answer with 302."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(302)
            request.send_header("Location", target)
            request.send_header("Content-Length", "0")
            request.end_headers()

        self.answers[path] = answer
        return self.url + path

    def stall(self, path: str, body: bytes, *, length: int) -> str:
        """Answer with the beginning of a longer body, then say nothing until released."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.send_header("Content-Length", str(length))
            request.end_headers()
            request.wfile.write(body)
            request.wfile.flush()
            self.released.wait(60)

        self.answers[path] = answer
        return self.url + path


@contextmanager
def web_server(tls: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    """A server that is gone, with its threads, when the block ends; over `tls` where that is given."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.asked[self.path] += 1
            answer = web.answers.get(self.path)
            try:
                if answer is None:
                    self.send_error(404)
                else:
                    answer(self)
            except ConnectionError:
                pass  # the client gave up, which is what some tests are about

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    if tls is not None:
        # Shaken hands by the thread of the connection, not by the one that accepts.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    web = WebServer(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        web.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
