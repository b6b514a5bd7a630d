"""Notebooks: a real one, executed, and what its outputs hold."""

import base64
import html
import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

import autograd
from autograd import Value, trace
from autograd.views import draw as draw_module
from autograd.views.formats import png
from autograd.views.frames import animation
from autograd.views.notebook import FITTING, GROW, trace_bundle, value_bundle
from autograd.views.page import page
from tests.waiting import until

CELLS = (
    'from autograd import Value, trace\na, b = Value(2.0, label="a"), Value(1.0, label="b")',
    "e = (a + b) * (b + 1)\ne",
    "trace(e)",
    "trace(e * 2)",
)


@pytest.fixture(scope="module")
def outputs():
    """The display data of each cell of an executed notebook."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    return [[output["data"] for output in cell["outputs"]] for cell in book.cells]


@pytest.mark.filterwarnings("ignore")  # of the notebook's own machinery
class TestExecuted:
    def test_a_value_shows_its_graph(self, outputs):
        [shown] = outputs[1]
        assert set(shown) - {"image/png"} == {"text/plain", "image/svg+xml"}
        assert shown["text/plain"].startswith("Value(6.0, op='mul'")
        assert ElementTree.fromstring(shown["image/svg+xml"]).tag.endswith("svg")

    def test_a_trace_is_the_offline_page(self, outputs):
        [shown] = outputs[2]
        assert set(shown) - {"image/png"} == {"text/plain", "text/html", "image/svg+xml"}
        document = html.unescape(re.search(r'srcdoc="([^"]*)"', shown["text/html"])[1])
        a, b = Value(2.0, label="a"), Value(1.0, label="b")
        assert document == page(trace((a + b) * (b + 1)))
        assert ElementTree.fromstring(shown["image/svg+xml"]).tag.endswith("svg")

    def test_outputs_do_not_clash(self, outputs):
        for shown in outputs[2] + outputs[3]:
            outside = re.sub(r'srcdoc="[^"]*"', "", shown["text/html"])
            assert not re.search(r"\bid=|<style", outside)
            assert re.findall(r"<script>(.*?)</script>", outside, re.DOTALL) == [GROW]
            assert " id=" not in shown["image/svg+xml"]


def test_the_still_picture_is_there_without_frames_and_scripts():
    told = trace_bundle(trace(Value(2.0, label="x") * 3))
    data = re.search(r"base64,([^\"]*)", told["text/html"].rpartition("</iframe>")[2])[1]
    still = base64.b64decode(data).decode()
    assert told["image/svg+xml"].replace(f' style="{FITTING}"', "", 1) == still


def test_a_png_stands_beside_the_svg():
    pytest.importorskip("typst")
    for told in (value_bundle(Value(2.0) * 3), trace_bundle(trace(Value(2.0, label="x") * 3))):
        assert base64.b64decode(told["image/png"]).startswith(b"\x89PNG")


def test_frame_in_a_real_browser(browser, tmp_path):
    label = "</iframe><script>document.title='broken'</script>\"'"
    path = tmp_path / "notebook.html"
    told = trace_bundle(trace(Value(2.0, label=label) * 3))
    path.write_text(f"<title>fine</title>{told['text/html']}", "utf-8")
    tab = browser.new_page()
    tab.goto(path.as_uri())
    inside = tab.frame_locator("iframe")
    begun = re.search(r"height:(\d+)px", told["text/html"])[1]
    until(tab, f"parseInt(document.querySelector('iframe').style.height) !== {begun}")
    # which it may do once more, when letters have come
    page = "document.documentElement"
    until(tab.frames[1], f"{page}.scrollHeight <= {page}.clientHeight + 1")
    inside.locator('[data-action="last"]').click()
    assert inside.locator(".payback").get_attribute("data-step") == "7"
    inside.locator('[data-action="copy"]').click()
    assert tab.title() == "fine"
    tab.close()


VS_CODE = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src
'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src https: http: data:; font-src
https:; connect-src https:; child-src https: data:;"><div class="output"></div><script>
const shown = document.querySelector(".output");
shown.innerHTML = OUTPUT;
for (const { textContent } of shown.querySelectorAll("script")) {
    const script = document.createElement("script");
    script.text = textContent;
    shown.append(script);
    script.remove();
}
</script>"""
"""A webview that runs the scripts of an output at its end, under a policy of its own."""


def in_vs_code(output):
    return VS_CODE.replace("OUTPUT", json.dumps(output).replace("</", "<\\/"))


