// Where the reader is, in the address; how things look, in this browser.

export const FILTERS = ["split", "source", "bias", "run", "label", "predicted", "judged", "outside", "differ", "text", "mark", "sort", "descending"];

export const overview = {}; // filled once

export const here = () => {
  const [path, query] = location.hash.slice(1).split("?");
  const parameters = Object.fromEntries(new URLSearchParams(query || ""));
  const [, kind, key] = path.split("/");
  return { key: kind === "case" ? decodeURIComponent(key || "") : "", parameters };
};

export const address = (key, parameters) => {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value !== undefined));
  const text = query.toString();
  return `#/${key ? `case/${encodeURIComponent(key)}` : ""}${text ? `?${text}` : ""}`;
};

export const go = (key, parameters, { replace = false } = {}) => {
  const to = address(key, parameters);
  if (to === location.hash) return;
  if (replace) {
    history.replaceState(null, "", to);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else location.hash = to;
};

// What the server is asked for: the filters, with those that the address leaves out at their defaults.
export const question = (parameters) => {
  const asked = { split: overview.evaluated[0] || "", run: overview.runs[0]?.name || "", ...parameters };
  if (asked.split === "*") asked.split = "";
  const given = FILTERS.filter((name) => asked[name]).map((name) => [name, asked[name]]);
  return new URLSearchParams(given);
};

const STORED = "sightline-view";
const LOOK = { opacity: 1, threshold: 0, sign: "both", heat: true, outline: true, gaze: true, smooth: true, oneScale: true };
const saved = () => {
  try {
    return JSON.parse(localStorage.getItem(STORED)) || {};
  } catch {
    return {};
  }
};

export const look = { ...LOOK, ...saved().look };
export const remember = (more = {}) => {
  const lasting = Object.fromEntries(Object.keys(LOOK).map((name) => [name, look[name]]));
  try {
    localStorage.setItem(STORED, JSON.stringify({ ...saved(), look: lasting, ...more }));
  } catch { /* a browser that keeps nothing forgets it */ }
};
export const remembered = (name) => saved()[name];
