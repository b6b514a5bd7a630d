// The panels beside the board: the table, the program, the counters, the leaves to play with.
import { classed, make, write } from "./elements.js";
import { grouped, show, sumOf, typeset } from "./numbers.js";

/** Items that a browser lays out together, and not before they come into sight: so many, about so high. */
const TOGETHER = 40;
const ROW = 37;
const LINE = 25;

/** The items of a long list in elements of so many each. */
function together(items, height, name) {
  return Array.from({ length: Math.ceil(items.length / TOGETHER) }, (_, i) => {
    const group = make(name, {}, ...items.slice(TOGETHER * i, TOGETHER * (i + 1)));
    group.style.containIntrinsicSize = `auto ${height * group.children.length}px`;
    return group;
  });
}

/** Keep an element of a scrolling list in sight, moving nothing but the list: when all is written, and once more when what came into sight has its size. */
function reveal(list, element) {
  cancelAnimationFrame(list.revealing);
  const again = (times) => {
    scrollTo(list, element);
    if (times) list.revealing = requestAnimationFrame(() => again(times - 1));
  };
  if (element) list.revealing = requestAnimationFrame(() => again(1));
}

function scrollTo(list, element) {
  const head = list.querySelector("thead")?.offsetHeight ?? 0;
  const box = element.getBoundingClientRect();
  const at = list.scrollTop + box.top - list.getBoundingClientRect().top;
  const [top, bottom] = [at - head, at + box.height];
  if (top < list.scrollTop) list.scrollTop = top;
  else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
}

/** The table of nodes, which says in words what the board shows. A gradient is a button: ask it where it comes from. */
export class Table {
  constructor(scroll, story) {
    this.scroll = scroll;
    this.rows = story.nodes.map((node) => this.#row(node));
    for (const body of scroll.querySelectorAll("tbody")) body.remove();
    scroll.querySelector("table").append(...together(this.rows.map((row) => row.element), ROW, "tbody"));
  }

  #row(node) {
    const small = make("small", {}, node.constant || node.leaf ? "" : ` = ${typeset(node.formula)}`);
    const cells = ["value", "pile", "grad", "heard"].map((name) => make("td", { "data-cell": name }));
    const ask = make("button", { class: "text", "data-ask": node.id });
    const element = make("tr", { "data-node": node.id }, make("th", { scope: "row" }, node.name, small), ...cells);
    cells[2].append(ask);
    if (node.constant) element.classList.add("quiet");
    return { element, small, cells, ask };
  }

  paint(now, say) {
    for (const id of now.changed?.nodes ?? this.rows.keys()) this.#paintRow(now.story.nodes[id], this.rows[id], now, say);
    const current = [...now.payees, ...now.actors][0];
    if (now.step) reveal(this.scroll, this.rows[current]?.element);
  }

  #paintRow(node, { element, small, cells, ask }, now, say) {
    const id = node.id;
    const state = now.state(id);
    if (element.dataset.state !== state) element.dataset.state = state;
    classed(element, { now: now.actors.has(id), payee: now.payees.has(id) });
    if (node.constant) write(small, ` (${say("constant")})`);
    const grad = now.gradient(id);
    const [heard, of] = now.heard(id);
    write(cells[0], now.known(id) ? show(now.story.values[id]) : "");
    write(cells[1], sumOf(now.pile(id).map((amount) => show(amount))));
    write(ask, grad === undefined ? "" : show(grad));
    ask.hidden = grad === undefined;
    write(cells[3], node.constant || !of ? "" : `${heard}/${of}`);
  }

  /** Titles in the reader's language. */
  translate(say) {
    for (const { ask, element } of this.rows) ask.title = say("ask", { node: element.firstChild.firstChild.textContent });
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
    }
    list.replaceChildren(...together([...this.lines.values()].map((line) => line.element), LINE, "ol"));
  }

  paint(now) {
    let lit;
    for (const id of now.changed?.nodes ?? this.lines.keys()) {
      const [line, node] = [this.lines.get(id), now.story.nodes[id]];
      if (!line) continue;
      const known = now.known(id) ? typeset(show(now.story.values[id], 6)) : "";
      write(line.said, node.leaf ? `${node.name} = ${known || "…"}` : `${node.name} = ${typeset(node.formula)}`);
      write(line.value, node.leaf ? "" : known);
      const on = now.step !== undefined && now.lines.has(id);
      this.#light(line.element, on, now.step?.kind === "eval" || now.mode === "nudge");
      if (on) lit ??= line.element;
    }
    reveal(this.list, lit);
  }

  #light(element, lit, forth) {
    const name = lit ? `lit ${forth ? "forth" : "back"}` : "";
    if (element.className === name) return;
    element.className = name;
    element.ariaCurrent = lit ? "step" : null;
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
    const other = { naive: "walked", impatient: "hurried" }[now.mode];
    const all = trace.counts[`${other ? now.mode : "naive"}_edge_uses`];
    const paid = other ? edges.length : now.mode === "nudge" ? 0 : now.used;
    this.#set(this.pay, String(paid), say(other ? "pay_total" : "used", { edges: edges.length }), paid / edges.length);
    const walked = other ? String(now.used) : all;
    this.#set(this.walk, grouped(walked), say(other ?? "naive_uses", { all: grouped(all) }), walked === all ? 1 : Number(walked) / Number(all));
  }

  #set(counter, number, text, part) {
    write(counter.number, number);
    counter.number.classList.toggle("long", number.length > 14);
    write(counter.text, ` ${text}`);
    counter.fill.style.width = `${100 * (Number.isFinite(part) ? part : 0)}%`;
  }
}

