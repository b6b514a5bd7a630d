// A moment: what every panel shows after so many steps, in either method. Stepping back is an earlier moment.

/** The moment after `taken` steps of paying back; `from` is where the last stride (over what is in `by`) began. */
export class PayingBack {
  mode = "backprop";

  constructor(story, taken, from = taken - 1, by = "edge") {
    Object.assign(this, { story, taken, by, steps: story.steps });
    this.step = taken ? story.steps[taken - 1] : undefined;
    this.group = story.steps.slice(Math.max(0, Math.min(from, taken - 1)), taken);
    this.#findActors();
  }

  #findActors() {
    const edges = this.group.filter((step) => step.kind === "pay").map((step) => this.story.edges[step.edge]);
    const acting = this.group.length > 1 ? this.group : this.group.slice(-1);
    this.edges = edges;
    this.actors = new Set(acting.map((step) => this.story.actor(step)));
    this.payees = new Set(edges.map((edge) => edge.to).filter((id) => !this.actors.has(id)));
  }

  get used() {
    return this.steps.slice(0, this.taken).filter((step) => step.kind === "pay").length;
  }

  known = (id) => this.story.knownAt[id] <= this.taken;
  state = (id) => this.story.state(id, this.taken);
  pile = (id) => this.story.pile(id, this.taken);
  heard = (id) => [this.story.owed[id].filter((edge) => this.isUsed(edge.id)).length, this.story.owed[id].length];
  isUsed = (edge) => this.story.usedAt[edge] <= this.taken;
  gradient = (id) => (this.story.settledAt[id] <= this.taken ? this.story.totals[id] : undefined);
  amount = (edge) => this.story.amounts[edge.id];
  arrived = (id) => this.group.some((step) => step.kind === "settle" && step.node === id);
}

/** The moment after `taken` edges of walking every path. */
export class PathByPath {
  mode = "naive";

  constructor(story, walk, taken) {
    Object.assign(this, { story, walk, taken, steps: walk.steps });
    this.step = taken ? walk.steps[taken - 1] : undefined;
    this.group = this.step ? [this.step] : [];
    this.edges = this.step ? [story.edges[this.step.edge]] : [];
    this.actors = new Set(this.edges.map((edge) => edge.to));
    this.payees = new Set(this.edges.map((edge) => edge.from));
  }

  get used() {
    return this.taken;
  }

  known = () => true;
  pile = (id) => (this.#collects(id) ? this.walk.pile(id, this.taken) : []);
  heard = (id) => [this.pile(id).length, this.#collects(id) ? this.walk.paths[id] : 0n];
  isUsed = (edge) => this.walk.uses[edge][0] < this.taken;
  gradient = (id) => (this.state(id) === "settled" ? this.pile(id).reduce((sum, x) => sum + x) : undefined);
  amount = () => this.walk.amount(this.step);
  arrived = (id) => this.step?.last && this.step.leaf === id;

  state = (id) => {
    const [collected, paths] = this.heard(id);
    if (!collected) return "known";
    return BigInt(collected) === paths ? "settled" : "owed";
  };

  #collects(id) {
    return this.story.nodes[id].leaf && !this.story.nodes[id].constant;
  }
}
