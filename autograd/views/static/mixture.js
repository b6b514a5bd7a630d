// A mixture of levels: pieces of one stand in place of another's boxes and cards, and everything around makes room.
// Columns stay columns and units keep their order; lines that no level has take the straight way.
import { cardBox, drawn, numbersIn, pointOn } from "./paint.js";

const AWAY = 160;
const PILL = 68;

/** The picture of a level in which some boxes are the other way round. */
export function mixture(folding, state) {
  const base = folding.pictures.get(state.level);
  const { width, height, cards, boxes } = piece(folding, state, state.level);
  const svg = base.cloneNode(false);
  marked(svg, { width, height, viewBox: `0 0 ${width} ${height}` });
  svg.append(base.querySelector("title").cloneNode(true), ...boxes.map(boxAt), ...wires(folding, cards), ...cards.map(cardAt));
  return svg;
}

const read = new WeakMap();

/** What a level holds: cards, boxes and wires, where they are, and the scopes around them. */
function partsOfLevel(folding, level) {
  const svg = folding.pictures.get(level);
  if (!read.has(svg)) read.set(svg, partsIn(svg, folding));
  return read.get(svg);
}

function partsIn(svg, { chains, scopes, edges }) {
  const all = (selector) => [...svg.querySelectorAll(selector)];
  const cards = all("g.node").map((group) => {
    const nodes = (group.dataset.nodes ?? group.dataset.node).split(" ").map(Number);
    const box = group.dataset.box && Number(group.dataset.box);
    const chain = group.matches(".loss, .inputs") ? [] : chains[nodes[0]];
    return { group, nodes, box, chain: box === undefined ? chain : chain.slice(0, scopes[box].length - 1), ...cardBox(group) };
  });
  const boxes = all("g.scope").map((group) => {
    const [left, top, width, height] = ["x", "y", "width", "height"].map((name) => Number(group.querySelector("rect").getAttribute(name)));
    const box = Number(group.dataset.box);
    const chain = chains.find((found) => found.includes(box)).slice(0, scopes[box].length);
    return { group, box, chain, left, top, right: left + width, bottom: top + height };
  });
  const cardOf = new Map(cards.flatMap((card) => card.nodes.map((id) => [id, card])));
  const lines = all("g.edge, .quiet").map((line) => {
    const key = line.dataset.edges ?? line.dataset.edge;
    const ids = key?.split(" ").map(Number) ?? [];
    const ends = key ? [edges[ids[0]].from, edges[ids[0]].to] : line.dataset.ends.split(" ").map(Number);
    return { line, key, ids, ends, debtor: cardOf.get(ends[0]), creditor: cardOf.get(ends[1]) };
  });
  const [left, top, width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  return { cards, boxes, lines, whole: { left, top, right: left + width, bottom: top + height } };
}

/** The inside of a scope (or all there is) at a level, what is otherwise there in its place, measured from its corner. */
function piece(folding, state, level, scope) {
  const parts = partsOfLevel(folding, level);
  const within = [...parts.cards, ...parts.boxes].filter(({ chain }) => scope === undefined || chain.includes(scope));
  const shut = ({ chain }) => chain.slice(chain.indexOf(scope) + 1).find((box) => !folding.isOpen(box, state));
  const swaps = [];
  const kept = within.filter((part) => {
    const closed = shut(part);
    const opens = part.nodes && part.box !== undefined && folding.isOpen(part.box, state);
    if (closed === undefined && !opens) return true;
    if (closed === undefined) swaps.push([part, piece(folding, state, folding.inside(part.box), part.box)]);
    else if (part.box === closed && !part.nodes) swaps.push([part, folded(folding, closed)]);
    return false;
  });
  const rigid = kept.filter((part) => part.nodes || !swaps.some(([{ chain }]) => chain.includes(part.box)));
  const sides = (near, far, size) => stretch([
    ...rigid.map((part) => [part[near], part[far], part[far] - part[near]]),
    ...swaps.map(([part, inner]) => [part[near], part[far], inner[size]]),
  ]);
  const [fx, fy] = [sides("left", "right", "width"), sides("top", "bottom", "height")];
  const frame = scope === undefined ? parts.whole : parts.boxes.find(({ box }) => box === scope);
  const move = { x: -fx(frame.left), y: -fy(frame.top) };
  const at = (x, y) => [fx(x) + move.x, fy(y) + move.y];
  const [width, height] = at(frame.right, frame.bottom);
  const cards = kept.filter(({ nodes }) => nodes).map((card) => ({ card, at, place: at(card.x, card.y) }));
  const made = { width, height, cards, boxes: kept.filter(({ nodes }) => !nodes).map((part) => ({ part, at })), moves: [move] };
  for (const [part, inner] of swaps) {
    const [[left, top], [right, bottom]] = [at(part.left, part.top), at(part.right, part.bottom)];
    shift(inner, (left + right - inner.width) / 2, (top + bottom - inner.height) / 2);
    for (const list of ["cards", "boxes", "moves"]) made[list].push(...inner[list]);
  }
  return made;
}

/** A folded scope as a piece of its own. */
function folded(folding, box) {
  const card = partsOfLevel(folding, folding.scopes[box].length).cards.find((one) => one.box === box);
  const move = { x: -card.left, y: -card.top };
  const at = (x, y) => [x + move.x, y + move.y];
  return { width: card.right - card.left, height: card.bottom - card.top, cards: [{ card, at, place: at(card.x, card.y) }], boxes: [], moves: [move] };
}

function shift({ cards, moves }, x, y) {
  for (const card of cards) card.place = [card.place[0] + x, card.place[1] + y];
  for (const move of moves) Object.assign(move, { x: move.x + x, y: move.y + y });
}

/** Where each coordinate goes when spans [from, to, size] take that size: a span is as wide as the widest wants it. */
function stretch(spans) {
  const ends = [...new Set(spans.flatMap(([from, to]) => [from, to]))].sort((a, b) => a - b);
  const steps = ends.slice(1).map((to, i) => {
    const [from, over] = [ends[i], spans.filter((span) => span[0] <= ends[i] && span[1] >= to)];
    return { from, to, more: over.length ? (to - from) * (Math.max(...over.map((span) => span[2] / (span[1] - span[0]))) - 1) : 0 };
  }).filter(({ more }) => more);
  return (x) => steps.reduce((sum, { from, to, more }) => sum + more * Math.min(1, Math.max(0, (x - from) / (to - from))), x);
}

/** The lines between these cards: those that a level has, and for all other edges and constants new ones. */
function wires(folding, places) {
  const at = new Map(places.flatMap((place) => [place.card, ...place.card.nodes].map((key) => [key, place])));
  const levels = [...folding.pictures.keys()];
  const all = levels.flatMap((level) => partsOfLevel(folding, level).lines);
  const known = new Map(all.map((wire) => [wire.key, wire]));
  const found = all.filter(({ debtor, creditor }) => at.has(debtor) && at.has(creditor));
  const done = new Set(found.flatMap(({ ids }) => ids));
  const order = new Map(places.map((place, i) => [place, i]));
  const pairOf = (kind, ends) => [kind, ...ends.map((node) => order.get(at.get(node)))].join(" ");
  const missing = new Map();
  for (const { id, from, to } of folding.edges) {
    const pair = pairOf("edge", [from, to]);
    if (!done.has(id) && at.get(from) !== at.get(to)) missing.set(pair, [...(missing.get(pair) ?? []), id]);
  }
  const quiet = new Map(partsOfLevel(folding, levels.at(-1)).lines.filter(({ key }) => !key).map((wire) => [pairOf("", wire.ends), wire]));
  for (const wire of found) if (!wire.key) quiet.delete(pairOf("", wire.ends));
  const bundles = [...missing.values()].map((ids) => known.get(ids.join(" ")) ?? { line: bundleOf(ids), ends: [folding.edges[ids[0]].from, folding.edges[ids[0]].to] });
  return [...found, ...bundles, ...quiet.values()].filter(({ ends: [a, b] }) => at.get(a) !== at.get(b)).map((wire) => wireAt(wire, ...wire.ends.map((node) => at.get(node))));
}

function cardAt({ card, place }) {
  return marked(card.group.cloneNode(true), { transform: `translate(${spelled(place)})` });
}

function boxAt({ part, at }) {
  const group = part.group.cloneNode(true);
  const [[x, y], [right, bottom]] = [at(part.left, part.top), at(part.right, part.bottom)];
  marked(group.querySelector("rect"), { x, y, width: right - x, height: bottom - y });
  for (const text of group.querySelectorAll("text")) {
    const [was, down] = ["x", "y"].map((name) => Number(text.getAttribute(name)));
    marked(text, { x: text.matches(".head") ? at(was, down)[0] : was - part.left + x, y: down - part.top + y });
  }
  return group;
}

/** A wire between two places: as it was laid out where both moved together, else the straight way. */
function wireAt({ line, debtor, creditor }, from, to) {
  const group = line.cloneNode(true);
  const path = group.querySelector(".wire") ?? group;
  const old = pairs(numbersIn(path.getAttribute("d")));
  const same = from.at === to.at && from.card === debtor && to.card === creditor;
  const points = same ? old.map(([x, y], i) => {
    const end = i < 2 ? from : i > old.length - 3 ? to : undefined;
    return end ? [x + end.place[0] - end.card.x, y + end.place[1] - end.card.y] : from.at(x, y);
  }) : bow(from, to);
  marked(path, { d: `M${spelled(points[0])}C${points.slice(1).map(spelled).join(" ")}` });
  for (const [end, before, tip] of [["up", 1, 0], ["down", -2, -1]]) {
    const head = group.querySelector(`.tip.${end}`);
    if (head) marked(head, { d: tipAt(points.at(before), points.at(tip)) });
  }
  const pill = group.querySelector(".pill");
  if (pill) movePill(pill, old, points, same);
  return group;
}

/** What stands on a wire moves with the place of the wire that it is nearest to. */
function movePill(pill, old, points, same) {
  const text = pill.querySelector("text");
  const [x, y] = [Number(text.getAttribute("x")), text.getAttribute("y") - 4];
  const on = (way, part) => pointOn(way.flat(), part);
  const near = (part) => Math.hypot(on(old, part).x - x, on(old, part).y - y);
  const part = same ? Array.from({ length: 41 }, (_, k) => k / 40).sort((a, b) => near(a) - near(b))[0] : 0.5;
  const [was, is] = [same ? on(old, part) : { x, y }, on(points, part)];
  marked(pill, { transform: `translate(${spelled([is.x - was.x, is.y - was.y])})` });
  if (!same) pill.classList.toggle("crowded", Math.abs(points[0][0] - points[3][0]) < PILL);
}

/** From the left side of the debtor to the right side of the creditor, leaving and arriving level. */
function bow(from, to) {
  const [x0, x1] = [from.place[0] + from.card.left - from.card.x, to.place[0] + to.card.right - to.card.x];
  const away = Math.min(Math.max(24, Math.abs(x1 - x0) / 2), AWAY);
  return [[x0, from.place[1]], [x0 - away, from.place[1]], [x1 + away, to.place[1]], [x1, to.place[1]]];
}

/** A new line for edges that no level draws together. */
function bundleOf(ids) {
  const line = drawn("g", { class: "edge bundle", "data-edges": ids.join(" ") });
  const pill = drawn("g", { class: "pill" });
  pill.append(drawn("rect", { x: -PILL / 2, y: -9, width: PILL, height: 18, rx: 9 }), drawn("text", { class: "local", x: 0, y: 4, "data-word": "edges" }));
  line.append(drawn("path", { class: "wire", d: "M0,0", "stroke-width": 2.4 }), drawn("path", { class: "tip up" }), drawn("path", { class: "tip down" }), pill);
  return line;
}

/** A slim arrow head that ends at a point, as Python draws it. */
function tipAt([x0, y0], [x, y]) {
  const angle = Math.atan2(y - y0, x - x0);
  const wing = (side) => [x - 9 * Math.cos(angle) - side * Math.sin(angle), y - 9 * Math.sin(angle) + side * Math.cos(angle)];
  return `M${[wing(4), [x, y], wing(-4)].map(spelled).join("L")}Z`;
}

function marked(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const spelled = (point) => point.map((x) => x.toFixed(1)).join();
const pairs = (all) => Array.from({ length: all.length / 2 }, (_, i) => [all[2 * i], all[2 * i + 1]]);
