"""The playground over real sockets on the loopback address, and in a real browser."""

import base64
import hashlib
import http.client
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
from contextlib import contextmanager, suppress
from html import unescape
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd.views import serve as module
from autograd.views.serve import HOST, Playground, Question

ROOT = Path(__file__).parents[3]


@contextmanager
def running(*arguments, **options):
    """A playground at a free port."""
    server = Playground(Question(), 0, *arguments, **options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def server():
    with running() as started:
        yield started


def ask(server, path="/", method="GET", **headers):
    """The answer to one request: status, headers, body as text."""
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=60)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode("utf-8")
    connection.close()
    return answer.status, answer.headers, body


def raw(server, request):
    """What comes back for these bytes."""
    with socket.create_connection((HOST, server.server_port), timeout=30) as line:
        line.sendall(request)
        line.shutdown(socket.SHUT_WR)
        answer = b""
        while more := line.recv(65536):
            answer += more
    return answer


def link(formula, values, **more):
    return "/?" + urlencode({"formula": formula, "values": values, **more})


def sentence(body):
    """The one sentence of a refusal."""
    [said] = re.findall(r'<p role="alert">(.*?)</p>', body, re.DOTALL)
    return unescape(said)


def test_a_formula_is_a_page_at_once(server):
    status, headers, body = ask(server, link("(a+b)*(b+1)", "a=2 b=1"))
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert '<section class="payback"' in body
    assert 'name="formula" value="(a+b)*(b+1)"' in body
    assert 'name="values" value="a=2 b=1"' in body
    assert ask(server)[2] == body


def test_the_policy_lets_nothing_else_run(server):
    for path in ("/", link("a+", "a=1")):
        _, headers, body = ask(server, path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers
        assert "Python" not in headers["Server"]
        assert not re.search(r"""(src|href)=["'](?!data:|#)""", body)
        styles = re.findall(r"(?s)<style>(.*?)</style>", body)
        hashes = [base64.b64encode(hashlib.sha256(x.encode()).digest()).decode() for x in styles]
        assert {*re.findall(r"sha256-([^']*)", policy)} >= {*hashes} > set()


@pytest.mark.parametrize(
    ("formula", "values", "said"),
    [
        ("a+", "a=1", "the expression ends"),
        ("", "", "empty"),
        ("a", "", "no value for a"),
        ("a", "a=1 b=2", "not used"),
        ("a", "a=1,5", "is not a number"),
        ("a", "a=1 a=2", "given twice"),
        ("1+2", "", "depends on no name"),
        ("__import__('os')", "a=1", "no meaning"),
        ("a" * 20_000, "a=1", "at most 10,000"),
        ("+".join("a" * 2000), "a=1", "draws up to 1,000"),
        ("<script>alert(1)</script>", "a=1", "stands where"),
        ('"><img src=x onerror=alert(1)>', "a=1", "no meaning"),
        ("a\x00\x1b[31m", "a=1", "no meaning"),
        ("a", "a=1\u202e", "is not a number"),
    ],
)
def test_what_is_wrong_is_one_sentence(server, formula, values, said):
    status, _, body = ask(server, link(formula, values))
    assert status == 400
    assert said in sentence(body)
    assert "<script" not in body
    assert "<img" not in body
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", body)
    ElementTree.fromstring(re.sub(r"<(meta|input)([^>]*)>", r"<\1/>", body.split("\n", 1)[1]))


def test_other_addresses_and_methods_are_refused(server):
    assert ask(server, "/etc/passwd")[0] == 404
    assert ask(server, "/../../etc/passwd")[0] == 404
    assert ask(server, "/favicon.ico")[0] == 204
    assert ask(server, "/?formula=%ff")[0] == 400
    assert ask(server, "/?formula=a&formula=b")[0] == 400
    assert ask(server, "/?" + "&".join(f"x{i}=1" for i in range(50)))[0] == 400
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "BREW"):
        status, headers, _ = ask(server, "/", method)
        assert (status, headers["Allow"]) == (405, "GET")
    assert raw(server, b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.0 414")
    assert b" 431 " in raw(server, b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200 + b"\r\n")
    assert raw(server, b"\x16\x03\x01\x02\x00\x01").count(b"<!doctype html>") <= 1


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil:80", ""]
)
def test_a_name_rebound_to_this_machine_is_refused(server, host):
    status, _, body = ask(server, "/", Host=host)
    assert status == 403
    assert f"127.0.0.1:{server.server_port}" in sentence(body)


