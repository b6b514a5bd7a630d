// The board on its stage: the camera moves over what Python laid out, coins travel, what is out of sight rests.
import { classed } from "./elements.js";
import { boxesOf, coinsOf, still } from "./paint.js";

const READABLE = 0.62;
const LARGEST = 1.5;
const SMALLEST = 0.1;
const OVERVIEW = 0.25;
const CULLED_FROM = 200;
const REACH = 0.7;
const HURRY = 120;
const MARGIN = 40;

export class Board {
  constructor(stage) {
    this.stage = stage;
    this.ground = stage.querySelector(".ground");
    this.coins = stage.querySelector(".coins");
    this.#measure();
    this.show(stage.querySelector("svg.board"));
    this.#listen();
    new ResizeObserver(() => {
      this.#measure();
      this.fit();
      if (this.last) this.follow(this.last, true);
    }).observe(stage);
  }

  /** Once per size of the window: to ask in every step would lay out the whole page each time. */
  #measure() {
    this.size = { width: this.stage.clientWidth || 800, height: this.stage.clientHeight || 500 };
  }

  /** Put a picture on the stage. */
  show(svg) {
    this.svg?.replaceWith(svg);
    this.svg = svg;
    const [x, y, width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
    this.home = { x, y, width, height };
    this.coins.setAttribute("viewBox", `${x} ${y} 1 1`);
    this.boxes = boxesOf(svg);
    this.away = new Set();
    this.fit();
  }

  // -- the view ------------------------------------------------------------------------------------

  get #whole() {
    return Math.min(this.size.width / this.home.width, this.size.height / this.home.height);
  }

  get #fitting() {
    return Math.max(SMALLEST, Math.min(LARGEST, this.#whole));
  }

  /** The whole board, in the middle, or as much of it as can be told apart. */
  fit() {
    this.follows = true;
    this.#look(this.home.x + this.home.width / 2, this.home.y + this.home.height / 2, this.#fitting);
  }

  zoom(factor, at) {
    const { width, height } = this.size;
    const [px, py] = at ? [at.x, at.y] : [width / 2, height / 2];
    const { x, y, scale } = this.camera;
    const next = Math.min(4, Math.max(Math.min(this.#fitting, 1) * 0.8, scale * factor));
    const shift = 1 / scale - 1 / next;
    this.follows = false;
    this.#look(x + (px - width / 2) * shift, y + (py - height / 2) * shift, next);
  }

  #look(x, y, scale, glide = false) {
    this.camera = { x, y, scale };
    const { width, height } = this.size;
    const [left, top] = [width / 2 - (x - this.home.x) * scale, height / 2 - (y - this.home.y) * scale];
    this.ground.style.transform = `translate3d(${Math.round(left)}px, ${Math.round(top)}px, 0) scale(${scale.toFixed(4)})`;
    classed(this.stage, { gliding: glide, grabbable: scale > this.#fitting * 1.01, overview: scale < OVERVIEW, large: this.#fitting < READABLE });
    if (this.boxes.length > CULLED_FROM) this.#cull(x, y, width / scale, height / scale);
  }

  /** Leave undrawn what is well out of sight: a browser draws all of a picture again when a digit of it changes. */
  #cull(x, y, width, height) {
    const [across, down] = [REACH * width, REACH * height];
    const out = ({ left, top, right, bottom }) => left > x + across || right < x - across || top > y + down || bottom < y - down;
    for (const { element, parts } of this.boxes) {
      const far = parts.every(out);
      if (far === this.away.has(element)) continue;
      element.style.display = far ? "none" : "";
      if (far) this.away.add(element);
      else this.away.delete(element);
    }
  }

  /** Where the whole is too small to read, go to what is happening; where not a quarter of it could be seen at once, begin with what happens first. */
  follow(now, hurried) {
    this.last = now;
    if (!this.follows || this.#fitting >= READABLE) return;
    const acting = now.taken || 4 * this.#whole > SMALLEST ? now.actors : [now.steps[0].actor];
    const [actors, all] = [acting, [...acting, ...now.payees]].map((nodes) => this.#boxesOf(nodes));
    const near = [all, actors, all.slice(0, 1)].find((boxes) => boxes.length && this.#around(boxes).most >= READABLE);
    if (near) this.#lookAt(near, !hurried);
    else this.fit();
  }

  /** Look at some nodes, at a size that can be read. */
  lookAt(nodes) {
    if (this.#fitting < READABLE) this.#lookAt(this.#boxesOf(nodes), true);
    this.follows = false;
  }

  #boxesOf(nodes) {
    const wanted = new Set(nodes);
    return this.boxes.filter(({ nodes: ids }) => ids?.some((id) => wanted.has(id)));
  }

  /** The boxes' common box, and the largest scale at which all of it is seen. */
  #around(boxes) {
    const [left, top] = ["left", "top"].map((side) => Math.min(...boxes.map((box) => box[side])) - MARGIN);
    const [right, bottom] = ["right", "bottom"].map((side) => Math.max(...boxes.map((box) => box[side])) + MARGIN);
    const { width, height } = this.size;
    return { left, top, right, bottom, most: Math.min(1, Math.max(this.#fitting, Math.min(width / (right - left), height / (bottom - top)))) };
  }

  /** Bring boxes into sight at a size that can be read. Another scale or place would draw much anew: what is in sight already stays, what is not comes to the middle. */
  #lookAt(boxes, glide) {
    const { camera, size } = this;
    const { left, top, right, bottom, most } = this.#around(boxes);
    const fine = camera.scale <= most * 1.001 && camera.scale >= (most < READABLE ? 0.7 * most : READABLE);
    const scale = fine ? camera.scale : most < READABLE ? most : Math.max(READABLE, 0.8 * most);
    const between = (least, at, most) => (least > most ? (least + most) / 2 : Math.min(most, Math.max(least, at)));
    const near = (axis, side, from, to) => {
      const [half, start, at] = [size[side] / scale / 2, this.home[axis], camera[axis]];
      const seen = fine && at >= to - half && at <= from + half;
      return between(start + half, seen ? at : (from + to) / 2, start + this.home[side] - half);
    };
    const [x, y] = [near("x", "width", left, right), near("y", "height", top, bottom)];
    if (x !== camera.x || y !== camera.y || !fine) this.#look(x, y, scale, glide);
  }

  #listen() {
    const { stage } = this;
    const pointers = new Map();
    const place = (event) => {
      const box = stage.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && !stage.classList.contains("grabbable")) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 400), place(event));
    }, { passive: false });
    stage.addEventListener("pointerdown", (event) => {
      if (event.target.closest(".zoom")) return;
      this.dragged = 0;
      pointers.set(event.pointerId, place(event));
    });
    stage.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const after = place(event);
      pointers.set(event.pointerId, after);
      this.dragged += Math.hypot(after.x - before.x, after.y - before.y);
      if (pointers.size === 2) this.#pinch(pointers, event.pointerId, before);
      else if (stage.classList.contains("grabbable")) this.#drag(before, after);
    });
    for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
      stage.addEventListener(name, (event) => pointers.delete(event.pointerId));
    }
  }

  #drag(before, after) {
    const { x, y, scale } = this.camera;
    this.follows = false;
    this.#look(x - (after.x - before.x) / scale, y - (after.y - before.y) / scale, scale);
  }

  #pinch(pointers, moved, before) {
    const [a, b] = [...pointers.values()];
    const other = [...pointers].find(([id]) => id !== moved)[1];
    const after = pointers.get(moved);
    const apart = (p) => Math.hypot(p.x - other.x, p.y - other.y);
    this.zoom(apart(after) / Math.max(1, apart(before)), { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
  }

  // -- the money -----------------------------------------------------------------------------------

  /** Whether steps come faster than anything could travel: the first does not, being NaN after nothing. */
  get hurried() {
    const since = performance.now() - this.moved;
    this.moved = performance.now();
    return since < HURRY;
  }

  /** Carry this moment's amounts along their wires, from debtor to creditor (or up, by a walker). */
  carry(now, milliseconds) {
    cancelAnimationFrame(this.moving);
    const coins = coinsOf(this.svg, now);
    this.coins.replaceChildren(...coins.map(({ group }) => group));
    const start = performance.now();
    const frame = (time) => {
      const part = milliseconds ? Math.min(1, Math.max(0, (time - start) / milliseconds)) : 1;
      const eased = part < 0.5 ? 2 * part * part : 1 - 2 * (1 - part) ** 2;
      for (const { place } of coins) place(eased);
      if (part < 1) this.moving = requestAnimationFrame(frame);
    };
    frame(still() ? Infinity : start);
  }
}
