// Numbers: how they are shown (as views/words.py shows them).

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

/** A formula with true minus signs; a hyphen inside a name stays one (as views/text.py has it). */
export const typeset = (text) => text.replace(/(^|[\s([{^,|√]|\de)-/g, "$1−");

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
export const grouped = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
