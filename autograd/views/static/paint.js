// Painting: brings the texts, states and coins of a picture that Python laid out to a moment.
import { classed, drawn, marked, sizes, write } from "./elements.js";
import { number, parse, sumOf } from "./numbers.js";

const COINS_AT_MOST = 60;
const REST = 0.91;
const PILE_FROM = 34;
const STRONGEST = 0.4;
const DOTS_AT_MOST = 3;
const DOT = 7;
const PARTS = 8;

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
/** Whether what moves goes up the debts: a walker, or a change on its way forward. */
const upwards = ({ mode }) => mode === "naive" || mode === "nudge";
const numbersOf = ({ dataset }, name) => (dataset[name] ?? dataset[`${name}s`]).split(" ").map(Number);

/** Bring the texts and states of an SVG to a moment: all of them, or those that may have changed. */
export function paint(svg, now, words) {
  const parts = partsOf(svg);
  const touched = (kind) => [...now.changed[kind]].flatMap((id) => parts[kind].get(id) ?? []);
  const current = new Set(now.edges.map((edge) => edge.id));
  const some = now.changed ? new Set([...parts.always, ...touched("nodes"), ...touched("edges")]) : parts.all;
  for (const part of some) part(now, current, words);
}

const known = new WeakMap();

/** What changes in an SVG, looked up once: functions that paint a part anew, by the nodes and edges it is about. */
function partsOf(svg) {
  if (known.has(svg)) return known.get(svg);
  const parts = { all: [], always: [], nodes: new Map(), edges: new Map(), wires: new Map() };
  const add = (kind, ids, part) => {
    parts.all.push(part);
    for (const id of ids) parts[kind].set(id, [...(parts[kind].get(id) ?? []), part]);
  };
  for (const group of svg.querySelectorAll("g.node")) {
    const ids = numbersOf(group, "node");
    add("nodes", ids, (now) => paintCard(group, ids, now));
  }
  for (const group of svg.querySelectorAll("g.edge")) {
    const ids = numbersOf(group, "edge");
    add("edges", ids, (now, current) => paintWire(group, ids, now, current));
    for (const id of ids) parts.wires.set(id, group.querySelector(".wire"));
  }
  for (const text of svg.querySelectorAll("text[data-slot], text[data-word]")) {
    const [{ slot, word }, id] = [text.dataset, Number(text.dataset.of)];
    add(slot === "partial" ? "edges" : "nodes", [id], (now, _, words) => write(text, word ? WORDS[word](text, words, now) : SLOTS[slot](text, id, now)));
    if (slot === "count") parts.always.push(parts.all.at(-1));
  }
  for (const map of svg.querySelectorAll("g.heatmap")) {
    const cells = [...map.querySelectorAll("rect.heat")].map((cell) => [cell, Number(cell.dataset.of), cell.dataset.slot]);
    add("nodes", cells.map(([, id]) => id), (now) => paintHeat(cells, now));
  }
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
  pile: pileText,
  heard: (element, id, now) => heardText(id, now),
  count: (element, _, now) => countText(numbersOf(element.closest("g.node"), "node"), now),
  partial: partialText,
};

/** What is said in the reader's language. */
const WORDS = {
  edges: (text, words) => counted("edge", numbersOf(text.closest("g.edge"), "edge").length, words),
  size: (text, words) => counted("node", numbersOf(text.closest("g.node"), "node").length, words),
  more: (text, words) => words.more.replace("{}", text.dataset.hidden),
  key: (_, words, now) => (now.mode === "nudge" ? "Δ" : words.grad),
};

/** So many nodes or edges. */
export const counted = (what, n, words) => words[n === 1 ? what : `${what}s`].replace("{}", n);

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
  const [local, given] = [now.story.locals[id], parse(now.story.edges[id].local)].map((x) => number(x));
  makeRoom(element, (walked.length + Math.max(0, local.length - given.length)) * DOT);
  const { before } = element.dataset;
  return (now.story.kinked.has(id) ? `${before.split(" = ")[0]} = ` : before) + local + walked;
}

/** Widen a pill for the count of its uses, or for a longer number than the given one. */
function makeRoom(text, more) {
  const rect = text.previousSibling;
  rect.dataset.home ??= rect.getAttribute("width");
  const width = Number(rect.dataset.home) + more;
  if (sizes(rect, "width")[0] !== width) marked(rect, { width, x: text.getAttribute("x") - width / 2 });
}

