// The board: repaints the cards and wires that Python laid out, carries the money, moves the view.
import { number, sumOf } from "./numbers.js";

const SVG = "http://www.w3.org/2000/svg";
const READABLE = 0.62;
const LARGEST = 1.5;
const COINS_AT_MOST = 60;
const REST = 0.82;
const PILE_FROM = 34;
const STRONGEST = 0.4;
const DOTS_AT_MOST = 3;
const DOT = 7;

const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
/** Whether what moves goes up the debts: a walker, or a change on its way forward. */
const upwards = ({ mode }) => mode === "naive" || mode === "nudge";
const numbersOf = (group, name) => (group.dataset[name] ?? group.dataset[`${name}s`] ?? "").split(" ").filter(Boolean).map(Number);

/** Bring the texts and states of an SVG to a moment. */
export function paint(svg, now) {
  const parts = partsOf(svg);
  const { nodes, edges } = now.changed ?? {};
  for (const [group, ids] of parts.cards) if (!nodes || ids.some((id) => nodes.has(id))) paintCard(group, ids, now);
  for (const [element, id] of parts.slots) {
    const { slot } = element.dataset;
    if (!nodes || slot === "count" || (slot === "partial" ? edges : nodes).has(id)) inscribe(element, SLOTS[slot](element, id, now));
  }
  for (const cells of parts.maps) if (!nodes || cells.some(([, id]) => nodes.has(id))) paintHeat(cells, now);
  const current = new Set(now.edges.map((edge) => edge.id));
  for (const [group, ids] of parts.wires) if (!edges || ids.some((id) => edges.has(id))) paintWire(group, ids, now, current);
}

const known = new WeakMap();

/** What changes in an SVG, looked up once. */
function partsOf(svg) {
  if (known.has(svg)) return known.get(svg);
  const all = (selector) => [...svg.querySelectorAll(selector)];
  const parts = {
    cards: all("g.node").map((group) => [group, numbersOf(group, "node")]),
    curves: new Map(all("g.edge .wire").flatMap((wire) => numbersOf(wire.parentNode, "edge").map((id) => [id, wire]))),
    wires: all("g.edge").map((group) => [group, numbersOf(group, "edge")]),
    slots: all("text[data-slot]").map((text) => [text, Number(text.dataset.of)]),
    maps: all("g.heatmap").map((map) => [...map.querySelectorAll("rect.heat")].map((cell) => [cell, Number(cell.dataset.of), cell.dataset.slot])),
  };
  known.set(svg, parts);
  return parts;
}

const digitsOf = (element) => Number(element.dataset.digits ?? 6);
const valueOf = (id, now) => (now.known(id) ? now.story.values[id] : undefined);
const written = (x, element) => (x === undefined ? "" : number(x, digitsOf(element)));

/** What each kind of slot says at a moment. */
const SLOTS = {
  value: (element, id, now) => written(valueOf(id, now), element),
  grad: (element, id, now) => written(now.gradient(id), element),
  pile: (element, id, now) => pileText(element, id, now),
  heard: (element, id, now) => heardText(id, now),
  count: (element, _, now) => countText(numbersOf(element.closest("g.node"), "node"), now),
  partial: (element, id, now) => partialText(element, id, now),
};

function heardText(id, now) {
  const [heard, of] = now.heard(id);
  return now.state(id) === "settled" ? "✓" : heard ? `${heard}/${of}` : "";
}

/** The payments as a sum, or where there is no room for that, their total. */
function pileText(element, id, now) {
  const pile = now.pile(id);
  if (!pile.length) return "";
  const wide = (element.closest("g.node").querySelector(".card").getAttribute("width") - 2 * 14 - PILE_FROM - 18) / 8.4;
  const settled = now.state(id) === "settled";
  const total = settled ? now.gradient(id) : pile.reduce((sum, x) => sum + x);
  const short = (digits) => (settled ? "" : "Σ ") + number(total, digits);
  const room = settled ? wide : wide - 1;
  const texts = [...(settled ? [] : [sumOf(pile.map((amount) => number(amount)))]), ...[6, 5, 4, 3].map(short)];
  return texts.find((text) => text.length <= room) ?? short(2);
}

const owingOf = (ids, now) => ids.filter((id) => !now.story.nodes[id].constant);

