// The viewer: one state (step, method, language, stride, numbers, passes), shown by the panels, changed by buttons, keys and the link.
import { Board, coinsOf, paint } from "./board.js";
import { describe } from "./describe.js";
import { Asked, paintCompare, paintGauge, paintLog, Predict } from "./lessons.js";
import { readLink, writeLink } from "./link.js";
import { mathml } from "./mathml.js";
import { Narrator } from "./narrator.js";
import { grouped } from "./numbers.js";
import { Counters, Leaves, make, NumberField, Program, readNumber, Table, write } from "./panels.js";
import { impatient, nudge, pathByPath, payingBack } from "./plays.js";
import { Story } from "./story.js";

const PACE = 1700;
const MEASURED = 500;
const STRIP = { nodes: 48, steps: 160 };
const MODES = ["backprop", "naive", "impatient", "nudge"];
const KEYS = [
  ["← →", "key_step"], ["Shift ← →", "key_node"], ["Home End", "key_ends"], ["Space", "key_play"],
  ["F", "key_f"], ["B", "key_b"], ["N", "key_n"], ["I", "key_i"], ["D", "key_d"], ["A Z S", "key_passes"], ["+ − 0", "key_zoom"], ["?", "key_help"],
];

class Viewer {
  constructor(section, data, kernels) {
    Object.assign(this, { section, data, places: {}, made: new Map() });
    this.own = new Story(data.trace, kernels);
    this.example = data.example && new Story(data.example.trace, kernels);
    this.narrator = new Narrator(data.told, { ...data.templates, ...data.example?.templates });
    const leaf = this.own.leaves.find(({ id }) => this.own.canRetell(id));
    this.first = { taken: 0, mode: "backprop", by: strideAt(data.level), level: data.level, ending: "pile", acts: [], given: new Map(), ask: undefined, predict: false, leaf: leaf?.id, delta: 0.3 };
    this.state = { ...this.first, lang: data.lang ?? ourLanguage() };
    this.#build();
    this.#listen();
    this.#restore();
  }

  find = (selector) => this.section.querySelector(selector);
  say = (key, words) => this.narrator.ui(this.state.lang, key, words);
  control = (name) => this.find(`[data-control="${name}"]`);
  button = (name) => this.find(`[data-action="${name}"]`);

  #build() {
    const { data } = this;
    const levels = (selector) => new Map([...document.querySelectorAll(selector)].map((t) => [Number(t.dataset.level), t]));
    this.templates = new Map([[this.own, levels("template[data-level]:not([data-example])")], [this.example, levels("template[data-example]")]]);
    this.templates.get(this.own).set(data.level, this.templates.get(this.own).get(data.level) ?? asTemplate(this.find(".stage svg.board")));
    this.board = new Board(this.find(".stage"), this.templates.get(this.own));
    this.counters = new Counters(this.find(".counters"));
    this.asked = new Asked(this.find(".asked"), (way) => this.#point(way));
    this.predict = new Predict(this.find(".predict"), this.say, () => this.#advance());
    this.rate = new NumberField(this.control("rate"), this.say, () => {});
    this.control("rate").after(this.rate.note);
    this.depth = Math.max(...this.own.nodes.map((node) => node.scope.length));
    const strides = ["edge", "node", ...(this.depth > 1 ? ["inner"] : []), ...(this.depth ? ["outer"] : [])];
    this.control("by").append(...strides.map((by) => make("option", { value: by, "data-t": `by_${by}` })));
    this.control("level").append(...data.levels.map((level) => make("option", { value: level })));
    this.control("nudged").append(...this.own.leaves.filter(({ id }) => this.own.canRetell(id)).map((node) => make("option", { value: node.id }, node.name)));
    disable(this.button("nudge"), this.state.leaf === undefined);
    this.find(".keys").append(...KEYS.flatMap(([keys, said]) => [make("dt", {}, keys), make("dd", { "data-t": said })]));
  }

  // -- what is told ----------------------------------------------------------------------------------

  /** The story as it was given: the user's, or where that cannot show the point, the example's. */
  get source() {
    return this.state.mode === "impatient" && this.example ? this.example : this.own;
  }

  get story() {
    return this.#once("story", () => (this.state.given.size ? this.source.retold(this.state.given) : this.source));
  }

  get play() {
    const { mode, ending, acts, leaf, delta } = this.state;
    if (mode === "backprop") return this.#once(mode, () => payingBack(this.story, acts));
    if (mode === "naive") return this.#once(mode, () => pathByPath(this.story));
    if (mode === "nudge") return this.#once(mode, () => nudge(this.story, leaf, delta));
    return this.#once(ending, () => impatient(this.story, ending));
  }

  get steps() {
    return this.play.moves;
  }

  #once(key, make_) {
    if (!this.made.has(key)) this.made.set(key, make_());
    return this.made.get(key);
  }

