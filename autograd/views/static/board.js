// The board: repaints the cards and wires that Python laid out, carries the money, moves the view.
import { show, sumOf } from "./numbers.js";

const SVG = "http://www.w3.org/2000/svg";
const READABLE = 0.62;
const LARGEST = 1.5;
const COINS_AT_MOST = 60;
const REST = 0.82;

const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const numbersOf = (group, name) => (group.dataset[name] ?? group.dataset[`${name}s`] ?? "").split(" ").filter(Boolean).map(Number);

/** A number on the board: short, with a true minus. */
const short = (x, digits = 5) => show(x, digits).replaceAll("-", "−");

/** Bring the texts and states of an SVG to a moment. */
export function paint(svg, now) {
  for (const group of svg.querySelectorAll("g.node")) paintCard(group, numbersOf(group, "node"), now);
  const current = new Set(now.edges.map((edge) => edge.id));
  for (const group of svg.querySelectorAll("g.edge")) paintWire(group, numbersOf(group, "edge"), now, current);
}

function paintCard(group, ids, now) {
  group.classList.toggle("now", ids.some((id) => now.actors.has(id)));
  group.classList.toggle("payee", ids.some((id) => now.payees.has(id)) && !group.classList.contains("now"));
  group.classList.toggle("arrived", ids.some(now.arrived));
  if (group.classList.contains("fold")) paintFold(group, ids, now);
  else paintNode(group, ids[0], now);
}

function paintNode(group, id, now) {
  const state = now.state(id);
  group.dataset.state = state;
  inscribe(group, ".value", now.known(id) ? short(now.story.values[id]) : "");
  inscribe(group, ".pile", pileText(group, id, now, state));
  const [heard, of] = now.heard(id);
  inscribe(group, ".heard", state === "settled" ? "✓" : heard ? `${heard}/${of}` : "");
}

function pileText(group, id, now, state) {
  const pile = now.pile(id);
  if (!pile.length) return "";
  if (state === "settled") return short(now.gradient(id));
  const text = sumOf(pile.map((amount) => short(amount)));
  return fits(group, text) ? text : `Σ ${short(pile.reduce((sum, x) => sum + x), 4)}`;
}

const fits = (group, text, rest = 62) => text.length * 7.6 < group.querySelector(".card").getAttribute("width") - rest;

function paintFold(group, ids, now) {
  const owing = ids.filter((id) => !now.story.nodes[id].constant);
  const settled = owing.filter((id) => now.state(id) === "settled").length;
  group.dataset.state = settled === owing.length ? "settled" : settled ? "owed" : "known";
  const heard = `${settled}/${owing.length}`;
  inscribe(group, ".heard", heard);
  inscribe(group, ".pile", deltas(group, owing, now, 46 + 7 * heard.length));
}

/** The δ of a folded layer or neuron: the gradients of its weighted sums, as far as they fit. */
function deltas(group, ids, now, rest) {
  const sums = now.story.sumsOf(ids).filter((id) => now.gradient(id) !== undefined);
  let text = "";
  for (const id of sums) {
    const longer = `${text ? `${text}, ` : "δ "}${short(now.gradient(id), 3)}`;
    if (!fits(group, longer, rest)) return text && `${text} …`;
    text = longer;
  }
  return text;
}

function paintWire(group, ids, now, current) {
  const used = ids.some(now.isUsed);
  group.classList.toggle("used", used && now.mode === "backprop");
  group.classList.toggle("walked", used && now.mode === "naive");
  group.classList.toggle("now", ids.some((id) => current.has(id)));
  if (ids.length > 1) return;
  const edge = now.story.edges[ids[0]];
  const times = now.mode === "naive" ? now.walk.times(edge.id, now.taken) : 0;
  const local = now.known(edge.from) ? `×${short(now.story.locals[edge.id], 4)}` : "";
  inscribe(group, ".local", times ? `${local} ${times < 6 ? "•".repeat(times) : `•${times}`}` : local);
}

