// The board in words: to a screen reader it is a list of nodes, edges and boxes, to a mouse each says the same as its tooltip.
import { show, sumOf, typeset } from "./numbers.js";
import { counted } from "./paint.js";

/** Give everything in a picture its words at a moment; `folding` knows which boxes open and close. */
export function describe(svg, now, { narrator, say, words, folding }) {
  if (!groups.has(svg)) prepare(svg);
  const { nodes, edges } = groups.get(svg);
  if (!now.changed) describeBoxes(svg, now, say, words, folding);
  for (const id of now.changed?.nodes ?? nodes.keys()) if (nodes.has(id)) tell(nodes.get(id), nodeWords(id, now, say));
  for (const id of now.changed?.edges ?? edges.keys()) if (edges.has(id)) tell(edges.get(id), edgeWords(id, now, narrator, say));
}

const groups = new WeakMap();

function prepare(svg) {
  const found = (kind) => new Map([...svg.querySelectorAll(`g.${kind}[data-${kind}]`)].map((group) => [Number(group.dataset[kind]), group]));
  groups.set(svg, { nodes: found("node"), edges: found("edge") });
  svg.role = "list";
  for (const group of svg.children) {
    const item = group.matches("g.node, g.edge, g.scope");
    Object.assign(group, item ? { role: "listitem" } : { ariaHidden: true });
    if (!item) continue;
    for (const part of group.children) part.ariaHidden = true;
  }
}

/** Everything that stands for several: boxes and folds, which open and close, and bundles of edges. */
function describeBoxes(svg, now, say, words, folding) {
  svg.ariaLabel = say("graph", { nodes: now.story.nodes.length, edges: now.story.edges.length });
  for (const group of svg.querySelectorAll("g.edge[data-edges]")) tell(group, counted("edge", group.dataset.edges.split(" ").length, words));
  for (const group of svg.querySelectorAll("g.scope, g.fold")) {
    const { box, nodes } = group.dataset;
    const name = box === undefined ? group.querySelector(".name").textContent : folding.scopes[box].join(" / ");
    tell(group, nodes ? `${words.folded} ${name}: ${counted("node", nodes.split(" ").length, words)}` : name);
    const door = box !== undefined && (nodes ? folding.inside(box) !== undefined && group.querySelector(".card") : group.querySelector("text"));
    if (!door) continue;
    Object.assign(door, { role: "button", tabIndex: 0, ariaExpanded: !nodes, ariaLabel: say(nodes ? "open" : "fold", { scope: name }), ariaHidden: null });
  }
}

function tell(group, words) {
  if (group.ariaLabel === words) return;
  group.ariaLabel = words;
  group.querySelector("title").textContent = words;
}

function nodeWords(id, now, say) {
  const { name, formula } = now.story.nodes[id];
  const [pile, grad, [heard, of]] = [now.pile(id), now.gradient(id), now.heard(id)];
  const parts = [now.known(id) ? say("said_value", { value: show(now.story.values[id]) }) : say("said_idle")];
  if (grad !== undefined) parts.push(say("said_grad", { grad: show(grad) }));
  else if (pile.length) parts.push(say("said_pile", { pile: sumOf(pile.map((x) => show(x))) }));
  if (heard && grad === undefined) parts.push(say("said_heard", { heard, of }));
  return typeset(say("node_said", { name: formula ? `${name} = ${formula}` : name, state: parts.join(", ") }));
}

function edgeWords(id, now, narrator, say) {
  const edge = now.story.edges[id];
  const slope = now.known(edge.from) ? narrator.slopeText(now.story, edge) : `∂${now.story.nodes[edge.from].name}/∂${now.story.nodes[edge.to].name}`;
  return now.isUsed(id) ? `${slope}, ${say("said_paid")}` : slope;
}