def in_a_sandbox(output):
    """As Colab has it: every output in a frame of another origin."""
    return f'<iframe sandbox="allow-scripts" height="3000" srcdoc="{html.escape(output)}"></iframe>'


@pytest.mark.parametrize("viewer", [in_vs_code, in_a_sandbox])
def test_a_page_works_where_other_viewers_put_it(browser, tmp_path, viewer):
    path = tmp_path / "viewer.html"
    output = trace_bundle(trace(Value(2.0, label="x") * 3))["text/html"]
    path.write_text(f"<!doctype html>{viewer(output)}", "utf-8")
    tab = browser.new_page()
    troubles = []
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.goto(path.as_uri())
    outside = tab.frame_locator("iframe") if viewer is in_a_sandbox else tab
    held = outside.locator("iframe[data-payback]")
    inside = outside.frame_locator("iframe[data-payback]")
    inside.locator("html").evaluate(
        """page => new Promise((done) => {
            const fits = () => page.scrollHeight <= innerHeight + 1 && page.offsetHeight > 500
                ? done() : requestAnimationFrame(fits);
            fits();
        })"""
    )
    assert held.evaluate("frame => frame.style.height") != re.search(r"height:\d+px", output)[0]
    inside.locator('[data-action="last"]').click()
    inside.locator('[data-action="zh"]').click()
    inside.locator('[data-action="copy"]').click()
    inside.locator(".copied").wait_for()
    assert inside.locator(".payback").get_attribute("data-step") == "7"
    assert inside.locator(".copied").input_value() == "#step=7&mode=backprop&lang=zh"
    assert troubles == []
    tab.close()


def in_a_theme(output):
    """A notebook with a theme of its own, that listens only once its pages have spoken."""
    first, _, last = output.partition("<script>")
    script = last.partition("</script>")[0]
    return f"""<style>body {{ color: #111 }} .dark {{ color: #ddd }}</style><div>{first}</div>
<script>addEventListener("message", () => {{ window.spoken = true }})</script>
<script type="x" class="later">{script}</script>"""


def test_a_page_is_asked_for_its_height_and_follows_the_notebooks_theme(browser, tmp_path):
    path = tmp_path / "notebook.html"
    output = trace_bundle(trace(Value(2.0, label="x") * 3))["text/html"]
    path.write_text(f"<!doctype html><body>{in_a_theme(output)}", "utf-8")
    tab = browser.new_context(color_scheme="null").new_page()
    tab.goto(path.as_uri())
    until(tab, "window.spoken")
    begun = re.search(r"width:100%;height:(\d+px);border:0", output)[1]
    held = tab.locator("iframe")
    assert held.evaluate("frame => frame.style.height") == begun
    tab.evaluate("(0, eval)(document.querySelector('.later').textContent)")
    until(tab, f"document.querySelector('iframe').style.height !== '{begun}'")
    ground = "getComputedStyle(document.body).backgroundColor"
    inside = held.element_handle().content_frame()
    light = inside.evaluate(ground)
    tab.evaluate("document.body.className = 'dark'")
    until(inside, f"{ground} !== '{light}'")
    dark = inside.evaluate(ground)
    tab.evaluate("document.body.className = ''")
    until(inside, f"{ground} === '{light}'")
    brightness = [sum(map(int, re.findall(r"\d+", found)[:3])) for found in (light, dark)]
    assert brightness[0] > 3 * 200
    assert brightness[1] < 3 * 60
    tab.context.close()


def test_a_wide_picture_is_not_cut_where_it_is_shown_as_an_image(browser):
    nn = pytest.importorskip("nn")
    wide = nn.MLP(3, [24, 24, 1], seed=0)([Value(0.1), Value(0.2), Value(0.3)])
    tab = browser.new_page()
    for root, sized in ((wide, False), (Value(2.0) * 3, True)):
        svg = value_bundle(root)["image/svg+xml"]
        data = base64.b64encode(svg.encode()).decode()
        image = f'<img src="data:image/svg+xml;base64,{data}">'
        for shown in (image, svg):  # as JupyterLab has it, and as VS Code has it
            tab.set_content(f'<!doctype html><div style="width:640px">{shown}</div>')
            until(tab, "document.images[0]?.complete ?? true")
            box = tab.locator("div > *").bounding_box()
            width, height = map(float, re.search(r'viewBox="([^"]*)"', svg)[1].split()[2:])
            assert box["width"] == pytest.approx(width if sized else 640, abs=1)
            assert box["height"] == pytest.approx(box["width"] * height / width, abs=2)
    tab.close()


