"""The playground: a formula and numbers in the address, the page to step through as the answer.

One small server on the loopback address.  A link holds everything: the formula and its numbers as
the query, step, mode, folding and language as the page writes them after ``#``.  Nothing is kept
and nothing is written; the formula is read by the safe parser, and whatever is wrong with a
request is said in one sentence above the same form.

A page of another site can make a reader's browser call this address.  So a request must name the
host that was asked for (no name that was rebound to 127.0.0.1), and no answer may be framed, read
or run by anybody else.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from errno import EACCES, EADDRINUSE
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from autograd.expression import ExpressionError, parse, parse_values
from autograd.messages import messages
from autograd.value import Value
from autograd.views.page import hash_of, page
from autograd.views.painter import static
from autograd.views.text import clean
from autograd.views.trace import Lang, Trace, trace

HOST = "127.0.0.1"
MOST_NODES = 1000
"""Of a larger graph the layout alone takes longer than a reader waits."""
BETWEEN = re.compile(r"[\s;；]+|[,，](?=\s*[^\W\d])")
"""What stands between two numbers: a comma only where a name follows, for 1,5 is a mistake."""
AROUND = re.compile(r"\s*[=＝]\s*")
"""An equals sign as people type it."""
SECONDS = 10
"""How long a request may take to arrive."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked for: a formula, its numbers as they were typed, and a language."""

    formula: str = "(a+b)*(b+1)"
    values: str = "a=2 b=1"
    lang: Lang | None = None


class RefusalError(Exception):
    """A request that gets one sentence for an answer."""

    def __init__(self, status: HTTPStatus, problem: str) -> None:
        super().__init__(problem)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status, *self.args)


class Playground(ThreadingHTTPServer):
    """The server: answers ``GET /`` on the loopback address, and nothing else.

    A port that is taken is given up for a free one; ``moved`` tells.
    """

    daemon_threads = True
    # on Linux this frees a port that was given up a moment ago, elsewhere also one that is taken
    allow_reuse_address = sys.platform == "linux"
    request_queue_size = 32

    def __init__(self, first: Question, port: int, lang: Lang = "en") -> None:
        self.first, self.lang = first, lang
        self.drawing = Lock()
        self.moved = False
        try:
            super().__init__((HOST, port), _Answer)
        except OSError as error:
            if error.errno not in (EADDRINUSE, EACCES):
                raise
            self.moved = True
            super().__init__((HOST, 0), _Answer)

    @property
    def url(self) -> str:
        """Where to look."""
        return f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who went away in the middle of an answer is nobody's trouble."""