def test_this_machine_by_its_names(server):
    assert ask(server, "/", Host=f"localhost:{server.server_port}")[0] == 200
    request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\nHost: evil\r\n\r\n"
    assert b" 403 " in raw(server, request.encode())
    assert b" 403 " in raw(server, b"GET / HTTP/1.0\r\n\r\n")


def test_listens_on_the_loopback_address_only(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.socket.getsockname()[0] == "127.0.0.1"


def test_chinese(server):
    status, _, body = ask(server, link("a+", "a=1", lang="zh"))
    assert status == 400
    assert "表达式到此结束" in sentence(body)
    assert ">算式<" in body
    with running("zh") as chinese:
        assert "表达式是空的" in sentence(ask(chinese, link("", ""))[2])
        assert 'lang="zh"' in ask(chinese)[2]
        for lang, shown in (("en", "Show"), ("zh", "显示"), ("de", "显示")):
            body = ask(chinese, link("a+b", "a=1 b=2", lang=lang))[2]
            assert f'data-t="serve_show">{shown}<' in body


def test_a_language_alone_asks_for_what_the_server_began_with(server):
    for lang, shown in (("zh", "显示"), ("en", "Show"), ("de", "Show")):
        status, _, body = ask(server, f"/?lang={lang}")
        assert status == 200
        assert 'name="formula" value="(a+b)*(b+1)"' in body
        assert f'data-t="serve_show">{shown}<' in body


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET / HTTP/9", b"400"),
        (b"GET / HTTP/3.0", b"505"),
        (b"GET /", b"403"),
        (b"A B C D", b"400"),
        (b"\x16\x03", b"400"),
    ],
)
def test_what_is_no_request_is_answered_as_safely_as_any_other(server, line, status):
    head = raw(server, line + b"\r\n\r\n").partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.0 " + status)
    assert b"\r\nX-Frame-Options: DENY\r\n" in head
    assert b"\r\nContent-Security-Policy: default-src 'none'" in head


@pytest.mark.parametrize("request_", [b"BREW / HTTP/1.1\r\n", b"GET / HTTP/9\r\n", b"\x16\x03\r\n"])
def test_a_line_is_closed_after_a_refusal(server, request_):
    keep = b"Connection: keep-alive\r\n\r\n"
    with socket.create_connection((HOST, server.server_port), timeout=30) as line:
        line.sendall(request_ + keep)
        with suppress(ConnectionResetError):
            while line.recv(65536):
                pass


def test_a_taken_port_is_given_up_for_another():
    with running() as first:
        second = Playground(Question(), first.server_port)
        try:
            assert second.moved
            assert second.server_port >= 1024
            assert second.server_port != first.server_port
            reused = second.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
            assert bool(reused) == (sys.platform == "linux")
        finally:
            second.server_close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a taken port would be taken over")
def test_a_server_comes_back_at_its_port():
    with running() as first:
        port = first.server_port
        assert ask(first)[0] == 200
    again = Playground(Question(), port)
    again.server_close()
    assert not again.moved
    assert again.server_port == port


@pytest.mark.parametrize("values", ["a = 2, b = 1", "a =2;b= 1", "a ＝ 2 b=1", " a=2 , b\t=\t1 "])
def test_values_may_be_written_with_room(server, values):
    assert "e = (a + b) · (b + 1)" in ask(server, link("(a+b)*(b+1)", values))[2]


def test_just_as_many_nodes_as_allowed_are_drawn(server, monkeypatch):
    monkeypatch.setattr(module, "MOST_NODES", 3)
    assert ask(server, link("a*b", "a=2 b=1"))[0] == 200
    status, _, body = ask(server, link("a*b+a", "a=2 b=1", lang="en"))
    assert status == 400
    assert sentence(body) == "this formula has 4 nodes; the playground draws up to 3"


def test_as_much_is_shown_again_as_may_be_typed():
    shown = module.form(Question("a", "a" * 20_000), "en")
    assert f'value="{"a" * 20_000}" maxlength="20000"' in shown
    assert f'value="{"a" * 19_999}…" ' in module.form(Question("a", "a" * 20_001), "en")


