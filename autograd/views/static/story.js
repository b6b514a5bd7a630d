// The story: what the trace tells, with the numbers it is told in. It replays and never decides.
import { parse } from "./numbers.js";

/** A trace and its numbers; `given` (a Map from id to number) puts others into some leaves. */
export class Story {
  constructor(trace, kernels, given = new Map(), anew = false) {
    Object.assign(this, { trace, kernels, anew, nodes: trace.nodes, edges: trace.edges, steps: trace.steps });
    this.root = this.nodes[trace.root];
    this.owing = this.nodes.map(() => []);
    this.owed = this.nodes.map(() => []);
    for (const edge of this.edges) this.owing[edge.from].push(edge);
    this.paid = this.steps.filter((step) => step.kind === "pay").map((step) => this.edges[step.edge]);
    for (const edge of this.paid) this.owed[edge.to].push(edge);
    this.values = this.nodes.map((node) => parse(node.value));
    this.locals = this.edges.map((edge) => parse(edge.local));
    [this.worked, this.kinked] = [new Set(), new Set()];
    if (given.size) this.#evaluate(given);
    this.#pay();
  }

  /** The weighted sums among these nodes, the first unit of the first layer first. */
  sumsOf(ids) {
    return this.trace.sums.filter((id) => ids.includes(id));
  }

  /** The same computation with other numbers in some leaves, the rest as here. */
  retold(given, anew = this.anew) {
    const leaves = this.nodes.filter((node) => node.leaf).map((node) => [node.id, this.values[node.id]]);
    return new Story(this.trace, this.kernels, new Map([...leaves, ...given]), anew);
  }

  /** Of what the leaves are now: numbers may have been changed since the forward pass. */
  get fresh() {
    return this.steps.some((step) => step.math === "eval_stale") ? this.retold([], true) : this;
  }

  #evaluate(given) {
    const stale = new Set();
    for (const node of this.nodes) {
      const before = this.values[node.id];
      if (given.has(node.id)) this.values[node.id] = given.get(node.id);
      else if (this.anew || node.parents.some((parent) => stale.has(parent.id))) this.#work(node);
      if (!Object.is(this.values[node.id], before)) stale.add(node.id);
    }
  }

  #work(node) {
    const operands = node.parents.map((parent) => this.values[parent.id]);
    const [value, partials, taught = partials] = this.kernels[`${node.op}/${operands.length}`](operands);
    this.values[node.id] = value;
    this.worked.add(node.id);
    for (const { id, slot } of this.owing[node.id]) {
      this.locals[id] = partials[slot];
      if (!alike(taught[slot], partials[slot])) this.kinked.add(id);
    }
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

  /** Whether the page can work out a node anew when this leaf changes. */
  canRetell(leaf) {
    return !this.trace.frozen.includes(leaf);
  }
}

/** Whether a derivative is what its formula says, and not what a convention does. */
const alike = (a, b) => Object.is(a, b) || Math.abs(a - b) < 1e-6 * Math.max(Math.abs(a), Math.abs(b)) + 1e-12;
