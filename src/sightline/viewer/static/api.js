// Asks the server: JSON, and planes of 16-bit numbers, of which the last ones are kept.

const NO_ANSWER = "the server does not answer; is `sightline view` still running?";

const ask = async (path, options) => {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(NO_ANSWER);
  }
  if (!response.ok) {
    const said = await response.text();
    let words = said;
    try {
      words = JSON.parse(said).error || JSON.parse(said).detail?.[0]?.msg || said;
    } catch { /* plain text */ }
    throw new Error(words || `the server answered ${response.status}`);
  }
  return response;
};

export const getJson = async (path, signal) => (await ask(path, { signal })).json();

export const putJson = async (path, value) =>
  (await ask(path, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(value),
    keepalive: true,
  })).json();

export const send = async (file) =>
  (await ask(`/api/uploads?${new URLSearchParams({ name: file.name })}`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body: file,
  })).json();

const MOST = 48 * 2 ** 20; // bytes
const kept = new Map();
let size = 0;

export const getPlane = async (path, kind, signal) => {
  if (kept.has(path)) {
    const plane = kept.get(path);
    kept.delete(path);
    kept.set(path, plane);
    return plane;
  }
  const bytes = await (await ask(path, { signal })).arrayBuffer();
  const plane = kind === "image" ? new Uint16Array(bytes) : new Int16Array(bytes);
  kept.set(path, plane);
  size += plane.byteLength;
  for (const [oldest, each] of kept) {
    if (size <= MOST) break;
    kept.delete(oldest);
    size -= each.byteLength;
  }
  return plane;
};
