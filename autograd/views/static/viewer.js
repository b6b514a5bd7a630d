// The viewer: one state (step, method, language, stride), shown by the panels, changed by buttons, keys and the link.
import { Board, coinsOf, paint } from "./board.js";
import { PathByPath, PayingBack } from "./moment.js";
import { Narrator } from "./narrator.js";
import { grouped } from "./numbers.js";
import { Counters, Leaves, make, Program, Table } from "./panels.js";
import { Story, Walk } from "./story.js";

const PACE = 1700;
const STRIP = { nodes: 48, steps: 160 };
const KEYS = [
  ["← →", "key_step"], ["Shift ← →", "key_node"], ["Home End", "key_ends"], ["Space", "key_play"],
  ["F", "key_f"], ["B", "key_b"], ["N", "key_n"], ["+ − 0", "key_zoom"], ["?", "key_help"],
];

class Viewer {
  constructor(section, data, kernels) {
    this.section = section;
    this.data = data;
    this.story = new Story(data.trace, kernels);
    this.walk = new Walk(this.story);
    this.narrator = new Narrator(data.told, this.story, this.walk, data.templates);
    this.state = { taken: 0, mode: "backprop", lang: data.lang ?? ourLanguage(), by: "edge", level: data.level };
    this.places = { backprop: 0, naive: 0 };
    this.#build();
    this.#listen();
    this.#setStride(strideAt(data.level));
    this.#readLink();
    this.#translate();
    this.#show();
  }

  find = (selector) => this.section.querySelector(selector);
  say = (key, words) => this.narrator.ui(this.state.lang, key, words);
  control = (name) => this.find(`[data-control="${name}"]`);
  button = (name) => this.find(`[data-action="${name}"]`);

  #build() {
    const { story, data } = this;
    const templates = new Map([...document.querySelectorAll("template[data-level]")].map((t) => [Number(t.dataset.level), t]));
    this.board = new Board(this.find(".stage"), templates);
    this.table = new Table(this.find(".scroll"), story);
    this.program = new Program(this.find(".code"), story);
    this.counters = new Counters(this.find(".counters"));
    this.leaves = new Leaves(this.find(".live"), story, (given) => this.#retell(given));
    this.depth = Math.max(...story.nodes.map((node) => node.scope.length));
    const strides = ["edge", "node", ...(this.depth > 1 ? ["inner"] : []), ...(this.depth ? ["outer"] : [])];
    this.control("by").append(...strides.map((by) => make("option", { value: by, "data-t": `by_${by}` })));
    this.control("level").append(...data.levels.map((level) => make("option", { value: level })));
    this.find(".level").hidden = data.levels.length < 2;
    this.find(".keys").append(...KEYS.flatMap(([keys, said]) => [make("dt", {}, keys), make("dd", { "data-t": said })]));
  }