def test_a_page_may_be_larger_than_a_picture():
    told = trace_bundle(trace(autograd.sum([Value(float(i)) for i in range(320)])))
    assert "<iframe" in told["text/html"]
    assert "image/svg+xml" in told


def test_a_trace_too_large_for_a_page_is_a_folded_picture():
    nn = pytest.importorskip("nn")
    model = nn.MLP(20, [40, 40, 1], seed=0)
    told = trace_bundle(trace(model([Value(0.1 * i) for i in range(20)])))
    assert "max_nodes" in told["text/html"]
    assert "<iframe" not in told["text/html"]
    data = re.search(r'<img [^>]*base64,([^"]*)"', told["text/html"])[1]
    assert "folded" in base64.b64decode(data).decode()
    assert ElementTree.fromstring(told["image/svg+xml"]).tag.endswith("svg")


def test_what_cannot_be_drawn_still_shows():
    x = Value(1.0)
    for _ in range(5000):
        x = x + 1.0
    for told in (value_bundle(x), trace_bundle(trace(x))):
        assert set(told) == {"text/plain", "text/html"}
        assert "max_nodes" in told["text/html"]
    assert "max_nodes=1,500 would be slow" in told["text/html"]


def test_a_network_over_the_limit_shows_folded():
    nn = pytest.importorskip("nn")
    model = nn.MLP(3, [24, 24, 1], seed=0)
    loss = nn.squared_error([model([Value(0.1), Value(0.2), Value(0.3)])], [1.0])
    told = value_bundle(loss)
    assert len(autograd.topological_order(loss)) > 300
    assert "image/svg+xml" in told


def test_plots_show_by_themselves():
    pytest.importorskip("matplotlib")
    from nn import History, plot_history

    told = plot_history(History(loss=[3.0, 2.0, 1.0]))._repr_mimebundle_()
    assert told["image/png"].startswith(b"\x89PNG")
    assert told["text/plain"].startswith("<Figure")


def test_a_moving_picture_is_complete_and_stands_still_where_asked():
    a, b = Value(2.0, label="a"), Value(1.0, label="<b>")
    story = trace((a + b) * (b + 1))
    drawn = animation(story, range(7, 18))
    tree = ElementTree.fromstring(drawn)
    moments = [g for g in tree if "moment" in g.get("class", "")]
    assert len(moments) == 11
    assert moments[-1].get("class") == "moment last"
    assert "prefers-reduced-motion" in drawn
    assert "<script" not in drawn


def test_showing_changes_nothing():
    x = Value(2.0, label="x")
    y = autograd.exp(x)
    value_bundle(y)
    trace_bundle(trace(y))
    assert (x.grad, y.grad) == (0.0, 0.0)


def height_of(root):
    return int(re.search(r"height:(\d+)px;border:0", trace_bundle(trace(root))["text/html"])[1])


def test_a_frame_begins_as_high_as_its_page_may_be():
    x = Value(1.0, label="x")
    assert height_of(x * 2) == 700 + 260 + 3 * 34  # a low board, a table of three rows
    tall = autograd.sum([Value(1.0) for _ in range(10)])
    assert height_of(tall) == 700 + 620 + 11 * 34  # a board does not grow for ever,
    for _ in range(40):
        x = x + 1
    assert height_of(x) == 700 + 260 + 40 * 34  # nor does its table


def test_a_picture_fits_its_cell_and_a_large_one_is_less_sharp(monkeypatch):
    pytest.importorskip("typst")
    root = Value(2.0, label="x") * 3
    told = value_bundle(root)
    assert told["image/svg+xml"].startswith('<svg style="max-width:100%;height:auto" xmlns=')
    light = root.to_svg(theme="light")
    assert base64.b64decode(told["image/png"]) == png(light, "light", 2)
    for length, zoom in ((59_999, 2), (60_000, 1)):
        monkeypatch.setattr(draw_module.Drawing, "svg", lambda *_, n=length: light.ljust(n))
        assert base64.b64decode(value_bundle(root)["image/png"]) == png(light, "light", zoom)


def test_a_picture_is_laid_out_once_for_all_its_types(monkeypatch):
    pytest.importorskip("typst")
    laid = []
    real = draw_module.scene
    monkeypatch.setattr(
        draw_module, "scene", lambda *given, **options: laid.append(1) or real(*given, **options)
    )
    told = value_bundle(Value(2.0, label="x") * 3)
    assert {*told} == {"text/plain", "image/svg+xml", "image/png"}
    assert laid == [1]
