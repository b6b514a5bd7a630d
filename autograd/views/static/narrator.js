// The narrator: sentences and formulas, from the same templates that the trace is told in.
import { enclosed, grouped, productOf, show, sumOf } from "./numbers.js";

const MATHML = "http://www.w3.org/1998/Math/MathML";
const DELTAS_SHOWN = 6;
const NAMES_SHOWN = 4;

export const fill = (template, words) => template.replace(/\{(\w+)\}/g, (_, key) => words[key]);

/** Says what happened at a moment, in one language. */
export class Narrator {
  constructor(told, story, walk, templates) {
    Object.assign(this, { told, story, walk, templates });
  }

  ui(lang, key, words = {}) {
    return fill(this.told.ui[lang][key], words);
  }

  /** The sentence of a moment. */
  sentence(lang, now) {
    const told = this.told[lang];
    if (now.group.length > 1) return this.#groupSentence(lang, now);
    const [keys, words] = this.#keysAndWords(now);
    return keys.map((key) => fill(told[key], words)).join("");
  }

  /** The line of mathematics of a moment, as MathML; nothing for several steps at once. */
  math(now) {
    if (!now.step || now.group.length > 1) return "";
    const words = now.mode === "naive" ? this.#walkWords(now) : this.#words(now.step);
    return mathml(this.told.math[this.#mathKey(now)], words);
  }

  #mathKey(now) {
    if (now.mode === "naive") return "naive";
    const { kind, node: id } = now.step;
    const node = this.story.nodes[id];
    if (kind === "settle") return this.story.owed[id].length > 1 ? "settle" : "settle_one";
    if (kind !== "eval" || !node.leaf) return kind;
    return node.constant ? (node.label ? "eval_constant" : "eval_number") : "eval_leaf";
  }

  #keysAndWords(now) {
    if (now.mode === "naive") return this.#walkKeysAndWords(now);
    if (!now.step) return [["start"], { root: this.story.root.name }];
    const keys = { eval: this.#evalKeys, seed: () => ["seed"], settle: this.#settleKeys, pay: this.#payKeys };
    return [keys[now.step.kind].call(this, now.step), this.#words(now.step)];
  }

  #evalKeys({ node: id }) {
    const node = this.story.nodes[id];
    return [node.leaf ? (node.constant ? "eval_constant" : "eval_leaf") : "eval"];
  }

  #settleKeys({ node: id }) {
    const many = ["root", "one"][this.story.owed[id].length] ?? "many";
    return [`settle_${this.story.nodes[id].leaf ? "leaf_" : ""}${many}`];
  }

  #payKeys({ edge: id }) {
    const edge = this.story.edges[id];
    const twins = this.story.owing[edge.from].filter((other) => other.to === edge.to).length;
    return ["pay", ...(twins > 1 ? ["pay_operand"] : []), this.#left(edge) ? "pay_first_of" : "pay_last_of"];
  }

