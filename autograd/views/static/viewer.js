// The viewer: one state (step, method, language, stride, numbers, passes), shown by the panels, changed by buttons, keys and the link.
import { Board } from "./board.js";
import { describe } from "./describe.js";
import { make, write } from "./elements.js";
import { Folding } from "./folding.js";
import { Asked, paintCompare, paintGauge, paintLog, Predict } from "./lessons.js";
import { readLink, writeLink } from "./link.js";
import { mathml } from "./mathml.js";
import { Narrator } from "./narrator.js";
import { Counters, Leaves, NumberField, Program, readNumber, Table } from "./panels.js";
import { coinsOf, paint } from "./paint.js";
import { canStep, impatient, nudge, pathByPath, payingBack } from "./plays.js";
import { Story } from "./story.js";

const PACE = 1700;
const MEASURED = 500;
/** Words break where they will: a little more room than the longest sentence takes. */
const SLACK = "……";
/** What buttons choose between. */
const SWITCHES = { mode: ["backprop", "naive", "impatient", "nudge"], lang: ["en", "zh"], ending: ["pile", "news"] };
const STRIP = { nodes: 48, steps: 160 };
/** Which keys do what; help names a group of them once. */
const KEYS = [
  [["ArrowRight"], "forward", "← →", "key_step"], [["ArrowLeft"], "back"],
  [["Shift ArrowRight"], "next", "Shift ← →", "key_node"], [["Shift ArrowLeft"], "previous"],
  [["Home"], "first", "Home End", "key_ends"], [["End"], "last"], [[" "], "play", "Space", "key_play"],
  [["f"], "forth", "F", "key_f"], [["b"], "backward", "B", "key_b"],
  [["w", "n"], "naive", "W", "naive"], [["i"], "impatient", "I", "impatient"], [["d"], "nudge", "D", "nudge"],
  [["a"], "again", "A Z S", "key_passes"], [["z"], "zero"], [["s"], "step"],
  [["+", "="], "zoom_in", "+ − 0", "key_zoom"], [["-"], "zoom_out"], [["0"], "fit"],
  [[], "box", "Enter", "key_fold"], [["?"], "help", "?", "help"],
];

class Viewer {
  constructor(section, data, kernels) {
    Object.assign(this, { section, data, places: {}, made: new Map(), found: new Map() });
    this.own = new Story(data.trace, kernels);
    this.example = data.example && new Story(data.example.trace, kernels);
    this.narrator = new Narrator(data.told, { ...data.templates, ...data.example?.templates });
    const leaf = this.own.leaves.find(({ id }) => this.own.canRetell(id));
    this.first = { taken: 0, mode: "backprop", by: strideAt(data.level), level: data.level, ending: "pile", boxes: new Set(), acts: [], given: new Map(), ask: undefined, predict: false, leaf: leaf?.id, delta: 0.3 };
    this.state = { ...this.first, lang: data.lang ?? ourLanguage() };
    this.#build();
    this.#listen();
    this.#restore();
  }

  some = (selector) => this.section.querySelector(selector);
  say = (key, words) => this.narrator.ui(this.state.lang, key, words);
  control = (name) => this.find(`[data-control="${name}"]`);
  button = (name) => this.find(`[data-action="${name}"]`);

  /** An element that is always there, looked for once. */
  find(selector) {
    if (!this.found.has(selector)) this.found.set(selector, this.some(selector));
    return this.found.get(selector);
  }

