// Plays: one graph repaid in several ways, each a list of moves. A moment is what stands after so many of them.
import { grouped, productOf, show, sumOf, enclosed } from "./numbers.js";

const MOST_MOVES = 2000;
const ROUNDING = 2 ** -50;
const NAMED_AT_MOST = 6;
const CHANGED_AT_MOST = 200;

/** A story told in one mode. `start` is what is said before the first move, `hears` from how many a node hears. */
export class Play {
  constructor(mode, story, moves, { start, hears, open = false }) {
    Object.assign(this, { mode, story, moves, start, open });
    this.hears = hears ?? story.owed.map((edges) => edges.length);
    this.received = story.nodes.map(() => []);
    this.knownAt = story.nodes.map(() => []);
    this.settledAt = story.nodes.map(() => []);
    this.usedAt = story.edges.map(() => []);
    this.used = [0];
    this.begins = [];
    moves.forEach((move, at) => this.#index(move, at));
  }

  #index(move, at) {
    const edges = edgesOf(move);
    for (const edge of edges) this.usedAt[edge].push(at);
    this.used.push(this.used[at] + edges.length);
    if (move.held !== undefined) this.received[move.payee].push({ at, ...move });
    if (move.kind === "eval") this.knownAt[move.actor].push(at);
    if (move.kind === "settle") this.settledAt[move.actor].push(at);
    if (move.kept) this.begins.push({ at, ...move });
    if (move.kind === "step") for (const node of this.story.nodes) if (node.leaf) this.knownAt[node.id].push(at);
  }

  /** The moment after so many moves. */
  momentAt(taken, from, by) {
    return new Moment(this, taken, from, by);
  }

  /** The nodes and edges that may look different between two moments; undefined where all may. */
  changes(before, after) {
    const moves = this.moves.slice(Math.max(0, Math.min(before.taken, after.taken) - 1), Math.max(before.taken, after.taken));
    if (before.play !== this || moves.length > CHANGED_AT_MOST || moves.some((move) => move.kept || move.kind === "verdict")) return undefined;
    const shown = [...moves, ...before.group, ...after.group];
    const nodes = new Set(shown.flatMap((move) => [move.actor, move.payee, move.meets]).filter((id) => id !== undefined));
    const owing = [...nodes].flatMap((id) => this.story.owing[id].map((edge) => edge.id));
    return { nodes, edges: new Set([...shown.flatMap(edgesOf), ...owing]) };
  }

  /** Where the stride that begins after `taken` moves ends. */
  strideEnd(taken, by) {
    let end = Math.min(taken + 1, this.moves.length);
    while (end < this.moves.length && this.#together(end - 1, end, by)) end++;
    return end;
  }

  /** Where the stride that ends after `taken` moves began. */
  strideStart(taken, by) {
    let start = Math.max(taken - 1, 0);
    while (start > 0 && this.#together(start - 1, start, by)) start--;
    return start;
  }

  /** Whether two neighbouring moves belong to one stride. Paid leaves go with whoever paid them last. */
  #together(i, j, by) {
    const [a, b] = [this.moves[i], this.moves[j]];
    if (by === "edge" || a.alone || b.alone) return false;
    if (this.mode === "naive") return a.path === b.path;
    if (by === "node" || this.mode !== "backprop") return a.actor === b.actor;
    const leaf = (move) => move.kind === "eval" && this.story.nodes[move.actor].leaf;
    return leaf(a) || leaf(b) ? leaf(a) === leaf(b) : this.#scopeOf(i, by) === this.#scopeOf(j, by);
  }

  #scopeOf(i, by) {
    let at = i;
    const node = () => this.story.nodes[this.moves[at].actor];
    while (node().leaf && !this.moves[at - 1].alone) at--;
    const { scope } = node();
    return JSON.stringify(by === "outer" ? scope.slice(0, 1) : scope);
  }
}

const edgesOf = (move) => move.edges ?? (move.edge === undefined ? [] : [move.edge]);

/** The moment after `taken` moves; `from` is where the last stride (over what is in `by`) began. */
export class Moment {
  constructor(play, taken, from = taken - 1, by = "edge") {
    Object.assign(this, { play, taken, by, mode: play.mode, steps: play.moves });
    this.step = taken ? play.moves[taken - 1] : undefined;
    this.story = this.step?.story ?? play.story;
    this.group = play.moves.slice(Math.max(0, Math.min(from, taken - 1)), taken);
    this.begin = play.begins.findLast(({ at }) => at < taken) ?? { at: -1, kept: new Map() };
    this.anew = play.begins.findLast(({ at, kind }) => at < taken && kind === "step")?.at ?? -1;
    this.edges = this.group.flatMap(edgesOf).map((id) => this.story.edges[id]);
    this.actors = new Set(this.group.map((move) => move.actor));
    const payees = this.group.map((move) => move.meets ?? move.payee);
    this.payees = new Set(payees.filter((id) => id !== undefined && !this.actors.has(id)));
    this.lines = new Set(this.group.map((move) => move.meets ?? move.actor));
    this.settling = new Set(this.group.filter((move) => move.kind === "settle").map((move) => move.actor));
    this.amounts = new Map(this.group.flatMap((move) => edgesOf(move).map((id, k) => [id, move.parts?.[k] ?? move.amount])));
  }