  #left(edge) {
    const owed = this.story.owed[edge.to];
    return owed.length - 1 - owed.indexOf(edge);
  }

  #words(step) {
    return step.kind === "pay" ? this.#payWords(this.story.edges[step.edge]) : this.#nodeWords(step.node);
  }

  #nodeWords(id) {
    const { story } = this;
    const node = story.nodes[id];
    return {
      node: node.name,
      root: story.root.name,
      value: show(story.values[id]),
      formula: node.formula,
      numbers: this.#numbers(node),
      amount: "1",
      n: String(story.owed[id].length),
      pile: sumOf(story.owed[id].map((edge) => show(story.amounts[edge.id]))),
      grad: show(story.totals[id]),
    };
  }

  /** A node's formula with numbers put in for its operands. */
  #numbers(node) {
    if (node.leaf) return "";
    const template = this.templates[`${node.op}/${node.parents.length}`];
    const numbers = node.parents.map((parent) => show(this.story.values[parent.id]));
    if (node.custom || !template) return `${node.op}(${numbers.join(", ")})`;
    const bare = template.endsWith(")");
    return template.replace(/\{(\d+)\}/g, (_, slot) => (bare ? numbers[slot] : enclosed(numbers[slot])));
  }

  #payWords(edge) {
    const { story } = this;
    const local = show(story.locals[edge.id]);
    return {
      root: story.root.name,
      from: story.nodes[edge.from].name,
      to: story.nodes[edge.to].name,
      debt: show(story.totals[edge.from]),
      local,
      factor: enclosed(local),
      amount: show(story.amounts[edge.id]),
      operand: String(edge.slot + 1),
      left: String(this.#left(edge)),
    };
  }

  #walkKeysAndWords(now) {
    const leaf = this.story.nodes.find((node) => node.leaf && !node.constant);
    const words = { root: this.story.root.name, leaf: leaf.name };
    if (!now.steps.length) return [["naive_no_edge"], words];
    if (!now.step) return [["naive_start"], words];
    const keys = [now.step.last ? "naive_collect" : "naive_walk"];
    const walked = this.#walkWords(now);
    if (walked.times > 1) keys.push("naive_again");
    if (now.taken === now.steps.length && !this.walk.complete) keys.push("naive_enough");
    return [keys, walked];
  }

  #walkWords(now) {
    const { edge: id, path, leaf } = now.step;
    const edge = this.story.edges[id];
    return {
      ...{ path, root: this.story.root.name, leaf: this.story.nodes[leaf].name, local: show(this.story.locals[id]) },
      ...{ from: this.story.nodes[edge.to].name, to: this.story.nodes[edge.from].name },
      amount: show(this.walk.amount(now.step)),
      factors: productOf(this.walk.factors(now.step).map((local) => show(local))),
      times: this.walk.times(id, now.taken),
      walked: grouped(String(now.steps.length)),
      naive: grouped(this.walk.total),
      edges: this.story.edges.length,
    };
  }

  #groupSentence(lang, now) {
    const told = this.told[lang];
    const of = (kind) => now.group.filter((step) => step.kind === kind);
    const actor = this.story.nodes[this.story.actor(now.group.at(-1))];
    const inner = now.group.map((step) => this.story.nodes[this.story.actor(step)]).find((node) => !node.leaf) ?? actor;
    const words = { group: this.#groupName(now.group, inner, now.by), root: this.story.root.name, paid: of("pay").length };
    if (!of("settle").length) {
      const read = now.group.every((step) => this.story.nodes[step.node].leaf);
      return fill(read ? told.group_read : told.group_eval, { ...words, n: of("eval").length });
    }
    const deltas = this.#deltas(of("settle"));
    const delta = deltas.slice(0, DELTAS_SHOWN).join(", ") + (deltas.length > DELTAS_SHOWN ? ", …" : "");
    const said = fill(told.group_pay, { ...words, n: of("settle").length });
    return deltas.length ? said + fill(told.group_delta, { ...words, k: deltas.length, delta }) : said;
  }

  /** The scope that a stride went through, or the names of its nodes where they lie in none. */
  #groupName(group, { scope }, by) {
    if (by === "outer" && scope.length) return scope[0];
    if (by === "inner" && scope.length) return scope.join(" / ");
    const nodes = new Set(group.map((step) => this.story.nodes[this.story.actor(step)]));
    const names = [...nodes].filter((node) => nodes.size === 1 || !node.leaf).map((node) => node.name);
    return names.slice(0, NAMES_SHOWN).join(", ") + (names.length > NAMES_SHOWN ? ", …" : "");
  }

  /** The gradients of the weighted sums among these nodes: the δ of a layer, its first unit first. */
  #deltas(settled) {
    const sums = this.story.sumsOf(settled.map((step) => step.node));
    return sums.map((id) => show(this.story.totals[id], 4));
  }
}

function mathml(template, words) {
  const math = element("math");
  math.setAttribute("displaystyle", "true");
  for (const token of template.split(" ")) {
    const fraction = token.match(/^∂\{(\w+)\}\/∂\{(\w+)\}$/);
    if (fraction) math.append(partial(words[fraction[1]], words[fraction[2]]));
    else if (/^\{\w+\}$/.test(token)) math.append(...tokens(words[token.slice(1, -1)]));
    else math.append(element("mo", token));
  }
  return math;
}

function partial(above, below) {
  const fraction = element("mfrac");
  for (const name of [above, below]) {
    const row = element("mrow");
    row.append(element("mo", "∂"), element("mi", name));
    fraction.append(row);
  }
  return fraction;
}

/** Numbers, words and signs of a piece of a formula. */
function tokens(text) {
  const found = text.match(/(?<![\p{L}\d)]\s?)-?\d+(?:\.\d+)?(?:e-?\d+)?|[\p{L}_][\p{L}\p{N}_#]*|\S/gu) ?? [];
  return found.map((token) => {
    if (/^-?\d/.test(token)) return element("mn", token.replace("-", "−"));
    return element(/^[\p{L}_]/u.test(token) ? "mi" : "mo", token);
  });
}

function element(name, text) {
  const made = document.createElementNS(MATHML, name);
  if (text !== undefined) made.textContent = text;
  return made;
}