function countText(ids, now) {
  const owing = owingOf(ids, now);
  return now.taken ? `${owing.filter((id) => now.state(id) === "settled").length}/${owing.length}` : "";
}

function partialText(element, id, now) {
  if (!now.known(now.story.edges[id].from)) return "";
  const times = now.mode === "naive" || now.mode === "impatient" ? now.times(id) : 0;
  const walked = times ? ` ${times <= DOTS_AT_MOST ? "•".repeat(times) : `×${times}`}` : "";
  makeRoom(element, walked.length * DOT);
  return element.dataset.before + number(now.story.locals[id]) + walked;
}

/** Widen a pill for the count of its uses. */
function makeRoom(text, more) {
  const rect = text.previousSibling;
  rect.dataset.home ??= rect.getAttribute("width");
  const width = Number(rect.dataset.home) + more;
  if (Number(rect.getAttribute("width")) === width) return;
  rect.setAttribute("width", width);
  rect.setAttribute("x", text.getAttribute("x") - width / 2);
}

function paintCard(group, ids, now) {
  group.classList.toggle("now", ids.some((id) => now.actors.has(id)));
  group.classList.toggle("payee", ids.some((id) => now.payees.has(id)) && !group.classList.contains("now"));
  group.classList.toggle("arrived", ids.some(now.arrived));
  const state = group.classList.contains("fold") ? stateOf(ids, now) : now.state(ids[0]);
  if (group.dataset.state !== state) group.dataset.state = state;
}

/** The state of a fold: settled once all in it are, owed once anyone has been paid. */
function stateOf(ids, now) {
  const owing = owingOf(ids, now).map((id) => now.state(id));
  if (owing.length && owing.every((state) => state === "settled")) return "settled";
  if (owing.some((state) => state === "settled" || state === "owed")) return "owed";
  return ids.some((id) => now.state(id) === "known") ? "known" : "idle";
}

/** Each cell as strong as its number is large among all of its map; an outline says minus. */
function paintHeat(cells, now) {
  const numbers = cells.map(([, id, slot]) => (slot === "value" ? valueOf(id, now) : now.gradient(id)));
  const scale = Math.max(0, ...numbers.filter(Number.isFinite).map(Math.abs));
  cells.forEach(([cell], k) => {
    const x = numbers[k];
    const part = x === undefined ? 0 : !Number.isFinite(x) ? 1 : scale ? Math.abs(x) / scale : 0;
    const opacity = (0.05 + STRONGEST * part).toFixed(3);
    if (cell.getAttribute("opacity") !== opacity) cell.setAttribute("opacity", opacity);
    cell.classList.toggle("minus", x < 0);
  });
}

function paintWire(group, ids, now, current) {
  const used = ids.some(now.isUsed);
  group.classList.toggle("used", used && !upwards(now));
  group.classList.toggle("walked", used && upwards(now));
  group.classList.toggle("now", ids.some((id) => current.has(id)));
  group.classList.toggle("unknown", !ids.some((id) => now.known(now.story.edges[id].from)));
  if (!group.classList.contains("weight")) return;
  const local = now.story.locals[ids[0]];
  group.classList.toggle("minus", local < 0);
  const wide = (0.6 + 2.4 * (Number.isNaN(local) ? 1 : Math.min(1, Math.abs(local)))).toFixed(1);
  group.querySelector(".wire").setAttribute("stroke-width", wide);
}