def test_a_refusal_travels_between_processes():
    refusal = pickle.loads(pickle.dumps(module.RefusalError(HTTPStatus.NOT_FOUND, "not here")))
    assert (refusal.status, str(refusal)) == (404, "not here")


def test_a_command_line_that_is_no_text_can_be_shown():
    server = Playground(Question("a\udc80<", "a=\udc80"), 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        status, _, body = ask(server)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert status == 400
    assert 'value="a\ufffd&lt;"' in body


@given(st.text(max_size=60), st.text(max_size=40), st.sampled_from(["", "en", "zh", "de"]))
def test_whatever_is_typed_gets_a_page_or_a_sentence(server, formula, values, lang):
    query = "&".join(
        f"{name}={quote(text, errors='surrogatepass')}"
        for name, text in (("formula", formula), ("values", values), ("lang", lang))
    )
    status, headers, body = ask(server, "/?" + query)
    assert status in (200, 400)
    assert headers["Content-Security-Policy"]
    if status == 400:
        assert 0 < len(sentence(body)) < 500


@given(st.binary(max_size=200))
def test_whatever_is_sent_the_server_goes_on(server, request):
    raw(server, request + b"\r\n\r\n")
    assert ask(server)[0] == 200


def test_many_readers_at_once(server):
    answers = []
    path = link("tanh(w*x+b)", "w=1 x=2 b=3")
    threads = [threading.Thread(target=lambda: answers.append(ask(server, path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({body for _, _, body in answers}) == 1
    assert {status for status, _, _ in answers} == {200}


UNTIL_CTRL_C = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
from autograd.cli import main
sys.exit(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent by a POSIX signal")
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_command_until_ctrl_c(tmp_path, lang):
    taken = socket.create_server((HOST, 0))
    port = taken.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", UNTIL_CTRL_C, "serve", "x*x", "x=3", "--port", str(port)]
        + ["--lang", lang],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
    )
    try:
        busy, where, how = (process.stdout.readline() for _ in range(3))
        assert str(port) in busy
        found = int(re.search(r"http://127\.0\.0\.1:(\d+)/", where)[1])
        assert "Ctrl-C" in how
        connection = http.client.HTTPConnection(HOST, found, timeout=60)
        connection.request("GET", "/")
        body = connection.getresponse().read().decode()
        assert 'value="x*x"' in body
        assert f'name="lang" value="{lang}"' in body
        process.send_signal(signal.SIGINT)
        said, complaint = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        taken.close()
    assert (process.returncode, complaint) == (0, "")
    assert ("closed" if lang == "en" else "已关闭") in said
    assert list(tmp_path.iterdir()) == []


# -- in a browser ----------------------------------------------------------------------------------


@pytest.fixture
def tab(browser):
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    page.troubles = []
    page.on("console", lambda message: page.troubles.append(message.text))
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    yield page
    context.close()


def test_type_a_formula_and_step(server, tab):
    tab.goto(server.url)
    tab.locator('input[name="formula"]').fill("x*x + y")
    tab.locator('input[name="values"]').fill("x=3 y=4")
    tab.locator('input[name="values"]').press("Enter")
    tab.wait_for_url("**/?formula=*")
    tab.locator('[data-action="last"]').click()
    grads = tab.locator("tr[data-node] [data-cell=grad]").all_text_contents()
    assert any("6" in text for text in grads)
    assert tab.locator('input[name="formula"]').input_value() == "x*x + y"
    assert tab.troubles == []


def test_a_link_restores_formula_step_mode_and_language(server, tab):
    tab.goto(server.url.rstrip("/") + link("(a+b)*(b+1)", "a=2 b=1") + "#step=4&mode=naive&lang=zh")
    section = tab.locator("section.payback")
    assert section.get_attribute("data-step") == "4"
    assert section.get_attribute("data-mode") == "naive"
    assert tab.locator(".ask button").text_content() == "显示"
    assert tab.troubles == []


def test_a_mistake_can_be_mended_in_place(server, tab):
    tab.goto(server.url.rstrip("/") + link("a+<b>\"'&", "a=2 b=1"))
    tab.troubles.clear()  # the browser's own word on status 400
    field = tab.locator('input[name="formula"]')
    assert field.input_value() == "a+<b>\"'&"
    assert tab.locator("[role=alert]").count() == 1
    field.fill("a*b")
    field.press("Enter")
    tab.wait_for_selector("section.payback")
    assert tab.troubles == []
