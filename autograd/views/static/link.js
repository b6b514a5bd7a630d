// The link: all of the viewer's state that differs from what it begins with, as `#step=7&mode=naive&lang=zh…`.
import { plain, readNumber } from "./panels.js";

export function writeLink(state, first) {
  const { taken, mode, lang, given, acts, leaf, delta } = state;
  const parts = [`step=${taken}`, `mode=${mode}`, `lang=${lang}`];
  for (const key of ["by", "level", "ending", "ask"]) if (state[key] !== first[key]) parts.push(`${key}=${state[key]}`);
  if (state.boxes.size) parts.push(`boxes=${[...state.boxes].sort((a, b) => a - b)}`);
  if (given.size) parts.push(`set=${[...given].map(([id, x]) => `${id}:${plain(x)}`).join(",")}`);
  if (acts.length) parts.push(`passes=${acts.map((act) => (typeof act === "number" ? `step:${plain(act)}` : act)).join(",")}`);
  if (mode === "nudge") parts.push(`nudge=${leaf}:${plain(delta)}`);
  if (state.predict) parts.push("predict=1");
  return `#${parts.join("&")}`;
}

/** What a link asks for, as far as it makes sense for this page. */
export function readLink(hash, { own, data }) {
  const link = new URLSearchParams(hash.slice(1));
  const one = (key, allowed) => (allowed.includes(link.get(key)) ? { [key]: link.get(key) } : {});
  const nudged = own.leaves.some(({ id }) => own.canRetell(id)) ? ["nudge"] : [];
  const state = { ...one("mode", ["naive", "impatient", ...nudged]), ...one("lang", ["en", "zh"]) };
  Object.assign(state, one("ending", ["news"]), one("by", ["edge", "node", "inner", "outer"]));
  if (/^\d+$/.test(link.get("step"))) state.taken = Number(link.get("step"));
  if (data.levels.includes(Number(link.get("level") ?? NaN))) state.level = Number(link.get("level"));
  const count = new Set(own.nodes.flatMap(({ scope }) => scope.map((_, i) => JSON.stringify(scope.slice(0, i + 1))))).size;
  const boxes = (link.get("boxes") ?? "").split(",").filter((box) => /^\d+$/.test(box) && Number(box) < count).map(Number);
  if (boxes.length) state.boxes = new Set(boxes);
  const asked = own.nodes[link.get("ask") ?? NaN];
  if (asked && !asked.constant) state.ask = asked.id;
  if (link.get("predict") === "1") state.predict = true;
  const told = state.mode === "impatient" ? data.example?.trace ?? data.trace : data.trace;
  const settable = (id) => told.nodes[id]?.leaf && (told !== data.trace || own.canRetell(id));
  const pairs = pairsOf(link.get("set")).filter(([id, number]) => settable(id) && number !== undefined);
  if (pairs.length) state.given = new Map(pairs);
  const acts = (link.get("passes") ?? "").split(",").map(readAct).filter((act) => act !== undefined);
  const movable = own.leaves.every(({ id }) => own.canRetell(id));
  if (acts.length) state.acts = acts.filter((act) => movable || typeof act !== "number").slice(0, 50);
  const [moved] = pairsOf(link.get("nudge"));
  if (moved && moved[1] !== undefined && own.leaves.some(({ id }) => id === moved[0]) && own.canRetell(moved[0])) [state.leaf, state.delta] = moved;
  return state;
}

function pairsOf(text) {
  return (text ?? "").split(",").filter((part) => /^\d+:/.test(part)).map((part) => [Number(part.split(":")[0]), readNumber(part.split(":")[1]).number]);
}

function readAct(text) {
  if (text === "again" || text === "zero") return text;
  return text.startsWith("step:") ? readNumber(text.slice(5)).number : undefined;
}
