// The panels beside the board: the table, the program, the counters, the leaves to play with.
import { grouped, show, sumOf } from "./numbers.js";

/** An element with attributes and children; text becomes text, never markup. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Keep an element of a scrolling list in sight, moving nothing but the list. */
function reveal(list, element) {
  if (!element) return;
  const head = list.querySelector("thead")?.offsetHeight ?? 0;
  const [top, bottom] = [element.offsetTop - head, element.offsetTop + element.offsetHeight];
  if (top < list.scrollTop) list.scrollTop = top;
  else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
}

/** The table of nodes, which says in words what the board shows. */
export class Table {
  constructor(scroll, story) {
    this.scroll = scroll;
    this.story = story;
    this.rows = story.nodes.map((node) => this.#row(node));
    scroll.querySelector("tbody").append(...this.rows.map((row) => row.element));
  }

  #row(node) {
    const small = make("small", {}, node.constant ? "" : node.formula);
    const cells = ["value", "pile", "grad", "heard"].map((name) => make("td", { "data-cell": name }));
    const element = make("tr", { "data-node": node.id }, make("th", { scope: "row" }, node.name, small), ...cells);
    if (node.constant) element.classList.add("quiet");
    return { element, small, cells };
  }

  paint(now, constant) {
    this.story.nodes.forEach((node, id) => this.#paintRow(node, this.rows[id], now, constant));
    const current = [...now.payees, ...now.actors][0];
    if (now.step) reveal(this.scroll, this.rows[current]?.element);
  }

  #paintRow(node, { element, small, cells }, now, constant) {
    const id = node.id;
    if (element.dataset.state !== now.state(id)) element.dataset.state = now.state(id);
    element.classList.toggle("now", now.actors.has(id));
    element.classList.toggle("payee", now.payees.has(id));
    if (node.constant) write(small, constant);
    const grad = now.gradient(id);
    const [heard, of] = now.heard(id);
    write(cells[0], now.known(id) ? show(now.story.values[id]) : "");
    write(cells[1], sumOf(now.pile(id).map((amount) => show(amount))));
    write(cells[2], grad === undefined ? "" : show(grad));
    write(cells[3], node.constant || !of ? "" : `${heard}/${of}`);
  }
}

/** The expression as straight-line code. */
export class Program {
  constructor(list, story) {
    this.list = list;
    this.lines = new Map();
    for (const node of story.nodes) {
      if (node.leaf && node.constant && !node.label) continue;
      const line = { said: make("span", { class: "said" }), value: make("span", { class: "value" }) };
      line.element = make("li", {}, line.said, line.value);
      this.lines.set(node.id, line);
      list.append(line.element);
    }
  }

  paint(now) {
    for (const [id, line] of this.lines) {
      const node = now.story.nodes[id];
      const known = now.known(id) ? show(now.story.values[id], 6) : "";
      write(line.said, node.leaf ? `${node.name} = ${known || "…"}` : `${node.name} = ${node.formula}`);
      write(line.value, node.leaf ? "" : known);
    }
    this.#light(now);
  }

  #light(now) {
    const forth = now.step?.kind === "eval";
    for (const [id, line] of this.lines) {
      const lit = now.step !== undefined && this.#speaks(now, id);
      line.element.className = lit ? `lit ${forth ? "forth" : "back"}` : "";
      if (lit) line.element.setAttribute("aria-current", "step");
      else line.element.removeAttribute("aria-current");
    }
    reveal(this.list, this.list.querySelector(".lit"));
  }

  /** In the naive method the line of an edge is its debtor's, as it is in paying back. */
  #speaks(now, id) {
    return now.mode === "naive" ? now.payees.has(id) : now.actors.has(id);
  }
}

/** How many edges each method has used. */
export class Counters {
  constructor(section) {
    this.section = section;
    this.pay = this.#counter("pay");
    this.walk = this.#counter("walk");
  }

  #counter(name) {
    const counter = { number: make("b"), text: make("span"), fill: make("i") };
    const bar = make("div", { class: "bar", "aria-hidden": "true" }, counter.fill);
    this.section.append(make("div", { class: `counter ${name}`, "data-counter": name }, counter.number, counter.text, bar));
    return counter;
  }

  paint(now, say) {
    const { edges, trace } = now.story;
    const naive = trace.counts.naive_edge_uses;
    const walking = now.mode === "naive";
    const paid = walking ? edges.length : now.used;
    const paidText = say(walking ? "pay_total" : "used", { edges: edges.length });
    this.#set(this.pay, String(paid), paidText, paid / edges.length);
    const walked = walking ? String(now.used) : naive;
    const walkedText = say(walking ? "walked" : "naive_uses", { naive: grouped(naive) });
    this.#set(this.walk, grouped(walked), walkedText, walked === naive ? 1 : Number(walked) / Number(naive));
  }

  #set(counter, number, text, part) {
    write(counter.number, number);
    counter.number.classList.toggle("long", number.length > 14);
    write(counter.text, ` ${text}`);
    counter.fill.style.width = `${100 * (Number.isFinite(part) ? part : 0)}%`;
  }
}

/** Number inputs on the leaves; `retell` is called with a Map from id to number. */
export class Leaves {
  constructor(section, story, retell) {
    this.story = story;
    this.section = section;
    this.leaves = story.nodes.filter((node) => node.leaf && (node.label || !node.constant));
    this.inputs = this.leaves.map((node) => this.#input(node));
    section.hidden = !this.leaves.length;
    const read = () => retell(this.#given());
    const labelled = this.inputs.map((input, i) => make("label", {}, make("span", {}, this.leaves[i].name), input));
    section.querySelector(".leaves").append(...labelled);
    section.addEventListener("input", read);
    this.reset = section.querySelector("button");
    this.reset.addEventListener("click", () => {
      this.inputs.forEach((input) => { input.value = input.defaultValue; });
      read();
    });
  }

  #input(node) {
    const value = this.story.values[node.id];
    const shown = Number.isFinite(value) ? String(value) : "";
    const kind = { type: "number", step: "any", autocomplete: "off" };
    const input = make("input", { ...kind, "data-leaf": node.id, value: shown });
    input.disabled = !this.story.canRetell(node.id);
    return input;
  }

  /** The numbers that differ from those given; an unfinished entry counts as not touched. */
  #given() {
    const given = new Map();
    this.leaves.forEach((node, i) => {
      const input = this.inputs[i];
      if (input.value !== input.defaultValue && input.value !== "") given.set(node.id, input.valueAsNumber);
    });
    this.reset.disabled = this.inputs.every((input) => input.value === input.defaultValue);
    return given;
  }

  translate(frozen) {
    for (const input of this.inputs) if (input.disabled) input.title = frozen;
  }
}
