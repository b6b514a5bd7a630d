// The narrator: fills the sentences and formulas that every move names with the numbers at hand.
import { enclosed, show, sumOf, typeset } from "./numbers.js";

const DELTAS_SHOWN = 6;
const NAMES_SHOWN = 4;

export const fill = (template, words) => template.replace(/\{(\w+)\}/g, (hole, key) => words[key] ?? hole);

/** Says what happened at a moment, in one language. */
export class Narrator {
  constructor(told, templates) {
    Object.assign(this, { told, templates });
  }

  ui(lang, key, words = {}) {
    return fill(this.told.words[key][lang === "zh" ? 1 : 0], words);
  }

  /** The sentence of a moment. */
  sentence(lang, now) {
    if (now.group.length > 1) return this.#groupSentence(lang, now);
    const [keys, words] = now.step ? [now.step.text, this.words(now.step)] : now.play.start;
    return keys.map((key) => this.ui(lang, key, words)).join("");
  }

  /** The lines of mathematics of a moment; a payment says first where its slope comes from. */
  formulas(now) {
    if (!now.step || now.group.length > 1) return [];
    const words = this.words(now.step);
    const line = [this.told.math[now.step.math], words];
    return now.step.kind === "pay" || now.step.kind === "hurry" ? [this.slope(now.story, now.story.edges[now.step.edge]), line] : [line];
  }

  /** A local derivative as symbol, formula and number. */
  slope(story, edge) {
    const local = show(story.locals[edge.id]);
    const plain = !edge.words || edge.words === local || story.kinked.has(edge.id);
    return [this.told.math[plain ? "slope_plain" : "slope"], { ...story.along(edge), words: edge.words, local }];
  }

  /** The same on one line of plain text. */
  slopeText(story, edge) {
    const [template, words] = this.slope(story, edge);
    return typeset(fill(template, words));
  }

  words(move) {
    if (move.words) return move.words;
    return move.edge === undefined ? this.#nodeWords(move) : payWords(move);
  }

  #nodeWords({ story, actor: id }) {
    const node = story.nodes[id];
    const [names, grad] = [{ node: node.name, root: story.root.name }, show(story.totals[id])];
    const total = totalOf(story, id);
    return {
      ...names,
      value: show(story.values[id]),
      formula: node.formula,
      numbers: this.#numbers(story, node),
      amount: "1",
      n: story.owed[id].length,
      grad,
      sum: total,
      kept: total === grad ? `∂${names.root}/∂${names.node} = ${grad}` : total,
    };
  }

  /** A node's formula with numbers put in for its operands. */
  #numbers(story, node) {
    const template = this.templates[`${node.op}/${node.parents.length}`];
    const numbers = node.parents.map((parent) => show(story.values[parent.id]));
    if (node.custom || !template) return `${node.op}(${numbers.join(", ")})`;
    const bare = template.endsWith(")");
    return template.replace(/\{(\d+)\}/g, (_, slot) => (bare ? numbers[slot] : enclosed(numbers[slot])));
  }

  #groupSentence(lang, now) {
    const { story } = now;
    const say = (key, words) => this.ui(lang, key, { ...names, ...words });
    const of = (kind) => now.group.filter((move) => move.kind === kind);
    const names = { group: groupName(now), root: story.root.name };
    if (now.mode !== "backprop") return say("group_walk", { n: now.group.length });
    if (now.step.kind === "eval") {
      return say(story.nodes[now.step.actor].leaf ? "group_read" : "group_eval", { n: now.group.length });
    }
    const said = say("group_pay", { n: of("settle").length, paid: of("pay").length });
    const deltas = story.sumsOf(of("settle").map((move) => move.actor)).map((id) => show(story.totals[id], 4));
    if (!deltas.length) return said;
    const delta = deltas.slice(0, DELTAS_SHOWN).join(", ") + (deltas.length > DELTAS_SHOWN ? ", …" : "");
    return said + say("group_delta", { delta });
  }
}

/** A gradient, and before it the payments that it is the sum of where there are several. */
export function totalOf(story, id) {
  const owed = story.owed[id];
  const grad = show(story.totals[id]);
  return owed.length > 1 ? `${sumOf(owed.map((edge) => show(story.amounts[edge.id])))} = ${grad}` : grad;
}

/** What is said of a payment along an edge. */
export function payWords({ story, edge: id }) {
  const edge = story.edges[id];
  const owed = story.owed[edge.to];
  const local = show(story.locals[id]);
  return {
    ...story.along(edge),
    debt: show(story.totals[edge.from]),
    local,
    factor: enclosed(local),
    amount: show(story.amounts[id]),
    operand: edge.slot + 1,
    left: owed.length - 1 - owed.indexOf(edge),
  };
}

/** The scope that a stride went through, or the names of its nodes where they lie in none. */
function groupName({ group, story, by }) {
  const actors = [...new Set(group.map((move) => move.actor))].map((id) => story.nodes[id]);
  const { scope } = actors.find((node) => !node.leaf) ?? actors.at(-1);
  if (by === "outer" && scope.length) return scope[0];
  if (by === "inner" && scope.length) return scope.join(" / ");
  const names = actors.filter((node) => actors.length === 1 || !node.leaf).map((node) => node.name);
  return names.slice(0, NAMES_SHOWN).join(", ") + (names.length > NAMES_SHOWN ? ", …" : "");
}