  get used() {
    return this.play.used[this.taken] - this.play.used[this.begin.at + 1];
  }

  #now = (at) => this.begin.at < at && at < this.taken;
  #receipts = (id) => this.play.received[id].filter(({ at }) => this.#now(at));
  known = (id) => this.play.open || this.play.knownAt[id].some((at) => this.anew <= at && at < this.taken);
  times = (edge) => this.play.usedAt[edge].filter(this.#now).length;
  isUsed = (edge) => this.play.usedAt[edge].some(this.#now);
  amount = (edge) => this.amounts.get(edge.id);
  arrived = (id) => this.settling.has(id);
  heard = (id) => [this.#receipts(id).filter((receipt) => receipt.edge !== undefined).length, this.play.hears[id]];
  settled = (id) => this.play.settledAt[id].some(this.#now);

  /** Whether all is paid: a walk without waiting may be broken off before its verdict. */
  get done() {
    return this.taken === this.steps.length && (this.mode !== "impatient" || this.step.kind === "verdict");
  }

  /** What lies with a node: what it kept from earlier passes, then what it was paid in this one. */
  pile = (id) => {
    const kept = this.begin.kept.get(id);
    const paid = this.#receipts(id).map((receipt) => receipt.amount);
    return kept === undefined || (kept === 0 && paid.length) ? paid : [kept, ...paid];
  };

  /** The sum of the pile as `.grad` has it: a pass is added to what was kept. */
  total = (id) => {
    const kept = this.begin.kept.get(id);
    const held = this.#receipts(id).at(-1)?.held;
    return held === undefined ? kept : kept === undefined ? held : kept + held;
  };

  /** The gradient once it is final; whoever does not wait learns only at the very end. */
  gradient = (id) => {
    return (this.mode === "impatient" ? this.done : this.settled(id)) ? this.total(id) : undefined;
  };

  /** What a node looks like: idle, known, owed or settled. */
  state = (id) => {
    if (this.settled(id)) return "settled";
    if (this.pile(id).length) return "owed";
    return this.known(id) ? "known" : "idle";
  };
}

// -- paying back, pass after pass --------------------------------------------------------------------

/** The trace itself, and the passes after it: acts are "again", "zero" and a rate to `step` with. */
export function payingBack(first, acts = []) {
  let story = first;
  let passes = 1;
  let kept = new Map();
  const root = first.root.name;
  const moves = replayed(story);
  const add = () => {
    kept = new Map(story.leaves.map(({ id }) => [id, kept.has(id) ? kept.get(id) + story.totals[id] : story.totals[id]]));
  };
  add();
  for (const act of acts) {
    const before = story;
    if (act === "again") {
      moves.push(marker("again", story, kept, { root, n: ++passes }));
      moves.push(...replayed(story).filter((move) => move.kind !== "eval").map((move) => onTop(move, kept)));
      add();
    } else if (act === "zero") {
      kept = new Map([...kept.keys()].map((id) => [id, 0]));
      moves.push(marker("zero", story, kept, { leaves: namesOf(story.leaves) }));
    } else {
      const moved = stepped(story);
      story = story.retold(new Map(moved.map(({ id }) => [id, story.values[id] - act * kept.get(id)])));
      const still = moved.every(({ id }) => kept.get(id) === 0);
      const [was, is] = [before.values[before.root.id], story.values[story.root.id]];
      const words = { rate: enclosed(show(act)), leaves: namesOf(moved), leaf: moved[0].name, root, before: show(was), after: show(is) };
      moves.push({ ...marker("step", story, kept, words), text: ["passes_step", still ? "passes_still" : is < was ? "passes_down" : "passes_not_down"] });
      moves.push(...replayed(story).filter((move) => move.kind === "eval" && !story.nodes[move.actor].leaf));
    }
  }
  return new Play("backprop", first, moves, { start: [["start"], { root }] });
}

/** The leaves that a descent step moves: those of the layers where there are any, else all. */
function stepped(story) {
  const inside = story.leaves.filter((node) => node.scope.length);
  return inside.length ? inside : story.leaves;
}

/** Whether the page can work out anew what such a step changes. */
export const canStep = (story) => stepped(story).every(({ id }) => story.canRetell(id));

function replayed(story) {
  const held = story.held.values();
  return story.steps.map((step) => {
    const edge = story.edges[step.edge];
    const told = { kind: step.kind, text: step.text, math: step.math, story };
    if (edge) return { ...told, edge: edge.id, actor: edge.from, payee: edge.to, amount: story.amounts[edge.id], held: held.next().value };
    if (step.kind === "seed") return { ...told, actor: step.node, payee: step.node, amount: 1, held: 1, alone: true };
    if (step.math === "eval_stale" && story.worked.has(step.node)) Object.assign(told, { text: ["eval"], math: "eval" });
    return { ...told, actor: step.node };
  });
}

function marker(kind, story, kept, words) {
  return { kind, story, kept, words, alone: true, text: [`passes_${kind}`], math: `passes_${kind}` };
}

/** A move as a leaf lives it that already holds something: the pass is added at the end. */
function onTop(move, kept) {
  const held = kept.get(move.actor);
  if (move.kind !== "settle" || held === undefined || held === 0) return move;
  const paid = move.story.totals[move.actor];
  const names = { node: move.story.nodes[move.actor].name, root: move.story.root.name };
  const words = { ...names, kept: show(held), paid: enclosed(show(paid)), grad: show(held + paid) };
  return { ...move, text: ["passes_leaf"], math: "passes_leaf", words };
}

function namesOf(nodes) {
  const names = nodes.map((node) => node.name);
  return (names.length > NAMED_AT_MOST ? [...names.slice(0, 4), "…", names.at(-1)] : names).join(", ");
}

// -- path by path ------------------------------------------------------------------------------------

/** The naive method: every leaf walks every path to the root, one edge a move, up to a limit. */
export function pathByPath(story) {
  const moves = [];
  const total = story.trace.counts.naive_edge_uses;
  const collected = story.nodes.map(() => []);
  const { walks, ways } = story.trace;
  for (const [i, edges] of walks.entries()) {
    const path = edges.map((id) => story.edges[id]);
    walk(story, path, i + 1, moves);
    const last = moves.at(-1);
    const leaf = path[0].to;
    const pile = collected[leaf];
    pile.push(last.amount);
    Object.assign(last, { actor: leaf, payee: leaf, held: pile.reduce((sum, x) => sum + x) });
    if (pile.length === ways[leaf]) last.kind = "settle";
  }
  repeated(moves, "naive_again");
  if (moves.length && String(moves.length) !== total) breakOff(moves, total, moves.length, story);
  const start = [[moves.length ? "naive_start" : "naive_no_edge"], { root: story.root.name, leaf: story.leaves[0].name }];
  const hears = story.nodes.map((node, id) => (node.leaf && !node.constant ? ways[id] : 0));
  return new Play("naive", story, moves, { start, hears, open: true });
}

function walk(story, path, number, moves) {
  const factors = [];
  let amount = 1;
  path.forEach((edge, k) => {
    factors.push(story.locals[edge.id]);
    amount *= story.locals[edge.id];
    const names = { from: story.nodes[edge.to].name, to: story.nodes[edge.from].name, leaf: story.nodes[path[0].to].name };
    const words = { ...names, path: number, root: story.root.name, local: show(factors[k]), amount: show(amount) };
    words.factors = productOf([...factors.slice(0, 8), ...factors.slice(8).slice(-4)].map((x) => show(x)));
    const text = ["naive_walk", k === path.length - 1 ? "naive_collect" : "naive_so_far"];
    const move = { kind: "walk", story, path: number, edge: edge.id, actor: edge.to, meets: edge.from, amount };
    moves.push({ ...move, text, math: "naive", words });
  });
}

/** Say of every edge that is used once more how often that makes. */
function repeated(moves, key) {
  const times = new Map();
  for (const move of moves) {
    const so = (times.get(move.edge) ?? 0) + 1;
    times.set(move.edge, so);
    if (move.edge === undefined || so === 1) continue;
    move.text.push(key);
    move.words.times = so;
  }
}

function breakOff(moves, total, walked, story) {
  const last = moves.at(-1);
  last.text.push("naive_enough");
  Object.assign(last.words, { walked: grouped(walked), naive: grouped(total), edges: story.edges.length });
}

// -- without waiting ---------------------------------------------------------------------------------

/** Whoever is paid pays on at once: the whole "pile", which is wrong, or only the "news". */
export function impatient(story, ending) {
  const seed = replayed(story).find((move) => move.kind === "seed");
  const held = new Map([[story.root.id, 1]]);
  const moves = [];
  const waiting = story.owing[story.root.id].toReversed().map((edge) => [edge, 1]);
  while (waiting.length && moves.length < MOST_MOVES) {
    const [edge, news] = waiting.pop();
    const move = hurried(story, edge, ending === "pile" ? held.get(edge.from) : news, ending, held);
    moves.push(move);
    for (const onward of story.owing[edge.to].toReversed()) waiting.push([onward, move.amount]);
  }
  repeated(moves, "impatient_again");
  if (waiting.length) breakOff(moves, story.trace.counts.impatient_edge_uses, moves.length, story);
  else moves.push(verdict(story, held, moves.length));
  const start = [["impatient_start", `impatient_${ending}`, "impatient_owes"], { root: story.root.name }];
  return new Play("impatient", story, [seed, ...moves], { start, hears: story.trace.ways.with(story.root.id, 0), open: true });
}

function hurried(story, edge, debt, ending, held) {
  const local = story.locals[edge.id];
  const amount = debt * local;
  held.set(edge.to, held.has(edge.to) ? held.get(edge.to) + amount : amount);
  const words = { ...story.along(edge), debt: show(debt), factor: enclosed(show(local)), amount: show(amount) };
  const move = { kind: "hurry", story, edge: edge.id, actor: edge.from, payee: edge.to, amount, held: held.get(edge.to) };
  return { ...move, text: ["impatient_from", `impatient_${ending}`, "impatient_pay"], math: "impatient", words };
}

/** The end: what the last leaf that got a wrong sum has, or how dear it was to be right. */
function verdict(story, held, uses) {
  const wrong = story.leaves.filter(({ id }) => differs(held.get(id) ?? 0, story.totals[id]));
  const leaf = wrong.at(-1) ?? story.leaves.at(-1);
  const key = wrong.length ? "impatient_wrong" : "impatient_right";
  const numbers = { amount: show(held.get(leaf.id) ?? 0), grad: show(story.totals[leaf.id]) };
  const words = { leaf: leaf.name, root: story.root.name, ...numbers, uses: grouped(uses), edges: story.edges.length };
  return { kind: "verdict", story, actor: leaf.id, text: [key], math: key, words, alone: true };
}

/** Beyond what another order of adding up may change. */
export function differs(got, right) {
  if (Object.is(got, right) || got === right) return false;
  return !(Math.abs(got - right) <= 1e-9 * Math.max(Math.abs(got), Math.abs(right)));
}

// -- a nudge -----------------------------------------------------------------------------------------

/** A leaf moves by `delta`; the change travels forward, times the local derivative of every edge on its way. */
export function nudge(story, leaf, delta) {
  const after = story.retold(new Map([[leaf, story.values[leaf] + delta]]));
  const change = new Map([[leaf, delta]]);
  const { name } = story.nodes[leaf];
  const moves = [{ kind: "nudge", story, actor: leaf, payee: leaf, amount: delta, held: delta, text: ["nudge_leaf"], math: "nudge_leaf", words: { node: name, delta: show(delta) } }];
  for (const node of story.nodes) {
    const edges = story.owing[node.id].filter((edge) => change.has(edge.to));
    if (edges.length) moves.push(shifted(story, after, node, edges, change));
  }
  if (moves.length > 1) moves.push(measured(story, after, leaf, delta));
  return new Play("nudge", story, moves, { start: [["nudge_start"], { node: name, root: story.root.name }], open: true });
}

function shifted(story, after, node, edges, change) {
  const parts = edges.map((edge) => story.locals[edge.id] * change.get(edge.to));
  const amount = parts.reduce((sum, x) => sum + x);
  change.set(node.id, amount);
  const factors = edges.map((edge) => `${show(story.locals[edge.id])} · ${enclosed(show(change.get(edge.to)))}`);
  const really = after.values[node.id] - story.values[node.id];
  const words = { node: node.name, factors: sumOf(factors), amount: show(amount), really: show(really, 5) };
  const move = { kind: "shift", story, actor: node.id, payee: node.id, edges: edges.map((edge) => edge.id), parts, amount, held: amount };
  return { ...move, text: ["nudge_node"], math: "nudge_node", words };
}

function measured(story, after, leaf, delta) {
  const told = gauge(story, after, leaf, delta);
  const words = { node: story.nodes[leaf].name, root: story.root.name, grad: show(story.totals[leaf]), delta: enclosed(show(delta)) };
  for (const key of ["measured", "predicted", "error"]) words[key] = show(told[key], 5);
  return { kind: "measure", story, actor: story.root.id, text: ["nudge_root"], math: "nudge_root", words, alone: true };
}

/** What a nudge did to the root, what the gradient foretold, and how far that was out. */
export function gauge(story, after, leaf, delta) {
  const really = after.values[story.root.id] - story.values[story.root.id];
  const predicted = story.totals[leaf] * delta;
  const error = really - predicted;
  // a difference of rounded numbers: what is that small says nothing
  const noise = ROUNDING * Math.max(...[story, after].map(({ values, root }) => Math.abs(values[root.id])));
  return { delta, measured: really, predicted, error: Math.abs(error) < noise ? 0 : error };
}
