"""How keys get from the terminal to the app: every byte through our own decoder, so that none is lost (`keys.decoder` says why).

Textual keeps everything else: the terminal's modes, its size, mouse and focus, and the writing. Only this module and
`app` touch Textual's inside (`LinuxDriver.run_input_thread`, `App.on_event`); its version is pinned, and the tests in tmux are what
an upgrade has to pass.
"""

from __future__ import annotations

import os
import selectors
from collections.abc import Iterable

from textual import events
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from volant.tui.keys.decoder import Decoder, Key, Pasted, Raw, Token

ESCAPE_S = 0.04
"""How long a lone ESC is waited on for the rest of a sequence: longer than a terminal or tmux takes between two bytes of one."""
LOOK_S = 0.1
"""How often the thread sees whether it is to end."""
READ_BYTES = 4_096


class RawInput(Message):
    """Bytes that were typed while somebody has the keyboard for itself."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = data


class TappedDriver(LinuxDriver):
    """Textual's driver with our decoder in its input thread."""

    def __init__(self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.decoder = Decoder()

    def run_input_thread(self) -> None:
        """Read until the driver ends. Tokens go to the app in the order in which they were typed."""
        parser = XTermParser(self._debug)
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                waiting = self.decoder.waiting
                if selector.select(ESCAPE_S if waiting else LOOK_S):
                    data = os.read(self.fileno, READ_BYTES)
                    if not data:  # the terminal went away; SIGHUP says so as well
                        break
                    self._hand_out(self.decoder.feed(data), parser)
                elif waiting:
                    self._hand_out(self.decoder.flush(), parser)

    def _hand_out(self, tokens: Iterable[Token], parser: XTermParser) -> None:
        for token in tokens:
            if isinstance(token, Key):
                self.process_message(events.Key(token.name, token.name if len(token.name) == 1 else None))
            elif isinstance(token, Pasted):
                self.process_message(events.Paste(token.text))
            elif isinstance(token, Raw):
                self.process_message(RawInput(token.data))
            else:
                for message in parser.feed(token.text):
                    self.process_message(message)