class _Answer(BaseHTTPRequestHandler):
    """One request and what is said to it."""

    server: Playground
    timeout = SECONDS

    def do_GET(self) -> None:
        question = Question(lang=self.server.lang)
        try:
            self._check_host()
            question = self._question()
            self._send(HTTPStatus.OK, self._told(question))
        except RefusalError as refusal:
            self._refuse(refusal.status, str(refusal), question)
        except ExpressionError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, error.told(self._lang(question)), question)

    def _check_host(self) -> None:
        """Only the names of this very address: a name rebound to 127.0.0.1 is another one."""
        port = self.server.server_port
        # a plain dict where a line names no protocol, from Python 3.14 on
        given = [text for name, text in self.headers.items() if name.lower() == "host"]
        if len(given) != 1 or given[0].lower() not in (f"{HOST}:{port}", f"localhost:{port}"):
            raise self._problem(HTTPStatus.FORBIDDEN, "host", host=f"{HOST}:{port}")

    def _question(self) -> Question:
        """What the address asks for; without a query, what the server was started with."""
        address = urlsplit(self.path)
        if address.path == "/favicon.ico":
            raise RefusalError(HTTPStatus.NO_CONTENT, "")
        if address.path != "/":
            raise self._problem(HTTPStatus.NOT_FOUND, "path")
        try:
            found = parse_qs(
                address.query, keep_blank_values=True, errors="strict", max_num_fields=8
            )
        except ValueError:
            raise self._problem(HTTPStatus.BAD_REQUEST, "query") from None
        if any(len(given) > 1 for given in found.values()):
            raise self._problem(HTTPStatus.BAD_REQUEST, "twice")
        if not {"formula", "values"} & found.keys():
            lang = found.get("lang", [""])[0]
            return Question(self.server.first.formula, self.server.first.values, _lang(lang))
        given = {name: texts[0] for name, texts in found.items()}
        return Question(given.get("formula", ""), given.get("values", ""), _lang(given.get("lang")))

    def _told(self, question: Question) -> str:
        """The page of a formula, with the form in it."""
        story = self._story(question)
        with self.server.drawing:  # Graphviz holds one graph at a time
            document = page(story, lang=question.lang, max_nodes=MOST_NODES, asks=True)
        return with_form(document, form(question, self._lang(question)))

    def _story(self, question: Question) -> Trace:
        expression = parse(question.formula.strip())
        values = parse_values(BETWEEN.split(AROUND.sub("=", question.values)))
        leaves = {name: Value(x, label=name) for name, x in values.items()}
        root = expression.evaluate(leaves)
        if not root.requires_grad:
            raise self._problem(HTTPStatus.BAD_REQUEST, "constant", question)
        story = trace(root)
        if len(story.nodes) > MOST_NODES:
            sizes = {"n": f"{len(story.nodes):,}", "most": f"{MOST_NODES:,}"}
            raise self._problem(HTTPStatus.BAD_REQUEST, "large", question, **sizes)
        return story

    # -- answering ---------------------------------------------------------------------------------

    def _lang(self, question: Question) -> Lang:
        return question.lang or self.server.lang

    def _problem(
        self, status: HTTPStatus, key: str, question: Question | None = None, **words: str
    ) -> RefusalError:
        lang = self.server.lang if question is None else self._lang(question)
        return RefusalError(status, messages("serve", lang)[key].format(**words))

    def _refuse(self, status: HTTPStatus, problem: str, question: Question) -> None:
        if status is HTTPStatus.NO_CONTENT:
            self._send(status, "")
        else:
            self._send(status, refused(problem, question, self._lang(question)))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no request for us, in one sentence: another method, a line that is too long."""
        status = HTTPStatus(code)
        if status is HTTPStatus.NOT_IMPLEMENTED:
            status, key = HTTPStatus.METHOD_NOT_ALLOWED, "method"
        else:
            key = "request"
        self._refuse(status, str(self._problem(status, key)), Question(lang=self.server.lang))

    def _send(self, status: HTTPStatus, document: str) -> None:
        body = document.encode()
        # up to Python 3.13 a line that cannot be read counts as HTTP/0.9, which has no headers:
        # the answer would lack all that keeps others from framing it
        self.request_version = self.protocol_version
        self.send_response(status)
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET")
        for name, value in {**SAFE, "Content-Security-Policy": policy_of(document)}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        """No more about us than who we are."""
        return "payback"

    def log_message(self, *_: Any) -> None:
        """Nothing is kept of what was asked."""


SAFE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What browsers are told of every answer."""


# -- documents -------------------------------------------------------------------------------------


def form(question: Question, lang: Lang) -> str:
    """The fields for a formula and its numbers; `data-t` lets the page translate them."""
    words = messages("serve", lang)
    fields = "".join(
        f'<label><span data-t="serve_{name}">{words[name]}</span>'
        f'<input name="{name}" value="{_shown(typed)}" maxlength="{most}" required '
        'spellcheck="false" autocomplete="off" autocapitalize="off"></label>'
        for name, typed, most in (
            ("formula", question.formula, 10_000),
            ("values", question.values, 20_000),
        )
    )
    return (
        f'<form class="ask" method="get" action="/">{fields}'
        f'<input type="hidden" name="lang" value="{lang}">'
        f'<button data-t="serve_show">{words["show"]}</button></form>'
    )


def with_form(document: str, asked: str) -> str:
    """A finished page with the form in it, and a policy that lets it be sent here."""
    style = static("serve.css")
    document = document.replace("form-action 'none'", "form-action 'self'", 1)
    document = document.replace("style-src '", f"style-src '{hash_of(style)}' '", 1)
    inserted = f"<style>{style}</style>{asked}"
    return re.sub(
        r'<section class="payback"[^>]*>', lambda found: found[0] + inserted, document, count=1
    )


def refused(problem: str, question: Question, lang: Lang) -> str:
    """One sentence above the form, as it was filled in."""
    style = static("serve.css")
    policy = (
        f"default-src 'none'; style-src '{hash_of(style)}'; base-uri 'none'; form-action 'self'"
    )
    return (
        f'<!doctype html>\n<html lang="{"zh-CN" if lang == "zh" else "en"}"><head>'
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>payback</title><style>{style}</style></head>"
        f'<body><main class="refused"><h1>payback</h1><p role="alert">{_shown(problem)}</p>'
        f"{form(question, lang)}</main></body></html>\n"
    )


def policy_of(document: str) -> str:
    """The policy in a document's own words, and that nobody frames it."""
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', document)
    policy = found[1] if found else "default-src 'none'"
    return f"{policy}; frame-ancestors 'none'"


def _shown(text: str) -> str:
    """Text for HTML, with nothing invisible in it."""
    return escape(clean(text, 20_000))


def _lang(text: str | None) -> Lang | None:
    return "en" if text == "en" else "zh" if text == "zh" else None
