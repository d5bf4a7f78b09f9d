// A value with `decimals`, or with two significant digits if it would else be shown as 0.
// motekit/hub/metrics.py does the same for the command line.
export function format(value, decimals) {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e15) return value.toExponential(3);
  const text = value.toFixed(decimals);
  if (Number(text) !== 0) return text;
  if (value === 0) return (0).toFixed(decimals);
  const digits = 1 - Math.floor(Math.log10(size));
  if (digits > 9) return value.toExponential(1);
  return value.toFixed(digits).replace(/0+$/, "");
}

const UNITS = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
];

// How long `ms` is, in words: "12 s", "5 min".
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  for (const [size, unit] of UNITS) if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  return `${seconds} s`;
}

// The age of a reading: "now", "12 s", "5 min".
export function age(ms) {
  return ms < 3000 ? "now" : duration(ms);
}

// "5 min ago", or "now".
export function since(ms) {
  return ms < 3000 ? "now" : `${duration(ms)} ago`;
}