  #retell(given) {
    if (given.size) this.story.retell(given);
    else this.story.restore();
    this.#show();
  }

  // -- moving --------------------------------------------------------------------------------------

  get steps() {
    return this.state.mode === "naive" ? this.walk.steps : this.story.steps;
  }

  /** Go to a step; `from` tells where an advance over several steps began. */
  go(taken, from) {
    const before = this.state.taken;
    this.state.taken = Math.min(Math.max(0, taken), this.steps.length);
    if (this.state.taken !== before) this.#show(from, this.state.taken > before);
    this.#writeLink();
  }

  forward() {
    const { taken } = this.state;
    this.go(this.#strideEnd(taken, this.state.by), taken);
  }

  back() {
    const end = this.#strideStart(this.state.taken, this.state.by);
    this.go(end, this.#strideStart(end, this.state.by));
  }

  /** The next (or an earlier) moment at which another node begins to act. */
  nextNode() {
    this.go(this.#strideEnd(this.state.taken, "node") + 1);
  }

  previousNode() {
    const start = this.#strideStart(this.state.taken, "node") + 1;
    this.go(start < this.state.taken ? start : this.#strideStart(start - 1, "node") + 1);
  }

  #strideEnd(taken, by) {
    let end = Math.min(taken + 1, this.steps.length);
    while (end < this.steps.length && this.#together(end - 1, end, by)) end++;
    return end;
  }

  #strideStart(taken, by) {
    let start = Math.max(taken - 1, 0);
    while (start > 0 && this.#together(start - 1, start, by)) start--;
    return start;
  }

  /** Whether two neighbouring steps belong to one stride. Leaves go with whoever acts beside them. */
  #together(i, j, by) {
    if (by === "edge") return false;
    const [a, b] = [this.steps[i], this.steps[j]];
    if (this.state.mode === "naive") return a.path === b.path;
    if ((a.kind === "eval") !== (b.kind === "eval") || a.kind === "seed" || b.kind === "seed") return false;
    if (by === "node") return this.story.actor(a) === this.story.actor(b);
    if (a.kind === "eval" && this.#reads(a) !== this.#reads(b)) return false;
    if (a.kind === "eval" && this.#reads(a)) return true;
    return this.#scopeOf(i, by) === this.#scopeOf(j, by);
  }

  #reads(step) {
    return this.story.nodes[step.node].leaf;
  }

  /** The scope a step belongs to; a leaf's is that of the last node that paid. */
  #scopeOf(i, by) {
    let at = i;
    const node = () => this.story.nodes[this.story.actor(this.steps[at])];
    while (node().leaf && this.steps[at - 1] && this.steps[at - 1].kind !== "seed") at--;
    const { scope } = node();
    return JSON.stringify(by === "outer" ? scope.slice(0, 1) : scope);
  }

  play(on = !this.section.classList.contains("playing")) {
    clearInterval(this.playing);
    this.section.classList.toggle("playing", on);
    this.#label(this.button("play"), this.say(on ? "pause" : "play"));
    if (!on) return;
    if (this.state.taken === this.steps.length) this.go(0);
    const beat = () => {
      this.forward();
      if (this.state.taken === this.steps.length) this.play(false);
    };
    this.playing = setInterval(beat, this.#pace);
  }

  get #pace() {
    return PACE / Number(this.control("speed").value);
  }

  setMode(mode) {
    if (mode === this.state.mode) return;
    this.places[this.state.mode] = this.state.taken;
    this.state.mode = mode;
    this.state.taken = this.places[mode];
    this.play(false);
    this.#show();
    this.#writeLink();
  }

  setLang(lang) {
    this.state.lang = lang;
    this.#translate();
    this.#show();
    this.#writeLink();
  }

  // -- showing -------------------------------------------------------------------------------------

  now(taken = this.state.taken, from) {
    if (this.state.mode === "naive") return new PathByPath(this.story, this.walk, taken);
    return new PayingBack(this.story, taken, from, this.state.by);
  }

  #show(from, moved = false) {
    const { taken, mode, lang } = this.state;
    const now = this.now(taken, from);
    Object.assign(this.section.dataset, { step: taken, steps: this.steps.length, mode, lang });
    paint(this.board.svg, now);
    this.board.follow();
    this.board.carry(now, moved ? Math.min(750, this.#pace * 0.55) : 0);
    this.table.paint(now, this.say("constant"));
    this.program.paint(now);
    this.counters.paint(now, this.say);
    this.#caption(now);
    this.#controls();
  }

  #caption(now) {
    const caption = this.find(".caption");
    const sentence = this.narrator.sentence(this.state.lang, now);
    if (caption.textContent !== sentence) caption.textContent = sentence;
    this.find(".math").replaceChildren(this.narrator.math(now));
  }

  #controls() {
    const { taken, mode, lang } = this.state;
    const last = this.steps.length;
    Object.assign(this.control("slider"), { max: last, value: taken });
    this.control("slider").setAttribute("aria-valuetext", this.say("place", { step: taken, steps: last }));
    this.find(".place").textContent = this.say("place", { step: taken, steps: last });
    for (const name of ["first", "back"]) disable(this.button(name), taken === 0);
    for (const name of ["last", "forward"]) disable(this.button(name), taken === last);
    for (const name of ["backprop", "naive"]) this.button(name).setAttribute("aria-pressed", mode === name);
    for (const name of ["en", "zh"]) this.button(name).setAttribute("aria-pressed", lang === name);
  }

  #translate() {
    const { lang } = this.state;
    document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
    for (const element of this.section.querySelectorAll("[data-t]")) element.textContent = this.say(element.dataset.t);
    for (const element of this.section.querySelectorAll("[data-l]")) this.#label(element, this.say(element.dataset.l));
    for (const option of this.control("level").options) option.textContent = this.#levelName(Number(option.value));
    this.control("level").value = this.state.level;
    this.leaves.translate(this.say("frozen"));
    for (const field of this.section.querySelectorAll('input[name="lang"]')) field.value = lang;
    this.find('[data-why="wait"]').textContent = this.#whyWait();
  }

  #label(element, text) {
    element.setAttribute("aria-label", text);
    if (element.matches("button")) element.title = text;
  }

  #levelName(level) {
    const key = `level_${level}`;
    return key in this.data.told.ui[this.state.lang] ? this.say(key) : this.say("level_n", { depth: level });
  }

  #whyWait() {
    const { owed, nodes, edges, trace } = this.story;
    const shared = nodes.filter((node) => owed[node.id].length > 1).sort((a, b) => owed[b.id].length - owed[a.id].length);
    const node = shared.find(({ leaf }) => !leaf) ?? shared[0];
    if (!node) return this.say("wait_none");
    const { impatient_edge_uses: impatient, naive_edge_uses: naive } = trace.counts;
    const counts = { edges: edges.length, impatient: grouped(impatient), naive: grouped(naive) };
    const words = { node: node.name, n: owed[node.id].length, ...counts };
    return this.say(node.leaf ? "wait_leaf" : "wait_many", words);
  }

  // -- listening -----------------------------------------------------------------------------------

  #listen() {
    const { section } = this;
    section.addEventListener("click", (event) => this.#click(event));
    section.addEventListener("keydown", (event) => this.#key(event));
    this.control("slider").addEventListener("input", (event) => this.go(Number(event.target.value)));
    this.control("by").addEventListener("change", (event) => this.#setStride(event.target.value));
    this.control("speed").addEventListener("change", () => section.classList.contains("playing") && this.play(true));
    this.control("level").addEventListener("change", (event) => this.#setLevel(Number(event.target.value)));
    addEventListener("hashchange", () => {
      this.#readLink();
      this.#translate();
      this.#show();
    });
    addEventListener("beforeprint", () => this.#print());
    addEventListener("afterprint", () => section.querySelector(".strip")?.remove());
  }

  #click(event) {
    const button = event.target.closest("[data-action]");
    if (button && button.getAttribute("aria-disabled") !== "true") return this.#act(button.dataset.action);
    const fold = event.target.closest("g.fold[data-nodes]");
    if (fold && this.data.levels.length > 1) this.#open(fold);
    return undefined;
  }

  #act(action) {
    const actions = {
      first: () => this.go(0),
      back: () => this.back(),
      forward: () => this.forward(),
      last: () => this.go(this.steps.length),
      play: () => this.play(),
      backprop: () => this.setMode("backprop"),
      naive: () => this.setMode("naive"),
      en: () => this.setLang("en"),
      zh: () => this.setLang("zh"),
      help: () => this.find("dialog").showModal(),
      zoom_in: () => this.board.zoom(1.4),
      zoom_out: () => this.board.zoom(1 / 1.4),
      fit: () => this.board.fit(),
      copy: () => this.#copy(),
    };
    actions[action]?.();
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    if (event.target.closest("dialog, select, input:not([type=range])")) return;
    const onButton = event.target.closest("button, summary");
    const keys = {
      ArrowRight: () => (event.shiftKey ? this.nextNode() : this.forward()),
      ArrowLeft: () => (event.shiftKey ? this.previousNode() : this.back()),
      Home: () => this.go(0),
      End: () => this.go(this.steps.length),
      f: () => this.#startOf(0),
      b: () => this.#startOf(this.story.seedAt),
      n: () => this.setMode(this.state.mode === "naive" ? "backprop" : "naive"),
      "?": () => this.#act("help"),
      "+": () => this.board.zoom(1.4),
      "=": () => this.board.zoom(1.4),
      "-": () => this.board.zoom(1 / 1.4),
      0: () => this.board.fit(),
      ...(onButton ? {} : { " ": () => this.play() }),
    };
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    if (this.section.classList.contains("playing") && event.key !== " ") this.play(false);
    act();
  }

  /** The forward pass begins at 0, the backward pass where every node has its value. */
  #startOf(taken) {
    this.setMode("backprop");
    this.go(taken);
  }

  /** Another level of folding, and strides to match. */
  #setLevel(level) {
    this.state.level = level;
    this.#setStride(strideAt(level));
    this.control("level").value = level;
    this.board.show(level);
    this.#show();
  }

  #setStride(by) {
    this.state.by = by;
    this.control("by").value = by;
  }

  /** Open a folded scope: the next finer level, looking at what was inside. */
  #open(fold) {
    const { levels } = this.data;
    const first = fold.dataset.nodes.split(" ")[0];
    this.#setLevel(levels[Math.min(levels.indexOf(this.state.level) + 1, levels.length - 1)]);
    this.board.lookAt(first);
  }

  // -- links ---------------------------------------------------------------------------------------

  #readLink() {
    const link = new URLSearchParams(location.hash.slice(1));
    const { state } = this;
    if (["backprop", "naive"].includes(link.get("mode"))) state.mode = link.get("mode");
    if (["en", "zh"].includes(link.get("lang"))) state.lang = link.get("lang");
    if (/^\d+$/.test(link.get("step") ?? "")) state.taken = Number(link.get("step"));
    state.taken = Math.min(state.taken, this.steps.length);
  }

  get #link() {
    const { taken, mode, lang } = this.state;
    return `#step=${taken}&mode=${mode}&lang=${lang}`;
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
    const link = location.href.split("#")[0] + this.#link;
    const button = this.button("copy");
    try {
      await navigator.clipboard.writeText(link);
      button.textContent = this.say("copied");
      setTimeout(() => { button.textContent = this.say("copy"); }, 1600);
    } catch {
      this.find(".copied")?.remove();
      const field = make("input", { class: "copied", readonly: "", "aria-label": this.say("link"), value: link });
      button.after(field);
      field.select();
    }
  }

  // -- paper ---------------------------------------------------------------------------------------

  /** All steps as a strip; the pictures are left out of very long ones. */
  #print() {
    this.find(".strip")?.remove();
    const pictures = this.story.nodes.length <= STRIP.nodes && this.steps.length <= STRIP.steps;
    const items = this.steps.map((_, i) => this.#printed(i + 1, pictures));
    this.section.append(make("ol", { class: pictures ? "strip" : "strip plain" }, ...items));
  }

  #printed(taken, picture) {
    const now = this.now(taken);
    const item = make("li", {}, make("p", {}, `${taken}. ${this.narrator.sentence(this.state.lang, now)}`));
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
