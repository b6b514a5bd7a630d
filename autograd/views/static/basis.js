// The functions that JavaScript's Math lacks, for the kernels that call them.
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
  for (let n = 1; Math.abs(term) > 1e-18; n++) {
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
