// Elements: making them and keeping them up to date. Text becomes text, never markup.

const SVG = "http://www.w3.org/2000/svg";
const MATHML = "http://www.w3.org/1998/Math/MathML";

export const make = (name, attributes = {}, ...children) => marked(document.createElement(name), attributes, ...children);
export const drawn = (name, attributes, ...children) => marked(document.createElementNS(SVG, name), attributes, ...children);
export const set = (name, ...children) => marked(document.createElementNS(MATHML, name), {}, ...children);

/** An element with these attributes and, at its end, these children. */
export function marked(element, attributes, ...children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Give an element those of the classes that hold, and take the others from it. */
export function classed(element, states) {
  for (const [name, holds] of Object.entries(states)) element.classList.toggle(name, holds);
}

export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Attributes that are numbers. */
export const sizes = (element, ...names) => names.map((name) => Number(element.getAttribute(name)));
