// The link: all of the viewer's state that differs from what it begins with, as `#step=7&mode=naive&lang=zh…`.
import { plain, readNumber } from "./panels.js";
import { canStep } from "./plays.js";

/** More than anyone presses: what a crafted link asks beyond that is left out. */
const MOST_ACTS = 300;

/** `kept` are the numbers of the user's own graph while the example is shown. */
export function writeLink(state, first, kept = new Map()) {
  const { taken, mode, lang, given, acts, leaf, delta } = state;
  const parts = [`step=${taken}`, `mode=${mode}`, `lang=${lang}`];
  for (const key of ["by", "level", "ending", "ask"]) if (state[key] !== first[key]) parts.push(`${key}=${state[key]}`);
  if (state.boxes.size) parts.push(`boxes=${[...state.boxes].sort((a, b) => a - b)}`);
  if (given.size) parts.push(`set=${listOf(given)}`);
  if (kept.size) parts.push(`own=${listOf(kept)}`);
  if (acts.length) parts.push(`passes=${acts.map((act) => (typeof act === "number" ? `step:${plain(act)}` : act)).join(",")}`);
  if (mode === "nudge") parts.push(`nudge=${leaf}:${plain(delta)}`);
  if (state.predict) parts.push("predict=1");
  return `#${parts.join("&")}`;
}

/** What a link asks for, as far as it makes sense for this page. */
export function readLink(hash, { own, data, depth }) {
  const link = new URLSearchParams(hash.slice(1));
  const listed = (key) => link.get(key)?.split(",") ?? [];
  const leaf = (id) => own.nodes[id]?.leaf && own.canRetell(id);
  const state = {};
  const take = (key, value, fits) => fits && Object.assign(state, { [key]: value });
  const choose = (key, ...allowed) => take(key, link.get(key), allowed.includes(link.get(key)));
  choose("mode", "naive", "impatient", ...(own.leaves.some(({ id }) => own.canRetell(id)) ? ["nudge"] : []));
  choose("lang", "en", "zh");
  choose("ending", "news");
  choose("by", "edge", "node", ...["outer", "inner"].slice(0, depth));
  take("taken", Number(link.get("step")), /^\d+$/.test(link.get("step")));
  take("level", Number(link.get("level")), data.levels.map(String).includes(link.get("level")));
  const boxes = listed("boxes").filter((box) => /^\d+$/.test(box) && box in data.trace.boxes).map(Number);
  take("boxes", new Set(boxes), boxes.length);
  take("predict", true, link.get("predict") === "1");
  const example = state.mode === "impatient" && data.example;
  const asked = (example ? example.trace : own).nodes[link.get("ask") ?? NaN];
  take("ask", asked?.id, asked && !asked.constant);
  const given = listed("set").map(readPair).filter(([id, number]) => number !== undefined && (example ? example.trace.nodes[id]?.leaf : leaf(id)));
  take("given", new Map(given), given.length);
  const kept = listed("own").map(readPair).filter(([id, number]) => number !== undefined && leaf(id));
  take("kept", new Map(kept), example && kept.length);
  const acts = listed("passes").map(readAct).filter((act) => act !== undefined && (typeof act !== "number" || canStep(own)));
  take("acts", acts.slice(0, MOST_ACTS), acts.length);
  const [id, delta] = readPair(link.get("nudge") ?? "");
  if (delta !== undefined && leaf(id) && !own.nodes[id].constant) Object.assign(state, { leaf: id, delta });
  return state;
}

const listOf = (numbers) => [...numbers].map(([id, x]) => `${id}:${plain(x)}`).join(",");

function readPair(text) {
  const [, id, number] = text.match(/^(\d+):([^:]*)/) ?? [];
  return id ? [Number(id), readNumber(number).number] : [];
}

function readAct(text) {
  if (text === "again" || text === "zero") return text;
  return text.startsWith("step:") ? readNumber(text.slice(5)).number : undefined;
}
