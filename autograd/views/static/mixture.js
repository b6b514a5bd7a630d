// A mixture of levels: pieces of one stand in place of another's boxes and cards, and everything around makes room.
// Columns stay columns and units keep their order; lines that no level has take the straight way.
import { marked, sizes } from "./elements.js";
import { cardBox, numbersIn, pointOn } from "./paint.js";

const AWAY = 160;
const PILL = 68;

/** The picture of a level in which some boxes are the other way round. */
export function mixture(folding, state) {
  const { parts, whole } = levelOf(folding, state.level);
  const { width, height, put } = piece(folding, state, whole, parts);
  const places = put(0, 0);
  const cards = places.filter(({ part }) => part.nodes);
  const svg = whole.group.cloneNode(false);
  marked(svg, { width, height, viewBox: `0 0 ${width} ${height}` });
  svg.append(whole.group.querySelector("title").cloneNode(true), ...places.filter(({ part }) => !part.nodes).map(boxAt), ...wires(folding, cards), ...cards.map(cardAt));
  return svg;
}

const read = new WeakMap();

/** What a level holds: its parts (boxes, then cards) and lines, where they are, and the scopes around them. */
function levelOf(folding, level) {
  const svg = folding.pictures.get(level);
  if (!read.has(svg)) read.set(svg, readIn(svg, folding));
  return read.get(svg);
}

function readIn(svg, { chains, scopes, edges }) {
  const all = (selector, of) => [...svg.querySelectorAll(selector)].map(of);
  const numbers = (text) => text.split(" ").map(Number);
  const parts = all("g.scope, g.node", (group) => {
    const { nodes, node, box } = group.dataset;
    const ids = group.matches(".scope") ? undefined : numbers(nodes ?? node);
    const around = group.matches(".loss, .inputs") ? [] : ids ? chains[ids[0]] : chains.find((chain) => chain.includes(Number(box)));
    const depth = box && scopes[box].length - Boolean(ids);
    return { group, nodes: ids, box: box && Number(box), chain: around.slice(0, depth), ...cardBox(group) };
  });
  const cardOf = new Map(parts.flatMap((part) => (part.nodes ?? []).map((id) => [id, part])));
  const lines = all("g.edge, .quiet", (line) => {
    const key = line.dataset.edges ?? line.dataset.edge;
    const ids = key ? numbers(key) : [];
    const ends = key ? [edges[ids[0]].from, edges[ids[0]].to] : numbers(line.dataset.ends);
    return { line, key, ids, ends, cards: ends.map((id) => cardOf.get(id)) };
  });
  const [left, top, width, height] = numbers(svg.getAttribute("viewBox"));
  return { parts, lines, whole: { group: svg, left, top, right: left + width, bottom: top + height } };
}

/** What lies in a frame, some boxes turned the other way: how large it then is, and a way to put it at a place. */
function piece(folding, state, frame, within) {
  const swaps = [];
  const kept = within.filter((part) => {
    const { box, nodes, chain } = part;
    const shut = chain.find((around) => !folding.isOpen(around, state));
    const turned = nodes ? shut === undefined && box !== undefined && folding.isOpen(box, state) : shut === box;
    if (turned) swaps.push([part, otherWay(folding, state, part)]);
    return shut === undefined && !turned;
  });
  const rigid = kept.filter(({ nodes, box }) => nodes || !swaps.some(([{ chain }]) => chain.includes(box)));
  const along = (near, far, size) => {
    const spans = [...rigid.map((part) => [part, part[far] - part[near]]), ...swaps.map(([part, inner]) => [part, inner[size]])];
    const to = stretch(spans.map(([part, wanted]) => [part[near], part[far], wanted]));
    return (x) => to(x) - to(frame[near]);
  };
  const [fx, fy] = [along("left", "right", "width"), along("top", "bottom", "height")];
  const put = (left, top) => {
    const at = (x, y) => [left + fx(x), top + fy(y)];
    const inside = ([part, inner]) => {
      const [[x0, y0], [x1, y1]] = [at(part.left, part.top), at(part.right, part.bottom)];
      return inner.put((x0 + x1 - inner.width) / 2, (y0 + y1 - inner.height) / 2);
    };
    return [...kept.map((part) => ({ part, at, place: at(part.x, part.y) })), ...swaps.flatMap(inside)];
  };
  return { width: fx(frame.right), height: fy(frame.bottom), put };
}

/** What stands in place of a folded card: its inside where that lies open; in place of a box: its card where it is folded. */
function otherWay(folding, state, { box, nodes }) {
  const { parts } = levelOf(folding, nodes ? folding.inside(box) : folding.scopes[box].length);
  const frame = parts.find((part) => part.box === box && !part.nodes === Boolean(nodes));
  return piece(folding, state, frame, nodes ? parts.filter(({ chain }) => chain.includes(box)) : [frame]);
}

/** Where each coordinate goes when spans [from, to, size] take that size: a span is as wide as the widest wants it. */
function stretch(spans) {
  const ends = [...new Set(spans.flatMap(([from, to]) => [from, to]))].sort((a, b) => a - b);
  const steps = ends.slice(1).map((to, i) => {
    const from = ends[i];
    const over = spans.filter((span) => span[0] <= from && span[1] >= to).map((span) => span[2] / (span[1] - span[0]));
    return { from, to, more: (to - from) * (Math.max(...over) - 1) };
  }).filter(({ more }) => Number.isFinite(more));
  return (x) => steps.reduce((sum, { from, to, more }) => sum + more * Math.min(1, Math.max(0, (x - from) / (to - from))), x);
}