function paintCard(group, ids, now) {
  const acts = ids.some((id) => now.actors.has(id));
  classed(group, { now: acts, payee: !acts && ids.some((id) => now.payees.has(id)), arrived: ids.some(now.arrived) });
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
    classed(cell, { minus: x < 0 });
  });
}

function paintWire(group, ids, now, current) {
  const [used, up] = [ids.some(now.isUsed), upwards(now)];
  const known = ids.some((id) => now.known(now.story.edges[id].from));
  classed(group, { used: used && !up, walked: used && up, now: ids.some((id) => current.has(id)), unknown: !known });
  if (!group.classList.contains("weight")) return;
  const local = now.story.locals[ids[0]];
  classed(group, { minus: local < 0 });
  const wide = (0.6 + 2.4 * (Number.isNaN(local) ? 1 : Math.min(1, Math.abs(local)))).toFixed(1);
  group.querySelector(".wire").setAttribute("stroke-width", wide);
}

/** Where the cards and wires of a picture are, read off their outlines: a wire part by part; cards with their nodes. */
export function boxesOf(svg) {
  const all = (selector, read) => [...svg.querySelectorAll(selector)].map((element) => ({ element, ...read(element) }));
  return [
    ...all("g.node", (group) => {
      const box = cardBox(group);
      return { nodes: numbersOf(group, "node"), parts: [box], ...box };
    }),
    ...all("g.edge, .quiet", (group) => ({ parts: lineBoxes((group.querySelector(".wire") ?? group).getAttribute("d")) })),
  ];
}

/** Where a card or a scope is, read off its outline. */
export function cardBox(group) {
  const [x, y] = numbersIn(group.getAttribute("transform") ?? "0,0");
  const [dx, dy, width, height] = sizes(group.querySelector(".card, .scope > rect"), "x", "y", "width", "height");
  return { x, y, left: x + dx, top: y + dy, right: x + dx + width, bottom: y + dy + height };
}

function lineBoxes(d) {
  const curve = numbersIn(d);
  const points = Array.from({ length: PARTS + 1 }, (_, i) => pointOn(curve, i / PARTS));
  return points.slice(1).map((to, i) => {
    const { x, y } = points[i];
    return { left: Math.min(x, to.x), right: Math.max(x, to.x), top: Math.min(y, to.y), bottom: Math.max(y, to.y) };
  });
}

export const numbersIn = (text) => text.match(/-?[\d.]+/g).map(Number);

/** The coins of a moment, each with a way to place it at a part of its journey. */
export function coinsOf(svg, now) {
  if (now.step?.kind === "seed") return [seedCoin(svg, now)].filter(Boolean);
  const { wires } = partsOf(svg);
  const used = Map.groupBy(now.edges.filter(({ id }) => wires.has(id)), ({ id }) => wires.get(id));
  return [...used].slice(0, COINS_AT_MOST).map(([wire, edges]) => coinOn(wire, edges, now));
}

function coinOn(wire, edges, now) {
  const text = edges.length > 1 ? `${edges.length}×` : number(now.amount(edges[0]));
  const curve = numbersIn(wire.getAttribute("d"));
  const way = upwards(now) ? (t) => 1 - REST * t : (t) => REST * t;
  return disc(text, upwards(now), (t) => pointOn(curve, way(t)));
}

/** The point at that part of a chain of Bézier curves, as Python has it; without asking for a layout. */
export function pointOn(curve, part) {
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
  const { x, top } = cardBox(root);
  return disc("1", false, (t) => ({ x, y: top - 5 - 40 * (1 - t) }));
}

/** A coin, and what puts it where it is at a part of its way. */
function disc(text, walker, way) {
  const width = Math.max(26, 8.4 * text.length + 14);
  const parts = [drawn("rect", { x: -width / 2, y: -13, width, height: 26, rx: 13 }), drawn("text", { y: 5 }, text)];
  const group = drawn("g", { class: walker ? "coin walker" : "coin" }, ...parts);
  const place = (t) => {
    const { x, y } = way(t);
    group.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
  };
  return { group, place };
}