  #build() {
    const { data } = this;
    const templates = (selector) => [...document.querySelectorAll(selector)].map((t) => [Number(t.dataset.level), t.content.firstElementChild]);
    const own = new Map(templates("template[data-level]:not([data-example])"));
    if (!own.size) own.set(data.level, this.some("svg.board").cloneNode(true));
    this.foldings = new Map([[this.own, new Folding(this.own, own)]]);
    if (this.example) this.foldings.set(this.example, new Folding(this.example, new Map(templates("template[data-example]"))));
    this.board = new Board(this.find(".stage"));
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
    this.button("nudge").ariaDisabled = this.state.leaf === undefined;
    this.find(".keys").append(...KEYS.filter(([, , , said]) => said in data.told.words).flatMap(([, , shown, said]) => [make("dt", {}, shown), make("dd", { "data-t": said })]));
  }

  // -- what is told ----------------------------------------------------------------------------------

  /** The story as it was given: the user's, or where that cannot show the point, the example's. */
  get source() {
    return this.state.mode === "impatient" && this.example ? this.example : this.own;
  }

  get story() {
    const told = () => (this.state.given.size ? this.source.retold(this.state.given) : this.source);
    return this.#once("story", () => (this.state.mode === "nudge" ? told().fresh : told()));
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

  /** Take over what is new, and show all that follows from it. */
  #change(changed) {
    const [focused, before] = [document.activeElement, this.shown?.now];
    Object.assign(this.state, changed);
    this.made.clear();
    this.predict.drop();
    this.#stage();
    this.state.taken = Math.min(this.state.taken, this.steps.length);
    this.#translate();
    const stays = ["taken", "mode", "by"].every((key) => before?.[key] === this.state[key]);
    this.#show(stays ? before.taken - before.group.length : undefined);
    this.#ask();
    this.#keepFocus(focused);
    this.#writeLink();
  }

  /** Keys go on acting when what had the focus is gone: an answered question, a button with no more to do. */
  #keepFocus(focused) {
    if (!focused.isConnected || focused.matches(":disabled, [hidden], [hidden] *")) this.section.focus({ preventScroll: true });
  }

  // -- moving ----------------------------------------------------------------------------------------

  /** Go to a step; `from` tells where an advance over several steps began. */
  go(taken, from) {
    const [before, focused] = [this.state.taken, document.activeElement];
    this.state.taken = Math.min(Math.max(0, taken), this.steps.length);
    if (this.state.taken !== before) this.#show(from, this.state.taken > before);
    this.predict.drop();
    this.#keepFocus(focused);
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
    const { taken } = this.state;
    this.go(taken ? this.play.strideEnd(taken - 1, "node") + 1 : 1);
  }

  previousNode() {
    const start = this.play.strideStart(this.state.taken, "node") + 1;
    this.go(start < this.state.taken ? start : start > 1 ? this.play.strideStart(start - 1, "node") + 1 : 0);
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
    this.toggle(false);
    const before = this.source;
    this.places[state.mode] = state.taken;
    Object.assign(state, { mode, taken: this.places[mode] ?? 0 });
    if (this.source !== before) {
      [this.elsewhere, state.given] = [state.given, this.elsewhere ?? new Map()];
      state.ask = undefined;
    }
    this.#change();
  }

  #act(act) {
    this.setMode("backprop");
    this.#change({ acts: [...this.state.acts, act], taken: Infinity });
  }

  // -- showing ---------------------------------------------------------------------------------------

  now(taken = this.state.taken, from) {
    return this.play.momentAt(taken, from, this.state.by);
  }

  /** Put the story of the mode on the stage and into the panels. */
  #stage() {
    const { state, source, own } = this;
    if (this.staged !== source) {
      this.staged = source;
      this.table = new Table(this.find(".ledger .scroll"), source);
      this.program = new Program(this.find(".code"), source);
      this.leaves = new Leaves(this.find(".live"), source, this.say, (given) => this.#change({ given }));
    }
    const folded = source === own ? state : { level: 0, boxes: new Set() };
    const picture = [source === own, folded.level, ...folded.boxes].join();
    if (this.drawn !== picture) this.board.show(this.#folding.picture(folded));
    this.drawn = picture;
    this.leaves.put(state.given);
    for (const [kind, names] of Object.entries(SWITCHES)) for (const name of names) this.button(name).ariaPressed = state[kind] === name;
    this.control("predict").checked = state.predict;
    for (const name of ["by", "level"]) this.control(name).value = state[name];
    const hidden = { compare: state.mode !== "impatient", gauge: state.mode !== "nudge", passes: state.mode !== "backprop", level: this.data.levels.length < 2 || source !== own };
    for (const [name, off] of Object.entries(hidden)) this.find(`.${name}`).hidden = off;
  }

  get #folding() {
    return this.foldings.get(this.source);
  }

  #show(from, moved = false) {
    const { taken, mode, lang } = this.state;
    const now = this.now(taken, from);
    now.changed = this.shown?.svg === this.board.svg && this.shown.lang === lang ? this.play.changes(this.shown.now, now) : undefined;
    this.shown = { now, lang, svg: this.board.svg };
    Object.assign(this.section.dataset, { step: taken, steps: this.steps.length, mode, lang });
    const words = this.#pictured;
    const hurried = this.board.hurried;
    paint(this.board.svg, now, words);
    describe(this.board.svg, now, { narrator: this.narrator, say: this.say, words, folding: this.#folding });
    this.board.follow(now, hurried);
    this.board.carry(now, moved && !hurried ? Math.min(750, this.#pace * 0.55) : 0);
    this.table.paint(now, this.say);
    this.program.paint(now);
    this.counters.paint(now, this.say);
    if (mode === "backprop") paintLog(this.find(".passes"), now, this.state.acts, this.say);
    if (mode === "impatient") this.#compare(taken);
    if (mode === "nudge") this.#gauge();
    this.#caption(now);
    this.#controls();
    if (now.story !== this.asked.story) this.#ask();
  }

  /** The words of the picture. */
  get #pictured() {
    return this.data.told.picture[this.state.lang === "zh" ? 1 : 0];
  }

  #compare(taken) {
    const paid = Math.max(0, taken - 1);
    const waits = this.#once("waits", () => payingBack(this.story));
    const columns = ["pile", "news"].map((way) => this.#once(way, () => impatient(this.story, way)).momentAt(taken));
    const after = taken === this.steps.length ? waits.moves.length : waits.used.findIndex((used, at) => used >= paid && at > this.story.nodes.length);
    paintCompare(this.find(".compare"), [waits.momentAt(taken ? (after < 0 ? waits.moves.length : after) : 0), ...columns], this.say);
  }

  #gauge() {
    const { leaf, delta } = this.state;
    this.control("nudged").value = leaf;
    this.control("delta").value = Math.round(delta * 100);
    this.find(".gauge output").textContent = String(delta).replace("-", "−");
    paintGauge(this.find(".gauge"), this.story, leaf, delta, this.say);
  }

  #caption(now) {
    const example = this.source === this.own || this.state.taken ? "" : this.say("impatient_example");
    write(this.find(".caption"), example + this.narrator.sentence(this.state.lang, now));
    this.find(".math").replaceChildren(...this.narrator.formulas(now).map((line) => mathml(...line)));
  }

  /** Room for the longest sentence, so that the controls stay where they are. */
  #reserve() {
    const { lang, by } = this.state;
    const moments = [this.now(0)];
    const every = Math.ceil(this.steps.length / MEASURED);
    for (let taken = 0; taken < this.steps.length; taken += every) {
      moments.push(this.now(taken + 1), this.now(this.play.strideEnd(taken, by), taken));
    }
    const sentences = moments.map((now) => this.narrator.sentence(lang, now));
    this.find(".told").dataset.room = `${sentences.reduce((a, b) => (a.length < b.length ? b : a))} ${SLACK}`;
  }

  #controls() {
    const { taken } = this.state;
    const last = this.steps.length;
    const place = this.say("place", { step: taken, steps: last });
    Object.assign(this.control("slider"), { max: last, value: taken, ariaValueText: place });
    write(this.find(".place"), place);
    for (const name of ["first", "back"]) this.button(name).ariaDisabled = !taken;
    for (const name of ["last", "forward"]) this.button(name).ariaDisabled = taken === last;
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
    this.#reserve();
  }

  #label(element, text) {
    element.ariaLabel = text;
    if (element.matches("button")) element.title = text;
  }

  #levelName(level) {
    const key = `level_${level}`;
    return this.say(key in this.data.told.words ? key : "level_n", { depth: level });
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
    on("level", ({ value }) => this.#change({ level: Number(value), boxes: new Set(), by: strideAt(value) }));
    on("predict", ({ checked }) => this.#setPredict(checked));
    on("nudged", ({ value }) => this.#change({ leaf: Number(value) }));
    on("delta", ({ value }) => this.#nudge(Number(value) / 100));
    this.#listenToDrags();
    addEventListener("hashchange", () => this.#restore());
    addEventListener("beforeprint", () => this.#print());
    addEventListener("afterprint", () => this.some(".strip")?.remove());
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
      if (leaf !== this.state.leaf) this.#change({ leaf });
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
    if (button && button.ariaDisabled !== "true") return this.#do(button.dataset.action);
    const ask = event.target.closest("[data-ask]");
    if (ask) return this.#askAbout(Number(ask.dataset.ask));
    const box = event.target.closest("[data-box]");
    if (box && !(this.board.dragged > 4)) this.#toggleBox(Number(box.dataset.box));
    return undefined;
  }

  #askAbout(id) {
    this.state.ask = id;
    this.#ask();
    this.#writeLink();
    if (id === undefined) return;
    this.find(".asked").scrollIntoView({ block: "nearest" });
    this.button("unask").focus({ preventScroll: true });
  }

  #do(action) {
    const { state, board } = this;
    const actions = {
      first: () => this.go(0),
      back: () => this.back(),
      forward: () => this.forward(),
      last: () => this.go(this.steps.length),
      next: () => this.nextNode(),
      previous: () => this.previousNode(),
      play: () => this.toggle(),
      forth: () => this.#startOf("eval"),
      backward: () => this.#startOf("seed"),
      again: () => this.#act("again"),
      zero: () => this.#act("zero"),
      step: () => this.#step(),
      undo: () => state.acts.length && this.#change({ acts: state.acts.slice(0, -1), taken: Infinity }),
      reset: () => this.#change({ given: new Map() }),
      unask: () => {
        this.#askAbout();
        this.section.focus({ preventScroll: true });
      },
      help: () => this.find("dialog").showModal(),
      zoom_in: () => board.zoom(1.4),
      zoom_out: () => board.zoom(1 / 1.4),
      fit: () => board.fit(),
      copy: () => this.#copy(),
    };
    if (SWITCHES.mode.includes(action)) this.setMode(action);
    else if (actions[action]) actions[action]();
    else this.#change(SWITCHES.lang.includes(action) ? { lang: action } : { ending: action });
  }

  #step() {
    const { number } = readNumber(this.control("rate").value);
    if (number === undefined) this.control("rate").focus();
    else if (canStep(this.own)) this.#act(number);
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    const { target, key } = event;
    if (target.closest("dialog, select, input:not([type=range], [type=checkbox])")) return;
    if (target.matches("[data-control=delta]") && /^(Arrow|Home|End)/.test(key)) return;
    const box = target.closest("[data-box]");
    const pressed = key.length === 1 ? key.toLowerCase() : key;
    const named = KEYS.find(([keys]) => keys.includes(event.shiftKey && pressed.length > 1 ? `Shift ${pressed}` : pressed));
    const action = box && /^( |Enter)$/.test(key) ? "box" : named?.[1];
    if (!action || (action === "play" && target.closest("button, summary, [type=checkbox]"))) return;
    event.preventDefault();
    if (action !== "play" && this.section.classList.contains("playing")) this.toggle(false);
    if (action === "box") this.#toggleBox(Number(box.dataset.box));
    else this.#do(action === this.state.mode ? "backprop" : action);
  }

  /** The forward pass begins where the first node is worked out, the backward pass where every node has its value. */
  #startOf(kind) {
    this.setMode("backprop");
    this.go(this.own.steps.findIndex((step) => step.kind === kind));
  }

  /** Open or close one box, looking at what was inside; the focus stays with it. */
  #toggleBox(box) {
    const { boxes } = this.state;
    if (this.source !== this.own || this.#folding.inside(box) === undefined) return;
    this.#change({ boxes: boxes.symmetricDifference(new Set([box])) });
    this.board.lookAt(this.own.nodes.filter(({ id }) => this.#folding.chains[id].includes(box)).map(({ id }) => id));
    this.some(`[data-box="${box}"] [role=button]`).focus({ preventScroll: true });
  }

  // -- links -----------------------------------------------------------------------------------------

  /** Everything as the link has it. */
  #restore() {
    const { kept, ...state } = readLink(location.hash, this);
    Object.assign(this, { elsewhere: kept, places: {}, shown: undefined });
    this.#change({ ...this.first, ...state });
    clearTimeout(this.writing);
  }

  get #link() {
    return writeLink(this.state, this.first, this.source === this.own ? undefined : this.elsewhere);
  }

  /** Keep the address in step, where the browser allows it. */
  #writeLink() {
    clearTimeout(this.writing);
    this.writing = setTimeout(() => {
      try {
        history.replaceState(null, "", this.#link);
      } catch {
        // A page inside a notebook has no address of its own.
      }
    }, 250);
  }

  async #copy() {
    const placed = location.protocol !== "about:";
    const link = (placed ? location.href.split("#")[0] : "") + this.#link;
    const button = this.button("copy");
    try {
      await navigator.clipboard.writeText(link);
      button.textContent = this.say(placed ? "copied" : "copied_state");
      setTimeout(() => { button.textContent = this.say("copy"); }, 1600);
    } catch {
      this.some(".copied")?.remove();
      const field = make("input", { class: "copied", type: "text", readonly: "", "aria-label": this.say("link"), value: link });
      button.after(field);
      field.select();
    }
  }

  // -- paper -----------------------------------------------------------------------------------------

  /** All strides as a strip; the pictures are left out of very long ones. */
  #print() {
    this.some(".strip")?.remove();
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
      paint(svg, now, this.#pictured);
      for (const { group, place } of coinsOf(svg, now)) {
        svg.append(group);
        place(1);
      }
      item.prepend(svg);
    }
    return item;
  }
}

/** The stride that goes with a level of folding: a layer, a neuron, or one edge where all lies open. */
function strideAt(level) {
  return ["edge", "outer"][level] ?? "inner";
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
  addEventListener("message", grown);
}
