// The lessons: what a learner does by herself. Passes, the impatient node, a nudge, asking a number, predicting.
import { make, write } from "./elements.js";
import { mathml } from "./mathml.js";
import { payWords, totalOf } from "./narrator.js";
import { grouped, show, typeset } from "./numbers.js";
import { readNumber } from "./panels.js";
import { canStep, differs, gauge } from "./plays.js";

const LEAVES_SHOWN = 8;
const UNFOLDED_AT_MOST = 40;
const CHOICES = 4;

/** The passes so far as a list: what was done, what the root is then, and what the leaves hold. */
export function paintLog(section, now, acts, say) {
  const marks = [-1, ...now.play.begins.map(({ at }) => at), now.steps.length];
  const rows = marks.slice(0, -1).map((at, i) => {
    const done = at < now.taken && now.play.momentAt(Math.min(now.taken, marks[i + 1]));
    return logRow(i ? acts[i - 1] : "did_first", done, say, i);
  });
  section.querySelector(".log").replaceChildren(...rows);
  section.querySelector("[data-action=step]").disabled = !canStep(now.play.story);
  section.querySelector("[data-action=undo]").disabled = !acts.length;
}

function logRow(act, now, say, i) {
  const name = typeof act === "number" ? say("did_step", { rate: show(act) }) : say(act);
  const item = make("li", { "data-pass": i }, make("b", {}, name));
  if (!now) return item;
  const { story } = now;
  const leaves = story.leaves.slice(0, LEAVES_SHOWN).filter(({ id }) => now.total(id) !== undefined);
  const parts = leaves.map((leaf) => `${leaf.name}.grad = ${show(now.total(leaf.id), 5)}`);
  if (now.known(story.root.id)) parts.unshift(`${story.root.name} = ${show(story.values[story.root.id], 6)}`);
  item.append(make("span", {}, ` ${typeset(parts.join(", "))}`));
  return item;
}

/** Waiting, passing on the whole pile, passing on the news, side by side: moments after the same number of payments. */
export function paintCompare(section, columns, say) {
  const [{ story }] = columns;
  const head = ["waits", "pile", "news"].map((way) => say(`way_${way}`));
  const rows = story.leaves.slice(-LEAVES_SHOWN).map(({ id, name }) => [name, ...columns.map((now) => held(now, id, say))]);
  fillTable(section, [say("node"), ...head], [...rows, [say("counters"), ...columns.map((now, i) => `${now.used} / ${i ? grouped(story.trace.counts.impatient_edge_uses) : story.edges.length}`)]]);
}

/** What a leaf holds, and once all is paid whether that is right. */
function held(now, id, say) {
  const total = now.total(id);
  const text = total === undefined ? "" : typeset(show(total, 4));
  if (!now.done) return text;
  return `${text} ${differs(total ?? 0, now.story.totals[id]) ? `≠ ${say("wrong")}` : "✓"}`;
}

/** What moving a leaf does to the root, for the nudge and for its halves: the error shrinks with the square. */
export function paintGauge(section, story, leaf, delta, say) {
  const head = ["Δ", `Δ${story.root.name}`, `${story.nodes[leaf].name}.grad · Δ`, say("error"), `${say("error")} / Δ²`];
  const rows = (delta ? [delta, delta / 2, delta / 4] : []).map((by) => {
    const after = story.retold(new Map([[leaf, story.values[leaf] + by]]));
    const told = gauge(story, after, leaf, by);
    return [by, told.measured, told.predicted, told.error, told.error / by ** 2].map((x) => typeset(show(x, 4)));
  });
  fillTable(section, head, rows);
}

function fillTable(section, head, rows) {
  const heading = (scope, text) => make("th", { scope }, text);
  const titles = make("tr", {}, ...head.map((text) => heading("col", text)));
  const body = rows.map(([first, ...cells]) => make("tr", {}, heading("row", first), ...cells.map((text) => make("td", {}, text))));
  section.querySelector("table").replaceChildren(make("thead", {}, titles), make("tbody", {}, ...body));
}

/** A gradient unfolds, payment by payment, down to the seed. */
export class Asked {
  constructor(section, point) {
    Object.assign(this, { section, point });
    const shown = (event) => event.target.closest("[data-way]");
    for (const name of ["focusin", "pointerover"]) section.addEventListener(name, (event) => point(shown(event)?.dataset.way));
    for (const name of ["focusout", "pointerleave"]) section.addEventListener(name, () => point());
  }

