// One case: one or two runs beside each other, linked in place, zoom and window.

import { getJson } from "./api.js";
import { controls, legend, nameWindow, sheetButton } from "./controls.js";
import { $, h } from "./dom.js";
import { resetZoom, zoomTo } from "./gestures.js";
import { Pane } from "./pane.js";
import { AXES, AXIS } from "./plane.js";
import { address, go, here, look, overview, question, remember } from "./state.js";
import { list } from "./words.js";

let shown = null; // { key, place, panes, beside, subject }
let serial = 0;

const placeOf = (parameters) => {
  const names = overview.runs.map(({ name }) => name);
  const a = names.includes(parameters.a) ? parameters.a : parameters.run || names[0] || "";
  const other = names.find((name) => name !== a) || "";
  const method = overview.methods.some(({ name }) => name === parameters.method) ? parameters.method : overview.methods[0]?.name || "";
  return { a, b: names.includes(parameters.b) && parameters.b !== a ? parameters.b : other, compare: Boolean(parameters.compare && other), method, of: parameters.of ?? "", bias: parameters.bias || "on" };
};

const choose = (changes) => go(here().key, { ...here().parameters, ...changes }, { replace: true });

const act = {
  choose,
  isUpload: () => Boolean(shown?.subject?.upload),
  chooseClass: (of) => choose({ of: String(of) }),
  compare: () => { if (overview.runs.length > 1) choose({ compare: here().parameters.compare ? "" : "1" }); },
  moved: () => shown?.panes.forEach((pane) => pane.draw()),
  recoloured: () => {
    remember();
    shown?.panes.forEach((pane) => { pane.recolour(); pane.captionOf(); });
  },
  windowed: () => {
    shown?.panes.forEach((pane) => pane.recolour());
    if (shown?.panes[0]?.picture) nameWindow($("controls"), shown.panes[0]);
  },
  redrawn: () => shown && drawMaps(),
  rebuild: () => buildControls(),
  reviewer: () => shown && reload(),
  place: (plane, [across, down]) => {
    const [vertical, horizontal] = AXES[plane];
    look.at[horizontal] = Math.max(0, Math.min(0.9999, across));
    look.at[vertical] = Math.max(0, Math.min(0.9999, down));
    shown?.panes.forEach((pane) => pane.drawImage());
  },
  step: (plane, by, pane = shown?.panes[0]) => {
    if (!pane?.volume) return;
    const axis = AXIS[plane];
    const count = pane.picture.shape[axis];
    const index = Math.max(0, Math.min(count - 1, Math.floor(look.at[axis] * count) + by));
    look.at[axis] = (index + 0.5) / count;
    shown.panes.forEach((each) => each.drawImage());
  },
  zoom: (by) => {
    zoomTo(look, look.zoom * by, "axial");
    act.moved();
  },
  // One limit for both panes, where two maps are in sight.
  limit: () => {
    const limits = shown?.panes.map((pane) => pane.heat?.limit).filter(Boolean) || [];
    return limits.length > 1 ? Math.max(...limits) : 0;
  },
};

