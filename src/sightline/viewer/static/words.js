// Numbers in words, as the report writes them.

const SPACE = "\u00a0";

export const percent = (share) => {
  if (share === null || share === undefined || !Number.isFinite(share)) return "–";
  if (share > 0 && share < 0.005) return `<${SPACE}1${SPACE}%`;
  if (share > 0.995 && share < 1) return `>${SPACE}99${SPACE}%`;
  return `${Math.round(100 * share)}${SPACE}%`;
};

export const list = (names) => (names === null ? "not known" : names.length ? names.join(", ") : "none");

export const scientific = (value) => {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 0.001 && size < 10000 ? String(Number(value.toPrecision(2))) : value.toExponential(1);
  return text.replaceAll("-", "−");
};

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

export const JUDGED = { right: "✓ right", wrong: "✗ wrong", unknown: "truth not known" };