/** What somebody typed as a number: `{ number }`, or the key of what is wrong with it. */
export function readNumber(typed) {
  const text = typed.trim().replace(/^[−–]/, "-");
  if (!text) return { wrong: "bad_blank" };
  const word = text.match(/^([+-]?)(inf|infinity|∞|nan)$/i);
  if (word) return { number: /nan/i.test(word[2]) ? NaN : word[1] === "-" ? -Infinity : Infinity };
  // 1,000 may well be a thousand
  if (/^[+-]?\d*,\d+$/.test(text) && !/^[+-]?[1-9]\d?\d?,\d{3}$/.test(text)) return { wrong: "bad_comma", words: { meant: text.replace(",", ".") } };
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return { wrong: "bad_number" };
  const number = Number(text);
  if (!Number.isFinite(number)) return { wrong: "bad_large" };
  if (number === 0 && /[1-9]/.test(text.split(/e/i)[0])) return { wrong: "bad_small" };
  return { number };
}

/** A field for a number that says beside itself what is wrong; `use` is called with every number that can be read. */
export class NumberField {
  constructor(input, say, use) {
    Object.assign(this, { input, say, use });
    this.note = make("span", { class: "wrong", id: `wrong-${(NumberField.count = (NumberField.count ?? 0) + 1)}`, role: "alert" });
    input.setAttribute("aria-describedby", this.note.id);
    input.addEventListener("input", () => {
      const { number } = this.check();
      if (number !== undefined) use(number);
    });
  }

  check() {
    const read = readNumber(this.input.value);
    this.input.ariaInvalid = Boolean(read.wrong);
    write(this.note, read.wrong ? this.say(read.wrong, read.words) : "");
    return read;
  }

  put(number) {
    this.input.value = plain(number);
    this.check();
  }
}

/** Number fields on the leaves; `retell` is called with a Map from id to number. */
export class Leaves {
  constructor(section, story, say, retell) {
    Object.assign(this, { section, story, given: new Map(), retell });
    const leaves = story.nodes.filter((node) => node.leaf && (node.label || !node.constant));
    this.fields = new Map(leaves.map((node) => [node.id, this.#field(node, say)]));
    section.querySelector(".leaves").replaceChildren(...leaves.map((node) => {
      const { input, note } = this.fields.get(node.id);
      return make("div", {}, make("label", {}, make("span", {}, node.name), input), note);
    }));
    section.hidden = !leaves.length;
    this.reset = section.querySelector("[data-action=reset]");
  }

  #field(node, say) {
    const value = plain(this.story.values[node.id]);
    const kind = { type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false" };
    const input = make("input", { ...kind, "data-leaf": node.id, value });
    input.disabled = !this.story.canRetell(node.id);
    return new NumberField(input, say, (number) => this.#take(node.id, number));
  }

  #take(id, number) {
    if (Object.is(number, this.story.values[id])) this.given.delete(id);
    else this.given.set(id, number);
    this.reset.disabled = !this.given.size;
    this.retell(this.told = this.given);
  }

  /** Put in the numbers that differ from those given: a link's, or none; what is typed here stays as it is typed. */
  put(given) {
    if (given === this.told) return;
    this.told = given;
    this.given = new Map(given);
    for (const [id, field] of this.fields) field.put(this.given.get(id) ?? this.story.values[id]);
    this.reset.disabled = !this.given.size;
  }

  translate(say) {
    for (const field of this.fields.values()) {
      if (field.input.disabled) field.input.title = say("frozen");
      field.check();
    }
  }
}

/** Every digit of a number, as the fields and the link write it. */
export const plain = (x) => (Number.isFinite(x) ? (Object.is(x, -0) ? "-0" : String(x).replace("+", "")) : show(x));
