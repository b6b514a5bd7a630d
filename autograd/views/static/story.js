// The story: what the trace tells, as it stands after any number of steps. It replays and never decides.
import { parse } from "./numbers.js";

const WALK_AT_MOST = 2000;

/** A trace with its piles; `kernels` lets the leaves take other numbers. */
export class Story {
  constructor(trace, kernels) {
    Object.assign(this, { trace, kernels, nodes: trace.nodes, edges: trace.edges, steps: trace.steps });
    this.root = this.nodes[trace.root];
    this.owing = this.nodes.map(() => []);
    for (const edge of this.edges) this.owing[edge.from].push(edge);
    this.#readSteps();
    this.#rankUnits();
    this.restore();
  }

  /** When each thing happens, counted in steps taken. */
  #readSteps() {
    this.owed = this.nodes.map(() => []);
    this.knownAt = this.nodes.map(() => Infinity);
    this.settledAt = this.nodes.map(() => Infinity);
    this.usedAt = this.edges.map(() => Infinity);
    this.steps.forEach((step, i) => {
      if (step.kind === "eval") this.knownAt[step.node] = i + 1;
      if (step.kind === "settle") this.settledAt[step.node] = i + 1;
      if (step.kind === "pay") {
        this.usedAt[step.edge] = i + 1;
        this.owed[this.edges[step.edge].to].push(this.edges[step.edge]);
      }
    });
    this.seedAt = this.steps.findIndex((step) => step.kind === "seed");
  }

  /** The place of each weighted sum of a network: by layer, by row of data, by unit. */
  #rankUnits() {
    this.rank = new Map();
    for (const { units } of this.trace.layers ?? []) {
      const rows = Math.max(...units.map((unit) => unit.sums.length));
      for (let row = 0; row < rows; row++) {
        for (const { sums } of units) if (row < sums.length) this.rank.set(sums[row], this.rank.size);
      }
    }
  }

  /** The weighted sums among these nodes, the first unit of the first layer first. */
  sumsOf(ids) {
    const place = (id) => this.rank.get(id) ?? this.rank.size + id;
    return ids.filter((id) => this.nodes[id].op === "dot").sort((i, j) => place(i) - place(j));
  }

  /** The numbers as they were given. */
  restore() {
    this.values = this.nodes.map((node) => parse(node.value));
    this.locals = this.edges.map((edge) => parse(edge.local));
    this.#pay();
  }

  /** Other numbers for some leaves (a Map from id to number): evaluate and pay anew. */
  retell(given) {
    this.restore();
    const stale = new Set();
    for (const node of this.nodes) {
      if (given.has(node.id)) {
        this.values[node.id] = given.get(node.id);
        stale.add(node.id);
      } else if (node.parents.some((parent) => stale.has(parent.id))) {
        this.#evaluate(node);
        stale.add(node.id);
      }
    }
    this.#pay();
  }

  #evaluate(node) {
    const operands = node.parents.map((parent) => this.values[parent.id]);
    const [value, partials] = this.kernels[`${node.op}/${operands.length}`](operands);
    this.values[node.id] = value;
    for (const edge of this.owing[node.id]) this.locals[edge.id] = partials[edge.slot];
  }

  /** Amounts and piles of every step, by the values and local derivatives at hand. */
  #pay() {
    this.amounts = this.edges.map(() => 0);
    this.totals = this.nodes.map(() => undefined);
    this.totals[this.root.id] = 1;
    for (const step of this.steps) if (step.kind === "pay") this.#payAlong(this.edges[step.edge]);
  }

  #payAlong(edge) {
    const amount = this.totals[edge.from] * this.locals[edge.id];
    const before = this.totals[edge.to];
    this.amounts[edge.id] = amount;
    this.totals[edge.to] = before === undefined ? amount : before + amount;
  }

  /** The amounts on a node's pile after so many steps. */
  pile(id, taken) {
    const paid = this.owed[id].filter((edge) => this.usedAt[edge.id] <= taken).map((edge) => this.amounts[edge.id]);
    return id === this.root.id && this.seedAt < taken ? [1, ...paid] : paid;
  }

  /** What a node looks like after so many steps: idle, known, owed or settled. */
  state(id, taken) {
    if (this.settledAt[id] <= taken) return "settled";
    if (this.pile(id, taken).length) return "owed";
    return this.knownAt[id] <= taken ? "known" : "idle";
  }

  /** Who acts in a step: the node itself, or the debtor of the edge. */
  actor(step) {
    return step.edge === undefined ? step.node : this.edges[step.edge].from;
  }

  /** Whether the page can work out a node anew when this leaf changes. */
  canRetell(leaf) {
    const reached = new Set([leaf]);
    for (const node of this.nodes) {
      if (!node.parents.some((parent) => reached.has(parent.id))) continue;
      if (node.custom) return false;
      reached.add(node.id);
    }
    return true;
  }
}

/** The naive method: every leaf walks every path to the root, one edge a step, up to a limit. */
export class Walk {
  constructor(story) {
    this.story = story;
    this.steps = [];
    this.uses = story.edges.map(() => []);
    this.collected = story.nodes.map(() => []);
    for (const path of paths(story)) {
      if (this.steps.length + path.length > WALK_AT_MOST && this.steps.length) break;
      this.#append(path);
    }
    this.total = story.trace.counts.naive_edge_uses;
    this.complete = String(this.steps.length) === this.total;
    this.paths = countPaths(story);
  }

  #append(path) {
    const number = this.steps.length ? this.steps.at(-1).path + 1 : 1;
    const leaf = path[0].to;
    path.forEach((edge, k) => {
      this.uses[edge.id].push(this.steps.length);
      const last = k === path.length - 1;
      const step = { kind: "walk", edge: edge.id, path: number, leaf, last, way: path, walked: k + 1, at: this.steps.length };
      if (last) this.collected[leaf].push(step);
      this.steps.push(step);
    });
  }

  /** The local derivatives that a walker has met so far on a path. */
  factors(step) {
    return step.way.slice(0, step.walked).map((edge) => this.story.locals[edge.id]);
  }

  amount(step) {
    return this.factors(step).reduce((product, local) => product * local, 1);
  }

  /** What a leaf has collected after so many steps. */
  pile(leaf, taken) {
    return this.collected[leaf].filter((step) => step.at < taken).map((step) => this.amount(step));
  }

  times(edge, taken) {
    return this.uses[edge].filter((at) => at < taken).length;
  }
}

/** How many paths lead from the root to each node, exactly. */
function countPaths(story) {
  const counts = story.nodes.map((node) => (node === story.root ? 1n : 0n));
  for (const node of story.nodes.toReversed()) {
    for (const edge of story.owing[node.id]) counts[edge.to] += counts[node.id];
  }
  return counts;
}

/** Each path from a leaf up to the root, as its edges, without recursion. */
function* paths(story) {
  for (const leaf of story.nodes.filter((node) => node.leaf && !node.constant)) {
    const path = [];
    const branches = [story.owed[leaf.id][Symbol.iterator]()];
    while (branches.length) {
      const { value: edge, done } = branches.at(-1).next();
      if (done) {
        branches.pop();
        path.pop();
      } else if (edge.from === story.root.id) {
        yield [...path, edge];
      } else {
        path.push(edge);
        branches.push(story.owed[edge.from][Symbol.iterator]());
      }
    }
  }
}