const facts = (subject) => {
  const parts = [];
  if (!subject.upload) parts.push(["truth", list(subject.labels)]);
  return h("dl", { className: "facts" }, [...parts, ...Object.entries(subject.facts)].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
};

const header = (subject, beside, parameters) => {
  const link = (key, words, label) => (key === null || key === undefined ? h("span", { className: "plain-button off", "aria-disabled": "true" }, words) : h("a", { className: "plain-button", href: address(String(key), parameters), "aria-label": label }, words));
  const back = Object.fromEntries(Object.entries(parameters).filter(([name]) => !["a", "b", "compare", "method", "of"].includes(name)));
  const where = beside.position === null ? (subject.upload ? "not in the cohort, and not kept" : "not in the list as it is filtered") : `${(beside.position + 1).toLocaleString("en")} of ${beside.total.toLocaleString("en")}`;
  const words = overview.biases.find(({ name }) => name === (parameters.bias || "on"))?.words;
  return h("header", { className: "case-head" },
    h("nav", { className: "steps", "aria-label": "Cases" }, h("a", { href: address("", back), className: "back" }, "All cases"), h("span", { className: "where" }, where), h("span", { className: "pair" }, link(beside.previous, "‹ Previous", "Previous case"), link(beside.next, "Next ›", "Next case"))),
    h("div", { className: "case-title" }, h("h2", {}, subject.name), subject.upload ? h("span", { className: "chip" }, "dropped in") : words && h("span", { className: "chip" }, words.toLowerCase())), facts(subject));
};

const buildControls = () => {
  if (!shown) return;
  const focused = document.activeElement?.closest?.("#controls") ? document.activeElement : null;
  const all = "button, input, select";
  const index = focused ? [...$("controls").querySelectorAll(all)].indexOf(focused) : -1;
  $("controls").replaceChildren(...controls(shown.place, shown.panes[0], act));
  if (index >= 0) $("controls").querySelectorAll(all)[index]?.focus();
};

const targetOf = (pane, place) => {
  if (place.of !== "") return Number(place.of);
  const told = pane.answer?.probabilities;
  if (!told) return 0;
  return told.indexOf(Math.max(...told));
};

const drawMaps = async () => {
  const { panes, place } = shown;
  const turn = serial;
  await Promise.all(panes.map(async (pane) => {
    const target = pane.run ? targetOf(pane, place) : Number(place.of || 0);
    const before = pane.target;
    pane.target = target;
    if (!pane.run) {
      await pane.drawImage();
      return;
    }
    pane.showAnswer(target);
    pane.drawAlong();
    if (before !== target && pane.picture) pane.drawImage(); // its region
    if (!pane.picture || pane.answer?.problem) return;
    await pane.showMap(place.method, target);
    if (turn === serial) aim(pane);
    if (turn === serial) await pane.drawImage();
  }));
  if (turn !== serial) return;
  if (panes.length > 1) act.recoloured();
  $("legend").replaceChildren(legend(panes.find((pane) => pane.heat) || panes[0]));
};

// A volume opens at the slice that says most; where the reader went afterwards stays.
const aim = (pane) => {
  if (!pane.volume || shown.aimed || !pane.heat) return;
  shown.aimed = true;
  look.at[0] = (pane.heat.start + 0.5) / pane.picture.shape[0];
};

const open = async (key, parameters) => {
  const turn = ++serial;
  const place = placeOf(parameters);
  shown?.panes.forEach((pane) => pane.close());
  const element = $("case");
  const runs = place.compare ? [place.a, place.b] : [place.a];
  const sameCase = shown?.key === key;
  const panes = runs.map((run) => new Pane(key, run, place.bias, act));
  shown = { key, place, panes, aimed: sameCase && shown?.aimed };
  if (!sameCase) {
    resetZoom(look);
    look.at = [0.5, 0.5, 0.5];
  }
  let subject, beside;
  try {
    const query = new URLSearchParams({ run: place.a, bias: place.bias });
    [subject, beside] = await Promise.all([getJson(`/api/subjects/${key}?${query}`), getJson(`/api/place/${key}?${question(parameters)}`)]);
  } catch (error) {
    if (turn !== serial) return;
    element.replaceChildren(h("p", { className: "problem", role: "alert" }, error.message), h("p", {}, h("a", { href: address("", {}) }, "All cases")));
    return;
  }
  if (turn !== serial) return;
  Object.assign(shown, { subject, beside });
  document.title = `${subject.name} · Sightline`;
  element.replaceChildren(
    header(subject, beside, parameters),
    h("div", { className: `desk ${panes.length > 1 ? "two" : "single"}` },
      h("div", { className: "views" }, h("div", { className: "panes" }, panes.map((pane) => pane.element)), h("div", { id: "legend" })),
      sheetButton(),
      h("aside", { id: "controls", className: "controls", "aria-label": "How it is shown" })),
  );
  buildControls();
  const opened = panes.map(async (pane) => { await Promise.all([pane.open(subject), pane.ask()]); });
  await Promise.all(opened);
  if (turn !== serial) return;
  const volume = panes.find((pane) => pane.volume);
  if (volume && !shown.aimed) {
    const start = volume.picture.starts[targetOf(volume, place)];
    if (start !== null) look.at[0] = (start + 0.5) / volume.picture.shape[0];
  }
  buildControls();
  await drawMaps();
};

const reload = () => open(shown.key, here().parameters);

export const showCase = async (key, parameters) => {
  const place = placeOf(parameters);
  const before = shown?.place;
  const same = shown?.subject && shown.key === key && before.a === place.a && before.b === place.b && before.compare === place.compare && before.bias === place.bias;
  if (!same) return open(key, parameters);
  shown.place = place; // another class or method alone
  serial++;
  buildControls();
  return drawMaps();
};

export const leaveCase = () => {
  serial++;
  shown?.panes.forEach((pane) => pane.close());
  shown = null;
  document.title = "Sightline";
};

const turn = (name) => {
  look[name] = !look[name];
  remember();
  buildControls();
  act.moved();
};
const toCase = (key) => { if (key !== null && key !== undefined) go(String(key), here().parameters); };
const mark = (name) => { if (shown?.subject && !shown.subject.upload) shown.panes[0].marks.toggle(name); };
const cycle = (list_, current, by) => list_[(list_.indexOf(current) + by + list_.length) % list_.length];

export const caseKeys = {
  j: () => toCase(shown?.beside?.next),
  k: () => toCase(shown?.beside?.previous),
  ArrowRight: () => toCase(shown?.beside?.next),
  ArrowLeft: () => toCase(shown?.beside?.previous),
  ArrowUp: () => act.step("axial", -1),
  ArrowDown: () => act.step("axial", 1),
  PageUp: () => act.step("axial", -10),
  PageDown: () => act.step("axial", 10),
  a: () => mark("agree"),
  p: () => mark("wrong place"),
  w: () => mark("wrong class"),
  n: () => shown?.panes[0]?.marks.note.focus(),
  c: () => act.compare(),
  m: () => overview.methods.length && choose({ method: cycle(overview.methods.map(({ name }) => name), shown.place.method, 1) }),
  M: () => overview.methods.length && choose({ method: cycle(overview.methods.map(({ name }) => name), shown.place.method, -1) }),
  s: () => {
    look.sign = cycle(["both", "for", "against"], look.sign, 1);
    buildControls();
    act.recoloured();
  },
  h: () => turn("heat"),
  o: () => turn("outline"),
  g: () => turn("gaze"),
  "+": () => act.zoom(1.25),
  "-": () => act.zoom(0.8),
  z: () => { resetZoom(look); act.moved(); },
  "0": () => choose({ of: "" }),
  Escape: () => go("", Object.fromEntries(Object.entries(here().parameters).filter(([name]) => !["a", "b", "compare", "method", "of"].includes(name)))),
};
for (let index = 1; index <= 9; index++) caseKeys[String(index)] = () => { if (index <= overview.classes.length) choose({ of: String(index - 1) }); };
export const scrolls = () => Boolean(shown?.panes[0]?.volume);
