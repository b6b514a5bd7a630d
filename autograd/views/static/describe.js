// The board in words: to a screen reader it is a list of nodes and edges, to a mouse each says the same as its tooltip.
import { minus } from "./narrator.js";
import { show, sumOf } from "./numbers.js";

/** Give every node and edge of a picture its words at a moment. */
export function describe(svg, now, narrator, say) {
  if (!groups.has(svg)) prepare(svg);
  svg.setAttribute("aria-label", say("graph", { nodes: now.story.nodes.length, edges: now.story.edges.length }));
  const { nodes, edges } = groups.get(svg);
  for (const id of now.changed?.nodes ?? nodes.keys()) if (nodes.has(id)) tell(nodes.get(id), nodeWords(id, now, say));
  for (const id of now.changed?.edges ?? edges.keys()) if (edges.has(id)) tell(edges.get(id), edgeWords(id, now, narrator, say));
}

const groups = new WeakMap();

function prepare(svg) {
  const all = (kind) => new Map([...svg.querySelectorAll(`g.${kind}[data-${kind}]`)].map((group) => [Number(group.dataset[kind]), group]));
  groups.set(svg, { nodes: all("node"), edges: all("edge") });
  svg.setAttribute("role", "list");
  for (const group of svg.querySelectorAll("g.node, g.edge")) {
    group.setAttribute("role", "listitem");
    for (const part of group.children) part.setAttribute("aria-hidden", "true");
    if (!group.querySelector("title")) group.prepend(document.createElementNS(svg.namespaceURI, "title"));
    group.setAttribute("aria-label", group.querySelector("title").textContent);
  }
  for (const other of svg.querySelectorAll(":scope > :not(g.node, g.edge)")) other.setAttribute("aria-hidden", "true");
}

function tell(group, words) {
  if (group.getAttribute("aria-label") === words) return;
  group.setAttribute("aria-label", words);
  group.querySelector("title").textContent = words;
}

function nodeWords(id, now, say) {
  const { name, formula } = now.story.nodes[id];
  const [pile, grad, [heard, of]] = [now.pile(id), now.gradient(id), now.heard(id)];
  const parts = [now.known(id) ? say("said_value", { value: show(now.story.values[id]) }) : say("said_idle")];
  if (grad !== undefined) parts.push(say("said_grad", { grad: show(grad) }));
  else if (pile.length) parts.push(say("said_pile", { pile: sumOf(pile.map((x) => show(x))) }));
  if (heard && grad === undefined) parts.push(say("said_heard", { heard, of }));
  return minus(say("node_said", { name: formula ? `${name} = ${formula}` : name, state: parts.join(", ") }));
}

function edgeWords(id, now, narrator, say) {
  const edge = now.story.edges[id];
  const slope = now.known(edge.from) ? narrator.slopeText(now.story, edge) : `∂${now.story.nodes[edge.from].name}/∂${now.story.nodes[edge.to].name}`;
  return now.isUsed(id) ? `${slope}, ${say("said_paid")}` : slope;
}
