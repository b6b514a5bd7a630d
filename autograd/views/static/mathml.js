// MathML: formulas as the reader's browser sets them, from templates like `∂{from}/∂{to} = {local}`.
import { set } from "./elements.js";

const PRIMES = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹";
const TOKEN = /(?<![\p{L}\d)]\s?)[-−]?\d+(?:\.\d+)?(?:e-?\d+)?|[\p{L}_][\p{L}\p{Nd}_#₀-₉‚\u200e]*|[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+|\S/gu;

/** A `<math>` element: the template with its words put in, fractions of ∂ as fractions. */
export function mathml(template, words) {
  const math = set("math");
  math.setAttribute("displaystyle", "true");
  for (const token of template.split(" ")) {
    const fraction = token.match(/^∂\{(\w+)\}\/∂\{(\w+)\}$/);
    if (fraction) math.append(set("mfrac", ...fraction.slice(1).map((key) => set("mrow", set("mo", "∂"), set("mi", words[key])))));
    else for (const part of token.split(/(\{\w+\})/)) math.append(...pieces(part[0] === "{" ? words[part.slice(1, -1)] : part));
  }
  return math;
}

/** Numbers, words and signs of a piece of a formula; a raised number goes above what stands before it. */
function pieces(text) {
  const done = [];
  for (const token of String(text).match(TOKEN) ?? []) {
    const raised = [...token].map((sign) => "−0123456789"[PRIMES.indexOf(sign)]).join("");
    if (raised) done.push(set("msup", done.pop() ?? set("mrow"), set("mn", raised)));
    else done.push(set(/^[-−]?\d/.test(token) ? "mn" : /[\p{L}_]/u.test(token) ? "mi" : "mo", token.replaceAll("-", "−")));
  }
  return done;
}