function inscribe(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The board on its stage: levels of folding, coins on their way, zoom and pan. */
export class Board {
  constructor(stage, templates) {
    this.stage = stage;
    this.templates = templates;
    this.camera = { x: 0, y: 0, scale: 1 };
    this.follows = true;
    this.#measure();
    this.#adopt(stage.querySelector("svg.board"));
    this.#listen();
    new ResizeObserver(() => {
      this.#measure();
      this.fit();
    }).observe(stage);
  }

  /** Once per size of the window: to ask in every step would lay out the whole page each time. */
  #measure() {
    this.size = { width: this.stage.clientWidth || 800, height: this.stage.clientHeight || 500 };
  }

  #adopt(svg) {
    this.svg = svg;
    const [x, y, width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
    this.home = { x, y, width, height };
    svg.dataset.home = svg.getAttribute("viewBox");
    this.fit();
  }

  /** Show another level of folding. */
  show(level) {
    const svg = this.templates.get(level).content.firstElementChild.cloneNode(true);
    this.svg.replaceWith(svg);
    this.#adopt(svg);
  }

  // -- the view ------------------------------------------------------------------------------------

  get #fitting() {
    const { width, height } = this.size;
    return Math.min(LARGEST, width / this.home.width, height / this.home.height);
  }

  /** The whole board, in the middle. */
  fit() {
    this.follows = true;
    this.#look(this.home.x + this.home.width / 2, this.home.y + this.home.height / 2, this.#fitting);
  }

  zoom(factor, at) {
    const { width, height } = this.size;
    const [px, py] = at ? [at.x, at.y] : [width / 2, height / 2];
    const { x, y, scale } = this.camera;
    const next = Math.min(4, Math.max(Math.min(this.#fitting, 1) * 0.8, scale * factor));
    const shift = 1 / scale - 1 / next;
    this.follows = false;
    this.#look(x + (px - width / 2) * shift, y + (py - height / 2) * shift, next);
  }

  #look(x, y, scale) {
    this.camera = { x, y, scale };
    const { width, height } = this.size;
    const box = [x - width / 2 / scale, y - height / 2 / scale, width / scale, height / scale];
    this.svg.setAttribute("viewBox", box.map((v) => v.toFixed(2)).join(" "));
    this.stage.classList.toggle("grabbable", scale > this.#fitting * 1.01);
    this.stage.classList.toggle("overview", scale < 0.25);
    this.stage.classList.toggle("large", this.#fitting < READABLE);
  }

  /** Where the whole is too small to read, go to what is happening. */
  follow() {
    if (!this.follows || this.#fitting >= READABLE) return;
    const groups = [...this.svg.querySelectorAll("g.node.now, g.node.payee")];
    if (!groups.length) return this.fit();
    const boxes = groups.map((group) => this.#boxOf(group));
    const [left, top] = [Math.min(...boxes.map((b) => b.left)), Math.min(...boxes.map((b) => b.top))];
    const [right, bottom] = [Math.max(...boxes.map((b) => b.right)), Math.max(...boxes.map((b) => b.bottom))];
    const { width, height } = this.size;
    const scale = Math.min(1, Math.max(this.#fitting, Math.min(width / (right - left + 80), height / (bottom - top + 80))));
    this.#glide((left + right) / 2, (top + bottom) / 2, scale);
  }

  /** Look at one node, at a size that can be read. */
  lookAt(node) {
    const group = this.svg.querySelector(`g.node[data-node="${node}"], g.node[data-nodes~="${node}"]`);
    if (!group || this.#fitting >= READABLE) return;
    const { left, right, top, bottom } = this.#boxOf(group);
    this.#look((left + right) / 2, (top + bottom) / 2, 0.9);
    this.follows = false;
  }

  /** The box of a card, read off its outline. */
  #boxOf(group) {
    const [x, y] = group.getAttribute("transform").match(/-?[\d.]+/g).map(Number);
    const [width, height] = ["width", "height"].map((side) => Number(group.querySelector(".ring").getAttribute(side)));
    return { left: x - width / 2, top: y - height / 2, right: x + width / 2, bottom: y + height / 2 };
  }

  #glide(x, y, scale) {
    cancelAnimationFrame(this.gliding);
    if (still()) return this.#look(x, y, scale);
    const from = { ...this.camera };
    const start = performance.now();
    const frame = (time) => {
      const t = Math.min(1, Math.max(0, (time - start) / 320));
      const eased = t * (2 - t);
      this.#look(from.x + (x - from.x) * eased, from.y + (y - from.y) * eased, from.scale + (scale - from.scale) * eased);
      if (t < 1) this.gliding = requestAnimationFrame(frame);
    };
    this.gliding = requestAnimationFrame(frame);
  }

  #listen() {
    const { stage } = this;
    const pointers = new Map();
    const place = (event) => {
      const box = stage.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && !stage.classList.contains("grabbable")) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 400), place(event));
    }, { passive: false });
    stage.addEventListener("pointerdown", (event) => {
      if (event.target.closest(".zoom")) return;
      pointers.set(event.pointerId, place(event));
    });
    stage.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const after = place(event);
      pointers.set(event.pointerId, after);
      if (pointers.size === 2) this.#pinch(pointers, event.pointerId, before);
      else if (stage.classList.contains("grabbable")) this.#drag(before, after);
    });
    for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
      stage.addEventListener(name, (event) => pointers.delete(event.pointerId));
    }
  }

  #drag(before, after) {
    cancelAnimationFrame(this.gliding);
    const { x, y, scale } = this.camera;
    this.follows = false;
    this.#look(x - (after.x - before.x) / scale, y - (after.y - before.y) / scale, scale);
  }

  #pinch(pointers, moved, before) {
    const [a, b] = [...pointers.values()];
    const other = [...pointers].find(([id]) => id !== moved)[1];
    const after = pointers.get(moved);
    const apart = (p) => Math.hypot(p.x - other.x, p.y - other.y);
    this.zoom(apart(after) / Math.max(1, apart(before)), { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
  }

  // -- the money -----------------------------------------------------------------------------------

  /** Carry this moment's amounts along their wires, from debtor to creditor (or up, by a walker). */
  carry(now, milliseconds) {
    cancelAnimationFrame(this.moving);
    for (const coin of this.svg.querySelectorAll(".coin")) coin.remove();
    const coins = coinsOf(this.svg, now);
    const start = performance.now();
    const frame = (time) => {
      const part = milliseconds ? Math.min(1, Math.max(0, (time - start) / milliseconds)) : 1;
      const eased = part < 0.5 ? 2 * part * part : 1 - 2 * (1 - part) ** 2;
      for (const place of coins) place(eased);
      if (part < 1) this.moving = requestAnimationFrame(frame);
    };
    if (still() || !milliseconds) return coins.forEach((place) => place(1));
    coins.forEach((place) => place(0));
    this.moving = requestAnimationFrame(frame);
  }
}

