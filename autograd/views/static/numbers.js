// Numbers: how they are shown (as views/words.py shows them), and the functions that Math lacks.

export const parse = (x) => (typeof x === "string" ? Number(x) : x);

/** A number for reading: whole numbers as they are, others with a few digits at most. */
export function show(x, digits = 7) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
  if (Number.isInteger(x) && Math.abs(x) < Math.min(1e12, 10 ** (digits + 5))) return String(x);
  const [mantissa, exponent] = Math.abs(x).toExponential(digits - 1).split("e");
  const figures = mantissa.replace(".", "").replace(/0+$/, "");
  return (x < 0 ? "-" : "") + placed(figures, Number(exponent) + 1, digits);
}

/** A number in a drawing: few digits, a true minus, ∞ and nan (as views/text.py shows it). */
export function number(x, digits = 6) {
  if (Object.is(x, -0)) return "−0";
  return show(x, digits).replace("inf", "∞").replaceAll("-", "−");
}

/** Digits with the decimal point after the first `point` of them, or with an exponent. */
function placed(digits, point, most) {
  if (point <= -4 || point > most) {
    const rest = digits.length > 1 ? `.${digits.slice(1)}` : "";
    return `${digits[0]}${rest}e${point - 1}`;
  }
  if (point <= 0) return `0.${"0".repeat(-point)}${digits}`;
  const whole = digits.padEnd(point, "0");
  return whole.length === point ? whole : `${whole.slice(0, point)}.${whole.slice(point)}`;
}

export const enclosed = (text) => (/^[-−]/.test(text) ? `(${text})` : text);

/** A pile in words: `2 + 3`, the middle of a long one left out. */
export const sumOf = (amounts) => chained(amounts, " + ");
export const productOf = (factors) => chained(factors, " × ");

function chained(numbers, sign) {
  const shown = numbers.length > 8 ? [...numbers.slice(0, 4), "…", ...numbers.slice(-3)] : numbers;
  return shown.map((text, i) => (i ? enclosed(text) : text)).join(sign);
}

/** Digits in groups of three, for counts that may be very long. */
export const grouped = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, "\u2009");

export const basis = { power, erf, erfc };

/** pow as IEEE 754 has it, which Math.pow is not at a base of ±1. */
function power(a, b) {
  if (a === 1 || (a === -1 && !Number.isFinite(b) && !Number.isNaN(b))) return 1;
  return a ** b;
}

function erf(x) {
  return Math.abs(x) < 1 ? series(x) : Math.sign(x) * (1 - fraction(Math.abs(x)));
}

function erfc(x) {
  if (x < 1) return 1 - erf(x);
  return Number.isNaN(x) ? x : fraction(x);
}

/** erf by its series of positive terms 2/√π · e^(-x²) · Σ x (2x²)ⁿ / (2n+1)!!, for |x| < 1. */
function series(x) {
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** erfc for x ≥ 1 by the continued fraction e^(-x²)/√π · 1/(x + ½/(x + 1/(x + 1½/(x + …)))). */
function fraction(x) {
  if (x > 27.3) return 0;
  let rest = x;
  for (let k = Math.ceil(20 + 160 / (x * x)); k > 0; k--) rest = x + k / 2 / rest;
  return gaussian(x) / (Math.sqrt(Math.PI) * rest);
}

/** e^(-x²), the square taken in two parts so that its rounding does not show. */
function gaussian(x) {
  const high = Math.round(x * 16) / 16;
  return Math.exp(-high * high) * Math.exp(-(x - high) * (x + high));
}
