// The story: what the trace tells, with the numbers it is told in. It replays and never decides.
import { parse } from "./numbers.js";

/** A trace and its numbers; `given` (a Map from id to number) puts others into some leaves. */
export class Story {
  constructor(trace, kernels, given = new Map()) {
    Object.assign(this, { trace, kernels, nodes: trace.nodes, edges: trace.edges, steps: trace.steps });
    this.root = this.nodes[trace.root];
    this.custom = this.nodes.some((node) => node.custom);
    this.owing = this.nodes.map(() => []);
    this.owed = this.nodes.map(() => []);
    for (const edge of this.edges) this.owing[edge.from].push(edge);
    this.paid = this.steps.filter((step) => step.kind === "pay").map((step) => this.edges[step.edge]);
    for (const edge of this.paid) this.owed[edge.to].push(edge);
    this.values = this.nodes.map((node) => parse(node.value));
    this.locals = this.edges.map((edge) => parse(edge.local));
    this.#rankUnits();
    if (given.size) this.#evaluate(given);
    this.#pay();
  }

  /** The place of each weighted sum of a network: by layer, by row of data, by unit. */
  #rankUnits() {
    const rows = ({ units }) => units.flatMap(({ sums }) => sums.map((id, row) => [id, row])).sort((a, b) => a[1] - b[1]);
    this.rank = new Map(this.trace.layers.flatMap(rows).map(([id], place) => [id, place]));
  }

  /** The weighted sums among these nodes, the first unit of the first layer first. */
  sumsOf(ids) {
    const place = (id) => this.rank.get(id) ?? this.rank.size + id;
    return ids.filter((id) => this.nodes[id].op === "dot").sort((i, j) => place(i) - place(j));
  }

  /** The same computation with other numbers in some leaves, the rest as here. */
  retold(given) {
    const leaves = this.nodes.filter((node) => node.leaf).map((node) => [node.id, this.values[node.id]]);
    return new Story(this.trace, this.kernels, new Map([...leaves, ...given]));
  }

  #evaluate(given) {
    const stale = new Set();
    for (const node of this.nodes) {
      const before = this.values[node.id];
      if (given.has(node.id)) this.values[node.id] = given.get(node.id);
      else if (node.parents.some((parent) => stale.has(parent.id))) this.#work(node);
      if (!Object.is(this.values[node.id], before)) stale.add(node.id);
    }
  }

  #work(node) {
    const operands = node.parents.map((parent) => this.values[parent.id]);
    const [value, partials] = this.kernels[`${node.op}/${operands.length}`](operands);
    this.values[node.id] = value;
    for (const edge of this.owing[node.id]) this.locals[edge.id] = partials[edge.slot];
  }

  /** What every edge carries and what every node gets, by the values and local derivatives at hand. */
  #pay() {
    this.amounts = [];
    this.totals = this.nodes.map(() => undefined);
    this.totals[this.root.id] = 1;
    this.held = this.paid.map((edge) => {
      const amount = this.totals[edge.from] * this.locals[edge.id];
      const before = this.totals[edge.to];
      this.amounts[edge.id] = amount;
      this.totals[edge.to] = before === undefined ? amount : before + amount;
      return this.totals[edge.to];
    });
  }

  /** Who pays whom along an edge, in the words of the sentences. */
  along(edge) {
    return { root: this.root.name, from: this.nodes[edge.from].name, to: this.nodes[edge.to].name };
  }

  /** The leaves that are paid. */
  get leaves() {
    return this.nodes.filter((node) => node.leaf && !node.constant);
  }

  /** The nodes that pay on and are paid along more than one edge, the most shared first. */
  get shared() {
    const shared = this.nodes.filter((node) => !node.leaf && this.owed[node.id].length > 1);
    return shared.sort((a, b) => this.owed[b.id].length - this.owed[a.id].length);
  }

  /** Whether the page can work out a node anew when this leaf changes. */
  canRetell(leaf) {
    if (!this.custom) return true;
    const reached = new Set([leaf]);
    for (const node of this.nodes) {
      if (!node.parents.some((parent) => reached.has(parent.id))) continue;
      if (node.custom) return false;
      reached.add(node.id);
    }
    return true;
  }
}