function inscribe(group, selector, text) {
  const element = group.querySelector(selector);
  if (element && element.textContent !== text) element.textContent = text;
}

/** The board on its stage: levels of folding, coins on their way, zoom and pan. */
export class Board {
  constructor(stage, templates) {
    this.stage = stage;
    this.templates = templates;
    this.camera = { x: 0, y: 0, scale: 1 };
    this.follows = true;
    this.#adopt(stage.querySelector("svg.board"));
    this.#listen();
    new ResizeObserver(() => this.fit()).observe(stage);
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

  get #size() {
    return { width: this.stage.clientWidth || 800, height: this.stage.clientHeight || 500 };
  }

  get #fitting() {
    const { width, height } = this.#size;
    return Math.min(LARGEST, width / this.home.width, height / this.home.height);
  }

  /** The whole board, in the middle. */
  fit() {
    this.follows = true;
    this.#look(this.home.x + this.home.width / 2, this.home.y + this.home.height / 2, this.#fitting);
  }

  zoom(factor, at = this.#size) {
    const { width, height } = this.#size;
    const [px, py] = at === this.#size || at.x === undefined ? [width / 2, height / 2] : [at.x, at.y];
    const { x, y, scale } = this.camera;
    const next = Math.min(4, Math.max(Math.min(this.#fitting, 1) * 0.8, scale * factor));
    const shift = 1 / scale - 1 / next;
    this.follows = false;
    this.#look(x + (px - width / 2) * shift, y + (py - height / 2) * shift, next);
  }

  #look(x, y, scale) {
    this.camera = { x, y, scale };
    const { width, height } = this.#size;
    const box = [x - width / 2 / scale, y - height / 2 / scale, width / scale, height / scale];
    this.svg.setAttribute("viewBox", box.map((v) => v.toFixed(2)).join(" "));
    this.stage.classList.toggle("grabbable", scale > this.#fitting * 1.01);
    this.stage.classList.toggle("overview", scale < 0.25);
    this.stage.classList.toggle("large", this.#fitting < READABLE);
  }

  /** Where the whole is too small to read, go to what is happening. */
  follow() {
    if (!this.follows || this.#fitting >= READABLE) return;
    const groups = [...this.svg.querySelectorAll("g.edge.now, g.node.now, g.node.payee")];
    if (!groups.length) return this.fit();
    const boxes = groups.map((group) => this.#boxOf(group));
    const [left, top] = [Math.min(...boxes.map((b) => b.left)), Math.min(...boxes.map((b) => b.top))];
    const [right, bottom] = [Math.max(...boxes.map((b) => b.right)), Math.max(...boxes.map((b) => b.bottom))];
    const { width, height } = this.#size;
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

  #boxOf(group) {
    const box = group.getBBox();
    const at = group.transform.baseVal.consolidate()?.matrix;
    const [x, y] = [box.x + (at?.e ?? 0), box.y + (at?.f ?? 0)];
    return { left: x, top: y, right: x + box.width, bottom: y + box.height };
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
    const wire = svg.querySelector(`g.edge[data-edge="${id}"] .wire, g.edge[data-edges~="${id}"] .wire`);
    if (wire) wires.set(wire, [...(wires.get(wire) ?? []), id]);
  }
  return [...wires].slice(0, COINS_AT_MOST).map(([wire, ids]) => coinOn(svg, wire, ids, now));
}

function coinOn(svg, wire, ids, now) {
  const text = ids.length > 1 ? `${ids.length}×` : short(now.amount(now.story.edges[ids[0]]));
  const group = disc(svg, text, now.mode === "naive");
  const length = wire.getTotalLength();
  const way = now.mode === "naive" ? (t) => 1 - REST * t : (t) => REST * t;
  return (t) => move(group, wire.getPointAtLength(length * way(t)));
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
  label.setAttribute("y", 5);
  label.textContent = text;
  return group;
}

function move(group, { x, y }) {
  group.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
}
