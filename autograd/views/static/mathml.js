// MathML: formulas as the reader's browser sets them, from templates like `∂{from}/∂{to} = {local}`.
const MATHML = "http://www.w3.org/1998/Math/MathML";
const PRIMES = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹";
const TOKEN = /(?<![\p{L}\d)]\s?)[-−]?\d+(?:\.\d+)?(?:e-?\d+)?|[\p{L}_][\p{L}\p{Nd}_#₀-₉‚]*|[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+|\S/gu;

/** A `<math>` element: the template with its words put in, fractions of ∂ as fractions. */
export function mathml(template, words) {
  const math = element("math");
  math.setAttribute("displaystyle", "true");
  for (const token of template.split(" ")) {
    const fraction = token.match(/^∂\{(\w+)\}\/∂\{(\w+)\}$/);
    if (fraction) math.append(element("mfrac", ...fraction.slice(1).map((key) => element("mrow", element("mo", "∂"), element("mi", words[key])))));
    else for (const part of token.split(/(\{\w+\})/)) math.append(...set(part[0] === "{" ? words[part.slice(1, -1)] : part));
  }
  return math;
}

/** Numbers, words and signs of a piece of a formula; a raised number goes above what it belongs to. */
function set(text) {
  const done = [];
  for (const token of String(text).match(TOKEN) ?? []) {
    if (PRIMES.includes(token[0])) done.push(raised(done, token));
    else done.push(element(/^[-−]?\d/.test(token) ? "mn" : /[\p{L}_]/u.test(token) ? "mi" : "mo", token.replaceAll("-", "−")));
  }
  return done;
}

function raised(done, token) {
  const power = [...token].map((sign) => "−0123456789"[PRIMES.indexOf(sign)]).join("");
  return element("msup", base(done), element("mn", power));
}

/** What a raised number stands behind: the last piece, or everything in its parentheses. */
function base(done) {
  let open = done.length - 1;
  for (let depth = 0; open > 0; open--) {
    depth += done[open].textContent === ")" ? 1 : done[open].textContent === "(" ? -1 : 0;
    if (!depth) break;
  }
  return element("mrow", ...done.splice(open));
}

function element(name, ...children) {
  const made = document.createElementNS(MATHML, name);
  made.append(...children);
  return made;
}