  /** Other numbers or passes: everything is told anew. */
  #change(changed) {
    Object.assign(this.state, changed);
    this.made.clear();
    this.state.taken = Math.min(this.state.taken, this.steps.length);
    this.#reserve();
    this.#show();
    this.#ask();
    this.#writeLink();
  }

  // -- moving ----------------------------------------------------------------------------------------

  /** Go to a step; `from` tells where an advance over several steps began. */
  go(taken, from) {
    const before = this.state.taken;
    this.state.taken = Math.min(Math.max(0, taken), this.steps.length);
    if (this.state.taken !== before) this.#show(from, this.state.taken > before);
    this.predict.drop();
    this.#writeLink();
  }

  forward() {
    if (this.state.predict && this.predict.ask(this.now())) return;
    this.#advance();
  }

  #advance() {
    const { taken, by } = this.state;
    this.go(this.play.strideEnd(taken, this.state.predict ? "edge" : by), taken);
  }

  back() {
    const end = this.play.strideStart(this.state.taken, this.state.by);
    this.go(end, this.play.strideStart(end, this.state.by));
  }

  /** The next (or an earlier) moment at which another node begins to act. */
  nextNode() {
    this.go(this.play.strideEnd(this.state.taken, "node") + 1);
  }

  previousNode() {
    const start = this.play.strideStart(this.state.taken, "node") + 1;
    this.go(start < this.state.taken ? start : this.play.strideStart(start - 1, "node") + 1);
  }

  toggle(on = !this.section.classList.contains("playing")) {
    clearInterval(this.playing);
    this.section.classList.toggle("playing", on);
    this.#label(this.button("play"), this.say(on ? "pause" : "play"));
    if (!on) return;
    const beat = () => {
      this.#advance();
      if (this.state.taken === this.steps.length) this.toggle(false);
    };
    if (this.state.taken === this.steps.length) this.go(0);
    else beat();
    if (this.section.classList.contains("playing")) this.playing = setInterval(beat, this.#pace);
  }

  get #pace() {
    return PACE / Number(this.control("speed").value);
  }

  setMode(mode) {
    const { state } = this;
    if (mode === state.mode || (mode === "nudge" && state.leaf === undefined)) return;
    const before = this.source;
    this.places[state.mode] = state.taken;
    Object.assign(state, { mode, taken: this.places[mode] ?? 0 });
    if (this.source !== before) {
      [this.elsewhere, state.given] = [state.given, this.elsewhere ?? new Map()];
      state.ask = undefined;
      this.made.clear();
    }
    this.toggle(false);
    this.#stage();
    this.#translate();
    this.#show();
    this.#writeLink();
  }

  setLang(lang) {
    this.state.lang = lang;
    this.#translate();
    this.#show();
    this.#ask();
    this.#writeLink();
  }

  #act(act) {
    const { state } = this;
    if (state.mode !== "backprop") this.setMode("backprop");
    this.made.clear();
    state.acts = [...state.acts, act];
    state.taken = this.steps.length;
    this.#change({});
  }

  // -- showing ---------------------------------------------------------------------------------------

  now(taken = this.state.taken, from) {
    return this.play.momentAt(taken, from, this.state.by);
  }

  /** Put the story of the mode on the stage and into the panels. */
  #stage() {
    const { state, source } = this;
    if (this.staged !== source) {
      this.staged = source;
      this.board.templates = this.templates.get(source);
      this.table = new Table(this.find(".ledger .scroll"), source);
      this.program = new Program(this.find(".code"), source);
      this.leaves = new Leaves(this.find(".live"), source, this.say, (given) => this.#change({ given }));
      this.board.show(this.#shownLevel);
    }
    this.leaves.put(state.given);
    this.find(".compare").hidden = state.mode !== "impatient";
    this.find(".gauge").hidden = state.mode !== "nudge";
    this.find(".passes").hidden = state.mode !== "backprop";
    this.find(".live").hidden = this.find(".live").classList.contains("none");
    this.find(".level").hidden = this.data.levels.length < 2 || source !== this.own;
  }

  get #shownLevel() {
    return this.source === this.own ? this.state.level : 0;
  }

  #show(from, moved = false) {
    const { taken, mode, lang } = this.state;
    const now = this.now(taken, from);
    now.changed = this.shown?.svg === this.board.svg && this.shown.lang === lang ? this.play.changes(this.shown.now, now) : undefined;
    this.shown = { now, lang, svg: this.board.svg };
    Object.assign(this.section.dataset, { step: taken, steps: this.steps.length, mode, lang });
    paint(this.board.svg, now);
    describe(this.board.svg, now, this.narrator, this.say);
    this.board.follow();
    this.board.carry(now, moved ? Math.min(750, this.#pace * 0.55) : 0);
    this.table.paint(now, this.say);
    this.program.paint(now);
    this.counters.paint(now, this.say);
    if (mode === "backprop") paintLog(this.find(".passes"), now, this.state.acts, this.say);
    if (mode === "impatient") this.#compare(taken);
    if (mode === "nudge") this.#gauge();
    this.#caption(now);
    this.#controls();
  }

  #compare(taken) {
    const { ending } = this.state;
    const paid = Math.max(0, taken - 1);
    const waits = this.#once("waits", () => payingBack(this.story));
    const columns = ["pile", "news"].map((way) => this.#once(way, () => impatient(this.story, way)).momentAt(taken));
    const after = taken === this.steps.length ? waits.moves.length : waits.used.findIndex((used, at) => used >= paid && at > this.story.nodes.length);
    paintCompare(this.find(".compare"), [waits.momentAt(taken ? (after < 0 ? waits.moves.length : after) : 0), ...columns], this.say);
    for (const name of ["pile", "news"]) this.button(name).setAttribute("aria-pressed", ending === name);
  }

  #gauge() {
    const { leaf, delta } = this.state;
    this.control("nudged").value = leaf;
    this.control("delta").value = Math.round(delta * 100);
    this.find(".gauge output").textContent = String(delta).replace("-", "−");
    paintGauge(this.find(".gauge"), this.story, leaf, delta, this.say);
  }

  #caption(now) {
    const example = this.source === this.own || this.state.taken ? "" : this.data.told[this.state.lang].impatient_example;
    write(this.find(".caption"), example + this.narrator.sentence(this.state.lang, now));
    this.find(".math").replaceChildren(...this.narrator.formulas(now).map((line) => mathml(...line)));
  }

  /** Room for the longest sentence, so that the controls stay where they are. */
  #reserve() {
    const caption = this.find(".caption");
    const { lang, by } = this.state;
    const moments = [this.now(0)];
    const every = Math.ceil(this.steps.length / MEASURED);
    for (let taken = 0; taken < this.steps.length; taken += every) {
      moments.push(this.now(taken + 1));
      if (by !== "edge") moments.push(this.now(this.play.strideEnd(taken, by), taken));
    }
    const sentences = moments.map((now) => this.narrator.sentence(lang, now)).sort((a, b) => b.length - a.length);
    caption.style.minHeight = "";
    const said = caption.textContent;
    const heights = sentences.slice(0, 3).map((sentence) => {
      caption.textContent = sentence;
      return caption.offsetHeight;
    });
    caption.textContent = said;
    caption.style.minHeight = `${Math.max(...heights)}px`;
  }

  #controls() {
    const { taken, mode, lang, predict } = this.state;
    const last = this.steps.length;
    Object.assign(this.control("slider"), { max: last, value: taken });
    this.control("slider").setAttribute("aria-valuetext", this.say("place", { step: taken, steps: last }));
    this.find(".place").textContent = this.say("place", { step: taken, steps: last });
    for (const name of ["first", "back"]) disable(this.button(name), taken === 0);
    for (const name of ["last", "forward"]) disable(this.button(name), taken === last);
    for (const name of MODES) this.button(name).setAttribute("aria-pressed", mode === name);
    for (const name of ["en", "zh"]) this.button(name).setAttribute("aria-pressed", lang === name);
    this.control("predict").checked = predict;
    this.control("by").value = this.state.by;
    this.control("level").value = this.state.level;
  }

  #translate() {
    const { lang, mode } = this.state;
    document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
    for (const element of this.section.querySelectorAll("[data-t]")) write(element, this.say(element.dataset.t));
    for (const element of this.section.querySelectorAll("[data-l]")) this.#label(element, this.say(element.dataset.l));
    for (const option of this.control("level").options) option.textContent = this.#levelName(Number(option.value));
    write(this.find("th[data-t=pile]"), this.say(mode === "nudge" ? "change" : "pile"));
    this.leaves.translate(this.say);
    this.table.translate(this.say);
    this.rate.check();
    for (const field of this.section.querySelectorAll('input[name="lang"]')) field.value = lang;
    this.find('[data-why="wait"]').textContent = this.#whyWait();
    this.#reserve();
  }

  #label(element, text) {
    element.ariaLabel = text;
    if (element.matches("button")) element.title = text;
  }

  #levelName(level) {
    const key = `level_${level}`;
    return key in this.data.told.ui[this.state.lang] ? this.say(key) : this.say("level_n", { depth: level });
  }

  #whyWait() {
    const { owed, leaves, edges, trace, shared } = this.own;
    const node = shared[0] ?? leaves.filter(({ id }) => owed[id].length > 1).sort((a, b) => owed[b.id].length - owed[a.id].length)[0];
    if (!node) return this.say("wait_none");
    const { impatient_edge_uses: hurried, naive_edge_uses: naive } = trace.counts;
    const counts = { edges: edges.length, impatient: grouped(hurried), naive: grouped(naive) };
    return this.say(node.leaf ? "wait_leaf" : "wait_many", { node: node.name, n: owed[node.id].length, ...counts });
  }

  /** Unfold the gradient that was asked for. */
  #ask() {
    const { ask } = this.state;
    const section = this.find(".asked");
    section.hidden = ask === undefined;
    if (ask !== undefined) this.asked.paint(this.now().story, ask, this.narrator, this.say);
  }

  /** Light up a node or an edge wherever it is shown. */
  #point(way) {
    for (const element of this.section.querySelectorAll(".pointed")) element.classList.remove("pointed");
    if (!way) return;
    const [kind, id] = way.split(" ");
    const row = kind === "node" ? id : this.own.edges[id].from;
    const places = [`g[data-${kind}="${id}"]`, `g[data-${kind}s~="${id}"]`, `tr[data-node="${row}"]`];
    for (const element of this.section.querySelectorAll(places.join())) element.classList.add("pointed");
    this.program.lines.get(Number(row))?.element.classList.add("pointed");
  }

  // -- listening -------------------------------------------------------------------------------------

  #listen() {
    const { section } = this;
    const on = (name, act) => this.control(name).addEventListener(name === "slider" || name === "delta" ? "input" : "change", (event) => act(event.target));
    section.addEventListener("click", (event) => this.#click(event));
    section.addEventListener("keydown", (event) => this.#key(event));
    on("slider", ({ value }) => this.go(Number(value)));
    on("by", ({ value }) => this.#change({ by: value }));
    on("speed", () => section.classList.contains("playing") && this.toggle(true));
    on("level", ({ value }) => this.#setLevel(Number(value)));
    on("predict", ({ checked }) => this.#setPredict(checked));
    on("nudged", ({ value }) => this.#change({ leaf: Number(value) }));
    on("delta", ({ value }) => this.#nudge(Number(value) / 100));
    this.#listenToDrags();
    new ResizeObserver(() => this.#reserve()).observe(this.find(".told"));
    addEventListener("hashchange", () => this.#restore());
    addEventListener("beforeprint", () => this.#print());
    addEventListener("afterprint", () => this.find(".strip")?.remove());
  }

  /** In nudge mode a leaf on the board can be dragged sideways. */
  #listenToDrags() {
    const stage = this.find(".stage");
    let from;
    stage.addEventListener("pointerdown", (event) => {
      const leaf = Number(event.target.closest("g.node[data-node]")?.dataset.node ?? NaN);
      if (this.state.mode !== "nudge" || !this.own.leaves.some(({ id }) => id === leaf) || !this.own.canRetell(leaf)) return;
      event.stopPropagation();
      from = { x: event.clientX, delta: leaf === this.state.leaf ? this.state.delta : 0 };
      this.state.leaf = leaf;
      stage.setPointerCapture(event.pointerId);
    }, true);
    stage.addEventListener("pointermove", (event) => from && this.#nudge(Math.round(100 * from.delta + (event.clientX - from.x) / 2) / 100));
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, () => { from = undefined; });
  }

  #nudge(delta) {
    const end = this.state.taken === this.steps.length || !this.state.taken;
    this.#change({ delta: Math.min(1, Math.max(-1, delta)) });
    if (end) this.go(this.steps.length);
  }

  #setPredict(predict) {
    this.state.predict = predict;
    this.predict.drop();
    write(this.find(".answered"), "");
    this.#writeLink();
  }

  #click(event) {
    const button = event.target.closest("[data-action]");
    if (button && button.getAttribute("aria-disabled") !== "true") return this.#do(button.dataset.action);
    const ask = event.target.closest("[data-ask]");
    if (ask) return this.#askAbout(Number(ask.dataset.ask));
    const fold = event.target.closest("g.fold[data-nodes]");
    if (fold && this.data.levels.length > 1) this.#open(fold);
    return undefined;
  }

  #askAbout(id) {
    this.state.ask = id;
    this.#ask();
    this.#writeLink();
    this.find(".asked").scrollIntoView({ block: "nearest" });
    this.find(".asked summary, .asked button").focus({ preventScroll: true });
  }

  #do(action) {
    const { state } = this;
    const actions = {
      first: () => this.go(0),
      back: () => this.back(),
      forward: () => this.forward(),
      last: () => this.go(this.steps.length),
      play: () => this.toggle(),
      en: () => this.setLang("en"),
      zh: () => this.setLang("zh"),
      pile: () => this.#change({ ending: "pile" }),
      news: () => this.#change({ ending: "news" }),
      again: () => this.#act("again"),
      zero: () => this.#act("zero"),
      step: () => this.#step(),
      undo: () => state.acts.length && this.#change({ acts: state.acts.slice(0, -1), taken: Infinity }),
      reset: () => {
        this.leaves.put(new Map());
        this.#change({ given: new Map() });
      },
      unask: () => {
        state.ask = undefined;
        this.#ask();
        this.#writeLink();
        this.section.focus({ preventScroll: true });
      },
      help: () => this.find("dialog").showModal(),
      zoom_in: () => this.board.zoom(1.4),
      zoom_out: () => this.board.zoom(1 / 1.4),
      fit: () => this.board.fit(),
      copy: () => this.#copy(),
    };
    if (MODES.includes(action)) this.setMode(action);
    else actions[action]?.();
  }

  #step() {
    const { number } = readNumber(this.control("rate").value);
    if (number === undefined) this.control("rate").focus();
    else if (!this.button("step").disabled) this.#act(number);
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    if (event.target.closest("dialog, select, input:not([type=range], [type=checkbox])")) return;
    if (event.target.matches("[data-control=delta]") && /^(Arrow|Home|End)/.test(event.key)) return;
    const mode = (name) => () => this.setMode(this.state.mode === name ? "backprop" : name);
    const keys = {
      ArrowRight: () => (event.shiftKey ? this.nextNode() : this.forward()),
      ArrowLeft: () => (event.shiftKey ? this.previousNode() : this.back()),
      Home: () => this.go(0),
      End: () => this.go(this.steps.length),
      f: () => this.#startOf(0),
      b: () => this.#startOf(this.own.steps.findIndex((step) => step.kind === "seed")),
      n: mode("naive"),
      i: mode("impatient"),
      d: mode("nudge"),
      a: () => this.#do("again"),
      z: () => this.#do("zero"),
      s: () => this.#do("step"),
      "?": () => this.#do("help"),
      "+": () => this.board.zoom(1.4),
      "=": () => this.board.zoom(1.4),
      "-": () => this.board.zoom(1 / 1.4),
      0: () => this.board.fit(),
      ...(event.target.closest("button, summary, [type=checkbox]") ? {} : { " ": () => this.toggle() }),
    };
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    if (this.section.classList.contains("playing") && event.key !== " ") this.toggle(false);
    act();
  }

  /** The forward pass begins at 0, the backward pass where every node has its value. */
  #startOf(taken) {
    this.setMode("backprop");
    this.go(taken);
  }

  /** Another level of folding, and strides to match. */
  #setLevel(level) {
    Object.assign(this.state, { level, by: strideAt(level) });
    this.board.show(level);
    this.#change({});
  }

  /** Open a folded scope: the next finer level, looking at what was inside. */
  #open(fold) {
    const { levels } = this.data;
    const first = fold.dataset.nodes.split(" ")[0];
    this.#setLevel(levels[Math.min(levels.indexOf(this.state.level) + 1, levels.length - 1)]);
    this.board.lookAt(first);
  }

  // -- links -----------------------------------------------------------------------------------------

  /** Everything as the link has it. */
  #restore() {
    this.made.clear();
    const before = this.state.level;
    Object.assign(this.state, this.first, readLink(location.hash, this));
    if (this.staged && before !== this.state.level) this.board.show(this.#shownLevel);
    this.#stage();
    this.state.taken = Math.min(this.state.taken, this.steps.length);
    this.#translate();
    this.#show();
    this.#ask();
  }

  /** Keep the address in step, where the browser allows it. */
  #writeLink() {
    clearTimeout(this.writing);
    this.writing = setTimeout(() => {
      try {
        history.replaceState(null, "", writeLink(this.state, this.first));
      } catch {
        // A page inside a notebook has no address of its own.
      }
    }, 250);
  }

  async #copy() {
    const placed = location.protocol !== "about:";
    const link = (placed ? location.href.split("#")[0] : "") + writeLink(this.state, this.first);
    const button = this.button("copy");
    try {
      await navigator.clipboard.writeText(link);
      button.textContent = this.say(placed ? "copied" : "copied_state");
      setTimeout(() => { button.textContent = this.say("copy"); }, 1600);
    } catch {
      this.find(".copied")?.remove();
      const field = make("input", { class: "copied", readonly: "", "aria-label": this.say("link"), value: link });
      button.after(field);
      field.select();
    }
  }

  // -- paper -----------------------------------------------------------------------------------------

  /** All strides as a strip; the pictures are left out of very long ones. */
  #print() {
    this.find(".strip")?.remove();
    const ends = [];
    for (let taken = 0; taken < this.steps.length;) {
      const end = this.play.strideEnd(taken, this.state.by);
      ends.push([taken, end]);
      taken = end;
    }
    const pictures = this.board.svg.querySelectorAll("g.node").length <= STRIP.nodes && ends.length <= STRIP.steps;
    const items = ends.map(([from, end]) => this.#printed(this.now(end, from), pictures));
    this.section.append(make("ol", { class: pictures ? "strip" : "strip plain" }, ...items));
  }

  #printed(now, picture) {
    const formulas = this.narrator.formulas(now).map((line) => mathml(...line));
    const item = make("li", {}, make("p", {}, `${now.taken}. ${this.narrator.sentence(this.state.lang, now)}`), ...formulas);
    if (picture) {
      const svg = this.board.svg.cloneNode(true);
      svg.setAttribute("viewBox", svg.dataset.home);
      for (const coin of svg.querySelectorAll(".coin")) coin.remove();
      paint(svg, now);
      for (const place of coinsOf(svg, now)) place(1);
      item.prepend(svg);
    }
    return item;
  }
}

/** A button that says it cannot, and keeps the focus. */
function disable(button, off) {
  button.setAttribute("aria-disabled", off);
}

/** The stride that goes with a level of folding: a layer, a neuron, or one edge where all lies open. */
function strideAt(level) {
  return ["edge", "outer"][level] ?? "inner";
}

function asTemplate(svg) {
  const template = document.createElement("template");
  template.content.append(svg.cloneNode(true));
  return template;
}

function ourLanguage() {
  return (navigator.language ?? "en").toLowerCase().startsWith("zh") ? "zh" : "en";
}

const section = document.querySelector(".payback");
const viewer = new Viewer(section, JSON.parse(document.querySelector(".payback-data").textContent), KERNELS);
if (window.top === window && !section.contains(document.activeElement)) section.focus({ preventScroll: true });
section.payback = viewer;
if (window.parent !== window) {
  const grown = () => window.parent.postMessage({ payback: document.documentElement.offsetHeight }, "*");
  new ResizeObserver(grown).observe(document.documentElement);
}
