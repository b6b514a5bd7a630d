// The playground: this package, run by Pyodide in a page, with Graphviz in WebAssembly beside it.
// Everything is loaded from the folder of this file, and nothing is sent anywhere.

import { Graphviz } from "./graphviz.js";
import { loadPyodide } from "./pyodide.mjs";

const HERE = new URL(".", import.meta.url).href;

// The package asks `pygraphviz` for layouts: here that is a few lines around Graphviz in JavaScript.
const PYTHON = `
import sys
from types import ModuleType

import graphviz_in_javascript


class AGraph:
    def __init__(self, string):
        self.source = string

    def draw(self, format, prog):
        return graphviz_in_javascript.layout(self.source, format, prog).encode()

    def close(self):
        pass


sys.modules["pygraphviz"] = ModuleType("pygraphviz")
sys.modules["pygraphviz"].AGraph = AGraph

from autograd.expression import ExpressionError, parse, parse_number
from autograd.views.page import page
from autograd.views.trace import trace


def story(formula, numbers, lang):
    """The page of a formula, or what is wrong with it."""
    try:
        given = {}
        for part in numbers.replace(",", " ").split():
            name, equals, number = part.partition("=")
            if not equals:
                raise ValueError(f"write a number as name=value, got {part!r}")
            given[name] = parse_number(number)
        return "page", page(trace(parse(formula).evaluate(given)), lang=lang or None)
    except (ExpressionError, ValueError, TypeError) as error:
        return "error", str(error)


story
`;

const form = document.getElementById("asked");
const said = document.getElementById("said");
const frame = document.getElementById("story");

let ready = null;

async function start() {
  said.textContent = "Python is starting …";
  const [pyodide, graphviz, archive] = await Promise.all([
    loadPyodide({ indexURL: HERE }),
    Graphviz.load(),
    fetch(`${HERE}payback.zip`).then((answer) => answer.arrayBuffer()),
  ]);
  pyodide.unpackArchive(archive, "zip");
  pyodide.registerJsModule("graphviz_in_javascript", {
    layout: (source, format, engine) => graphviz.layout(source, format, engine),
  });
  return pyodide.runPython(PYTHON);
}

async function show() {
  const { formula, numbers } = form.elements;
  try {
    const story = await (ready ??= start());
    const lang = document.documentElement.lang.startsWith("zh") ? "zh" : "";
    const [kind, text] = story(formula.value, numbers.value, lang).toJs();
    said.textContent = kind === "page" ? "" : text;
    frame.hidden = kind !== "page";
    if (kind === "page") frame.srcdoc = text;
  } catch (error) {
    ready = null;
    said.textContent = `Python did not start: ${error.message ?? error}`;
  }
}

const linked = new URLSearchParams(location.hash.slice(1));
for (const name of ["formula", "numbers"]) {
  if (linked.has(name)) form.elements[name].value = linked.get(name);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const typed = new URLSearchParams(new FormData(form));
  history.replaceState(null, "", `#${typed}`);
  show();
});
show();