/** The lines between these cards: those that a level has, and for all other edges and constants new ones. */
function wires(folding, places) {
  const at = new Map(places.flatMap((place) => [place.part, ...place.part.nodes].map((key) => [key, place])));
  const levels = [...folding.pictures.keys()].map((level) => levelOf(folding, level).lines);
  const all = levels.flat();
  const pairOf = ({ ends }) => ends.map((id) => places.indexOf(at.get(id))).join(" ");
  const found = all.filter(({ cards }) => cards.every((card) => at.has(card)));
  const done = new Set(found.flatMap((wire) => (wire.key ? wire.ids : pairOf(wire))));
  const once = (wires) => [...Map.groupBy(wires, pairOf).values()];
  const missing = folding.edges.filter(({ id }) => !done.has(id)).map(({ id, from, to }) => ({ id, ends: [from, to] }));
  const bundles = once(missing).map((edges) => {
    const key = edges.map(({ id }) => id).join(" ");
    return { ...(all.findLast((wire) => wire.key === key) ?? bundleOf(key, all)), ends: edges[0].ends };
  });
  const quiet = once(levels.at(-1).filter((wire) => !wire.key && !done.has(pairOf(wire)))).map((wires) => wires.at(-1));
  return [...found, ...bundles, ...quiet].map((wire) => [wire, ...wire.ends.map((id) => at.get(id))])
    .filter(([, from, to]) => from !== to).map((parts) => wireAt(...parts));
}

/** A new line for edges that no level draws together, after one that is drawn. */
function bundleOf(key, all) {
  const line = all.find(({ ids, line: { classList } }) => ids.length > 1 && !classList.contains("weight")).line.cloneNode(true);
  return { line: marked(line, { class: "edge bundle", "data-edges": key }), cards: [] };
}

function cardAt({ part, place }) {
  return marked(part.group.cloneNode(true), { transform: `translate(${spelled(place)})` });
}

function boxAt({ part, at }) {
  const group = part.group.cloneNode(true);
  const [[x, y], [right, bottom]] = [at(part.left, part.top), at(part.right, part.bottom)];
  marked(group.querySelector("rect"), { x, y, width: right - x, height: bottom - y });
  const unit = read.get(part.group.ownerSVGElement).parts.find(({ nodes, chain }) => nodes && chain.at(-1) === part.box);
  for (const text of group.querySelectorAll("text")) {
    const [was, down] = sizes(text, "x", "y");
    marked(text, { x: was + (text.matches(".head") ? at(unit.x, down)[0] - unit.x : x - part.left), y: down - part.top + y });
  }
  return group;
}

/** A wire between two places: as it was laid out where both moved together, else the straight way. */
function wireAt({ line, cards }, from, to) {
  const group = line.cloneNode(true);
  const path = group.querySelector(".wire") ?? group;
  const old = pairs(numbersIn(path.getAttribute("d")));
  const same = from.at === to.at && from.part === cards[0] && to.part === cards[1];
  const points = same ? old.map(([x, y], i) => {
    const end = i < 2 ? from : i > old.length - 3 ? to : undefined;
    return end ? [x + end.place[0] - end.part.x, y + end.place[1] - end.part.y] : from.at(x, y);
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
  const [x, low] = sizes(pill.querySelector("text"), "x", "y");
  const y = low - 4;
  const on = (way, part) => pointOn(way.flat(), part);
  const near = (part) => Math.hypot(on(old, part).x - x, on(old, part).y - y);
  const part = same ? Array.from({ length: 41 }, (_, k) => k / 40).sort((a, b) => near(a) - near(b))[0] : 0.5;
  const [was, is] = [same ? on(old, part) : { x, y }, on(points, part)];
  marked(pill, { transform: `translate(${spelled([is.x - was.x, is.y - was.y])})` });
  if (!same) pill.classList.toggle("crowded", Math.abs(points[0][0] - points[3][0]) < PILL);
}

/** From the left side of the debtor to the right side of the creditor, leaving and arriving level. */
function bow(from, to) {
  const [x0, x1] = [from.place[0] + from.part.left - from.part.x, to.place[0] + to.part.right - to.part.x];
  const away = Math.min(Math.max(24, Math.abs(x1 - x0) / 2), AWAY);
  return [[x0, from.place[1]], [x0 - away, from.place[1]], [x1 + away, to.place[1]], [x1, to.place[1]]];
}

/** A slim arrow head that ends at a point, as Python draws it. */
function tipAt([x0, y0], [x, y]) {
  const angle = Math.atan2(y - y0, x - x0);
  const wing = (side) => [x - 9 * Math.cos(angle) - side * Math.sin(angle), y - 9 * Math.sin(angle) + side * Math.cos(angle)];
  return `M${[wing(4), [x, y], wing(-4)].map(spelled).join("L")}Z`;
}

const spelled = (point) => point.map((x) => x.toFixed(1)).join();
const pairs = (all) => Array.from({ length: all.length / 2 }, (_, i) => [all[2 * i], all[2 * i + 1]]);