  paint(story, id, narrator, say) {
    Object.assign(this, { story, narrator, told: 0 });
    const words = { node: story.nodes[id].name, root: story.root.name, grad: typeset(show(story.totals[id])), change: typeset(show(0.01 * story.totals[id], 5)) };
    this.section.querySelector("h2").textContent = say("asked", words);
    this.section.querySelector(".meaning").textContent = say("means", words);
    this.section.querySelector(".tree").replaceChildren(make("ul", {}, this.#sum(id, say)));
  }

  /** The equation of a node's gradient, and under it where every payment came from. */
  #sum(id, say) {
    const { story } = this;
    const names = { root: story.root.name, node: story.nodes[id].name };
    const owed = story.owed[id];
    if (!owed.length) return make("li", { "data-way": `node ${id}` }, this.#math("seed", { ...names, amount: "1" }), ` ${say("seeded")}`);
    const line = this.#math("settle", { ...names, sum: totalOf(story, id) });
    if (this.told >= UNFOLDED_AT_MOST) return make("li", { "data-way": `node ${id}` }, line, " ", make("button", { class: "text", "data-ask": id }, say("unfold")));
    return make("li", { "data-way": `node ${id}` }, line, make("ul", {}, ...owed.map((edge) => this.#payment(edge, say))));
  }

  #payment(edge, say) {
    this.told++;
    const { story, narrator } = this;
    const words = payWords({ story, edge: edge.id });
    const slope = mathml(...narrator.slope(story, edge));
    const summary = make("summary", {}, this.#math("pay", words), " ", make("span", { class: "because" }, say("because"), " ", slope));
    return make("li", { "data-way": `edge ${edge.id}` }, make("details", { open: "" }, summary, make("ul", {}, this.#sum(edge.from, say))));
  }

  #math(key, words) {
    return mathml(this.narrator.told.math[key], words);
  }
}

/** A question before a move: the next amount, or who pays next. Undefined where there is nothing to predict. */
export function question(now) {
  const move = now.steps[now.taken];
  if (move?.kind === "pay") {
    const { story } = move;
    const edge = story.edges[move.edge];
    return { kind: "amount", key: "predict_amount", words: payWords(move), right: move.amount };
  }
  if (move?.kind !== "settle" || move.story.nodes[move.actor].leaf) return undefined;
  const { story } = move;
  const waiting = story.nodes.filter(({ id, leaf }) => !leaf && now.pile(id).length && !now.settled(id) && id !== move.actor);
  const others = waiting.map(({ id }) => id);
  if (!others.length) return undefined;
  const choices = [move.actor, ...others].slice(0, CHOICES).sort((a, b) => a - b);
  const ready = choices.filter((id) => id === move.actor || now.heard(id)[0] === now.heard(id)[1]);
  return { kind: "who", key: "predict_who", words: {}, choices, right: move.actor, ready };
}

/** What to say to an answer: the key of a sentence and its words; `right` when it may go on. */
export function judge(asked, answer, now) {
  if (asked.kind === "amount") {
    const right = Object.is(answer, asked.right) || answer === asked.right || Math.abs(answer - asked.right) < 5e-3 * Math.abs(asked.right);
    const near = answer === -asked.right ? "predict_sign" : "predict_not";
    return { right, key: right ? "predict_yes" : near, words: asked.words };
  }
  const [heard, of] = now.heard(answer);
  const node = now.story.nodes[answer].name;
  if (answer === asked.right) return { right: true, key: "predict_yes", words: {} };
  if (asked.ready.includes(answer)) return { right: true, key: "predict_also", words: { node, first: now.story.nodes[asked.right].name } };
  return { right: false, key: "predict_waits", words: { node, left: of - heard } };
}

/** The form in which the questions are asked. */
export class Predict {
  constructor(form, say, go) {
    Object.assign(this, { form, say, go, answered: form.parentElement.querySelector(".answered") });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.asked) this.#answer(event.submitter?.value ?? "");
    });
  }

  /** Ask before the next move; false where there is nothing to ask. */
  ask(now) {
    this.now = now;
    this.asked = question(now);
    this.form.hidden = !this.asked;
    if (!this.asked) return false;
    const { kind, key, words, choices } = this.asked;
    this.field = kind === "amount" ? make("input", { type: "text", inputmode: "decimal", autocomplete: "off", "aria-label": this.say("predict_field") }) : undefined;
    const buttons = kind === "amount" ? [this.field, make("button", { type: "submit" }, this.say("predict_check"))]
      : choices.map((id) => make("button", { type: "submit", value: id }, now.story.nodes[id].name));
    const skip = make("button", { type: "submit", value: "show", class: "text" }, this.say("predict_show"));
    this.form.replaceChildren(make("span", {}, this.say(key, words)), ...buttons, skip);
    write(this.answered, "");
    (this.field ?? this.form.querySelector("button")).focus();
    return true;
  }

  drop() {
    this.asked = undefined;
    this.form.hidden = true;
  }

  #answer(value) {
    if (value === "show") return this.#done();
    const read = this.field ? readNumber(this.field.value) : { number: Number(value) };
    if (read.wrong) return this.#note(read.wrong === "bad_blank" ? "predict_blank" : read.wrong, read.words);
    const answer = read.number;
    const { right, key, words } = judge(this.asked, answer, this.now);
    this.#note(key, words);
    if (right) this.#done();
    return undefined;
  }

  #note(key, words) {
    write(this.answered, this.say(key, words));
  }

  #done() {
    this.drop();
    this.go();
  }
}