/** The coins of a moment, each with a way to place it at a part of its journey. */
export function coinsOf(svg, now) {
  if (now.step?.kind === "seed") return [seedCoin(svg, now)].filter(Boolean);
  const wires = new Map();
  for (const { id } of now.edges) {
    const wire = partsOf(svg).curves.get(id);
    if (wire) wires.set(wire, [...(wires.get(wire) ?? []), id]);
  }
  return [...wires].slice(0, COINS_AT_MOST).map(([wire, ids]) => coinOn(svg, wire, ids, now));
}

function coinOn(svg, wire, ids, now) {
  const text = ids.length > 1 ? `${ids.length}×` : number(now.amount(now.story.edges[ids[0]]));
  const group = disc(svg, text, upwards(now));
  const curve = wire.getAttribute("d").match(/-?[\d.]+/g).map(Number);
  const way = upwards(now) ? (t) => 1 - REST * t : (t) => REST * t;
  return (t) => move(group, pointOn(curve, way(t)));
}

/** The point at that part of a chain of Bézier curves, as Python has it; without asking for a layout. */
function pointOn(curve, part) {
  const pieces = (curve.length - 2) / 6;
  const piece = Math.min(pieces - 1, Math.floor(part * pieces));
  const t = part * pieces - piece;
  const weights = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t ** 3];
  const along = (axis) => weights.reduce((sum, weight, k) => sum + weight * curve[6 * piece + 2 * k + axis], 0);
  return { x: along(0), y: along(1) };
}

/** The debt of 1 comes down on the root. */
function seedCoin(svg, now) {
  const root = svg.querySelector(`g.node[data-node="${now.story.root.id}"]`);
  if (!root) return undefined;
  const [x, y] = root.getAttribute("transform").match(/-?[\d.]+/g).map(Number);
  const top = y - root.querySelector(".card").getAttribute("height") / 2;
  const group = disc(svg, "1", false);
  return (t) => move(group, { x, y: top - 5 - 40 * (1 - t) });
}

function disc(svg, text, walker) {
  const group = svg.appendChild(document.createElementNS(SVG, "g"));
  const rect = group.appendChild(document.createElementNS(SVG, "rect"));
  const label = group.appendChild(document.createElementNS(SVG, "text"));
  const width = Math.max(26, 8.4 * text.length + 14);
  for (const [name, value] of Object.entries({ x: -width / 2, y: -13, width, height: 26, rx: 13 })) rect.setAttribute(name, value);
  group.setAttribute("class", walker ? "coin walker" : "coin");
  group.setAttribute("aria-hidden", "true");
  label.setAttribute("y", 5);
  label.textContent = text;
  return group;
}

function move(group, { x, y }) {
  group.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
}
