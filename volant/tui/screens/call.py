"""One call of a VM's workload: the form that is filled in, and what the workload answered."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from volant.client.cli import human
from volant.client.cli.text import harmless
from volant.proto.errors import Fault
from volant.tui.calling.answer import Answer, lines, pretty
from volant.tui.calling.form import BODY, Form, Row, is_whole
from volant.tui.calling.kept import Kept, Made
from volant.tui.effects import KeepCalls
from volant.tui.field import Field
from volant.tui.lines import Line, clipped, filled, restyled
from volant.tui.overlays import Asking, Choice, Menu
from volant.tui.screens.base import Copyable, Screen
from volant.tui.screens.cursor import Cursor
from volant.tui.screens.reader import Reader

if TYPE_CHECKING:
    from volant.tui.desk import Desk


def kept(desk: Desk) -> Kept:
    """The calls that are remembered; read from their file when they are first wanted."""
    if desk.calls is None:
        desk.calls = Kept(desk.earlier_calls())
    return desk.calls


class FormScreen(Screen):
    """Everything that a request may carry, line by line."""

    contexts = ("form", "calls")
    hints = ("open", "call.send", "form.add", "form.omit", "form.editor", "copy")

    def __init__(self, vm: str, form: Form) -> None:
        self.vm, self.form = vm, form
        self._cursor = Cursor()

    @property
    def title(self) -> str:
        return self.form.target.title

    # ----------------------------------------------------------------------------------------------------------- looks

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        made = self.form.request()
        query = f"?{made.query}" if made.query else ""
        head: list[Line] = [
            ((f" {harmless(made.method)} ", "title"), (harmless(made.path + query), "name")),
            ((f" {harmless(self.form.target.description)}", "dim"),),
            (),
        ]
        rows = self.form.rows
        if not rows:
            return [
                *head,
                (
                    ("  nothing has to be filled in; ", "dim"),
                    (desk.key_of("form.add"), "key"),
                    (" adds a parameter, ", "dim"),
                    (desk.key_of("call.send"), "key"),
                    (" sends it", "dim"),
                ),
            ]
        room = max(1, height - len(head))
        drawn: list[Line] = []
        for at in self._cursor.view(len(rows), room):
            line: Line = ((desk.glyphs["cursor"] if at == self._cursor.at else " ", ""), *_row_line(rows[at]))
            drawn.append(restyled(filled(line, width), "selected") if at == self._cursor.at else line)
        return [clipped(line, width) for line in (*head, *drawn, *_body_lines(rows[-1], width))]

    def command(self, desk: Desk) -> str:
        return self.form.command(self.vm)

    def status(self, desk: Desk) -> list[str]:
        return [harmless(self.vm), *(["; ".join(map(harmless, self.form.problems))] if self.form.problems else [])]

    # ------------------------------------------------------------------------------------------------------------ keys

    def act(self, desk: Desk, action: str) -> bool:
        rows = self.form.rows
        if action == "call.send":
            self._send(desk)
        elif action == "form.add":
            self._add(desk)
        elif action == "form.editor":
            self._edit_body(desk)
        elif action in ("open", "form.omit") and not rows:
            desk.say("there is nothing to fill in; a adds a parameter")
        elif action == "open":
            self._fill_in(desk, self._cursor.at)
        elif action == "form.omit":
            row = rows[self._cursor.at]
            self._set(self._cursor.at, "" if row.value is None else None)
        else:
            return self._cursor.act(action, len(rows))
        return True

    def _send(self, desk: Desk) -> None:
        if self.form.obstacle:
            desk.say(harmless(self.form.obstacle), "warm")
        elif not desk.refuses("call"):
            desk.open(AnswerScreen(self))

    def _set(self, at: int, value: str | None) -> None:
        self.form = self.form.filled(at, value)

    def _fill_in(self, desk: Desk, at: int) -> None:
        row = self.form.rows[at]
        given = row.parameter
        if given.choices:
            choices = [Choice(str(number) if number < 10 else "", harmless(each), partial(self._set, at, each))
                       for number, each in enumerate(given.choices, 1)]  # fmt: skip
            desk.overlay = Menu(f"{harmless(given.name)} is", choices)
            return
        told = tuple(harmless(text) for text in (given.help, "a password: it is not remembered" if given.secret else "") if text)
        desk.overlay = Asking(
            f"{harmless(given.name)}{f', {given.kind}' if given.kind else ''}",
            told,
            "take it",
            lambda text: self.form.filled(at, text).command(self.vm),
            partial(self._set, at),
            Field.of(_one_line(row)),
        )

    def _add(self, desk: Desk) -> None:
        def accepted(text: str) -> None:
            self.form = self.form.added(text)

        asked = ("name=value is a parameter of the query, `Name: value` a header",)
        desk.overlay = Asking("Add a parameter", asked, "add it", lambda text: "", accepted)

    def _edit_body(self, desk: Desk) -> None:
        at = len(self.form.rows) - 1
        if at < 0 or self.form.rows[at].parameter.place != BODY:
            desk.say("this request has no body")
            return

        def edited(result: str | Fault) -> None:
            if isinstance(result, Fault):
                desk.say_fault(result)
            else:
                self._set(at, result.removesuffix("\n") or None)

        desk.pending.edit(self.form.rows[at].value or "", edited)


def _row_line(row: Row) -> Line:
    given = row.parameter
    needed = "needed" if given.required else ""
    if row.value is None:
        value: Line = (("left out", "dim"),)
    elif given.place == BODY:
        value = ((human.size(len(row.value.encode())), ""),)
    else:
        value = ((harmless(row.value), "name"),)
    problem = f"  {harmless(row.problem)}" if row.problem else ""
    told = f"{given.kind:<8} {needed:<7} "
    return ((f" {given.place:<7}", "label"), (f"{harmless(given.name):<16} ", ""), (told, "dim"), *value, (problem, "warm"))


def _body_lines(row: Row, width: int) -> list[Line]:
    """The body below the form, laid out when it is JSON."""
    if row.parameter.place != BODY or row.value is None:
        return []
    laid_out = pretty(row.value, max(1, width - 2))
    if laid_out is None:
        laid_out = [((harmless(line), ""),) for line in row.value.splitlines()]
    return [(), *((("  ", ""), *line) for line in laid_out)]


def _one_line(row: Row) -> str:
    """The value as it is typed: JSON without its layout."""
    value = row.value or ""
    if row.parameter.place != BODY:
        return value
    try:
        line = json.dumps(json.loads(value), ensure_ascii=False) if "\n" in value else value
    except (ValueError, RecursionError):
        return value
    return line if is_whole(line) else value


class AnswerScreen(Screen):
    """Sends what its form says when it is first shown, and shows what came of it."""

    contexts = ("answer", "text")
    hints = ("call.send", "answer.edit", "answer.headers", "copy")
    title = "answer"

    def __init__(self, form: FormScreen) -> None:
        self._form = form
        self._sent: Form | None = None
        self._tag = 0
        self._begun = 0.0
        self._result: Answer | Fault | None = None
        self._headers = False
        self._reader: Reader[Line] = Reader(follow=False)
        self._drawn: object = None

    def shown(self, desk: Desk) -> None:
        if self._sent is None:
            self._send(desk)

    def hidden(self, desk: Desk) -> None:
        if self._tag:
            desk.pending.forget(self._tag)
            self._tag, self._result = 0, Fault("it was left before the answer came", hint="r sends it again")

    def _send(self, desk: Desk) -> None:
        form = self._form.form
        if desk.refuses("call"):
            self._result = self._result or Fault("it was not sent")
        elif not self._tag:
            self._sent, self._result, self._begun = form, None, desk.clock()
            self._tag = desk.pending.send(
                form.params(self._form.vm), form.request().body, lambda result: self._answered(desk, form, result)
            )

    def _answered(self, desk: Desk, form: Form, result: Answer | Fault) -> None:
        self._tag, self._result = 0, result
        outcome = result.message if isinstance(result, Fault) else result.summary
        remembered = kept(desk)
        remembered.add(self._form.vm, form, Made.of(form, desk.wall(), outcome))
        desk.effects.append(KeepCalls(remembered.text()))

    # ----------------------------------------------------------------------------------------------------------- looks

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        result = self._result
        if result is None:
            waited = human.duration(max(0.0, desk.clock() - self._begun))
            return [((f" {desk.glyphs['dots']} waiting for the workload, {waited}", "warm"),)]
        if isinstance(result, Fault):
            return [((f" {harmless(result.message)}", "bad"),), ((f" {harmless(result.hint)}", "dim"),)]
        basis = (id(result), width, self._headers)
        if basis != self._drawn:
            self._drawn = basis
            self._reader.replace(lines(result, max(1, width - 1), headers=self._headers))
        return [((" ", ""), *line) for line in self._reader.view(height)]

    def subtitle(self, desk: Desk) -> str:
        return self._sent.target.title if self._sent else ""

    def copies(self, desk: Desk) -> list[Copyable]:
        text = self._result.text if isinstance(self._result, Answer) else None
        return [Copyable("b", "the body", text)] if text else []

    def command(self, desk: Desk) -> str:
        return (self._sent or self._form.form).command(self._form.vm)

    def status(self, desk: Desk) -> list[str]:
        return [harmless(self._form.vm), self._reader.place]

    def next_change_s(self, desk: Desk) -> float | None:
        return 0.2 if self._tag else None

    # ------------------------------------------------------------------------------------------------------------ keys

    def act(self, desk: Desk, action: str) -> bool:
        if action == "call.send":
            self._send(desk)
        elif action == "answer.edit":
            desk.up()
        elif action == "answer.headers":
            self._headers = not self._headers
        else:
            return self._reader.act(action)
        return True
