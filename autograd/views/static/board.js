// The board on its stage: the camera moves over what Python laid out, coins travel, what is out of sight rests.
import { boxesOf, coinsOf, still } from "./paint.js";

const READABLE = 0.62;
const LARGEST = 1.5;
const OVERVIEW = 0.25;
const CULLED_FROM = 200;
const HURRY = 120;

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
    for (const name of ["viewBox", "width", "height"]) this.coins.setAttribute(name, svg.getAttribute(name));
    this.boxes = boxesOf(svg);
    this.away = new Set();
    this.fit();
  }

  // -- the view ------------------------------------------------------------------------------------

  get #fitting() {
    const { width, height } = this.size;
    return Math.min(LARGEST, width / this.home.width, height / this.home.height);
  }

  /** The whole board, in the middle. */
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
    this.ground.style.transform = `translate3d(${left.toFixed(1)}px, ${top.toFixed(1)}px, 0) scale(${scale.toFixed(4)})`;
    const states = { gliding: glide, grabbable: scale > this.#fitting * 1.01, overview: scale < OVERVIEW, large: this.#fitting < READABLE };
    for (const [name, on] of Object.entries(states)) this.stage.classList.toggle(name, on);
    if (this.boxes.length > CULLED_FROM) this.#cull(x, y, width / scale, height / scale);
  }

  /** Leave undrawn what is further off than one view: a browser draws all of a picture again when a digit of it changes. */
  #cull(x, y, width, height) {
    for (const { element, left, top, right, bottom } of this.boxes) {
      const far = left > x + width || right < x - width || top > y + height || bottom < y - height;
      if (far === this.away.has(element)) continue;
      element.style.display = far ? "none" : "";
      if (far) this.away.add(element);
      else this.away.delete(element);
    }
  }

  /** Where the whole is too small to read, go to what is happening. */
  follow(now, hurried) {
    this.last = now;
    if (!this.follows || this.#fitting >= READABLE) return;
    const boxes = this.#boxesOf([...now.actors, ...now.payees]);
    if (!boxes.length) this.fit();
    else if (!boxes.every((box) => this.#sees(box))) this.#lookAt(boxes, !hurried);
  }

  /** Look at some nodes, at a size that can be read. */
  lookAt(nodes) {
    if (this.#fitting < READABLE) this.#lookAt(this.#boxesOf(nodes), true);
    this.follows = false;
  }

  /** Whether a box can be read where the camera is: then it stays there. */
  #sees({ left, top, right, bottom }) {
    const { x, y, scale } = this.camera;
    const [across, down] = [this.size.width / scale / 2, this.size.height / scale / 2];
    return scale >= READABLE && left > x - across && right < x + across && top > y - down && bottom < y + down;
  }

  #boxesOf(nodes) {
    const wanted = new Set(nodes);
    return this.boxes.filter(({ nodes: ids }) => ids?.some((id) => wanted.has(id)));
  }

  #lookAt(boxes, glide) {
    const [left, top] = ["left", "top"].map((side) => Math.min(...boxes.map((box) => box[side])));
    const [right, bottom] = ["right", "bottom"].map((side) => Math.max(...boxes.map((box) => box[side])));
    const { width, height } = this.size;
    const scale = Math.min(1, Math.max(this.#fitting, Math.min(width / (right - left + 80), height / (bottom - top + 80))));
    this.#look((left + right) / 2, (top + bottom) / 2, scale, glide);
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

  /** Whether steps come faster than anything could travel. */
  get hurried() {
    const since = performance.now() - (this.moved ?? -Infinity);
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
