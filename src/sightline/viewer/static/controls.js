// How maps are drawn and looked at.

import { choice, h } from "./dom.js";
import { resetZoom } from "./gestures.js";
import { currentReviewer, setReviewer } from "./marks.js";
import { look, overview, remember } from "./state.js";
import { percent } from "./words.js";

// Width and level of windows that radiologists know, HU.
const WINDOWS = { lung: [-600, 1500], "soft tissue": [40, 400], bone: [400, 1800] };

const range = (words, value, oninput, attributes = {}) => {
  const output = h("output", {}, percent(value));
  return h("label", { className: "field range" }, h("span", {}, words, output),
    h("input", { type: "range", min: 0, max: 1, step: 0.01, value, "aria-valuetext": percent(value), ...attributes, oninput: (event) => {
      output.textContent = percent(Number(event.target.value));
      event.target.setAttribute("aria-valuetext", output.textContent);
      oninput(Number(event.target.value));
    } }));
};

const check = (words, name, onchange, key) =>
  h("label", { className: "check" }, h("input", { type: "checkbox", checked: look[name], onchange: (event) => {
    look[name] = event.target.checked;
    remember();
    onchange();
  } }), h("span", {}, words), key && h("kbd", { "aria-hidden": "true" }, key));

const signs = (onchange) =>
  h("div", { className: "field", role: "group", "aria-label": "Sign of the relevance" }, h("span", {}, "Relevance"),
    h("div", { className: "segments" }, [["both", "both"], ["for", "for"], ["against", "against"]].map(([value, words]) =>
      h("button", { type: "button", "aria-pressed": String(look.sign === value), onclick: () => {
        look.sign = value;
        remember();
        onchange();
      } }, words))));

const windowPart = (pane, act) => {
  const [low, high] = pane.picture.limits;
  const { units } = pane.picture;
  const name = (share) => (units ? `${Math.round(low + share * (high - low))} ${units}`.replace("-", "−") : percent(share));
  const set = (from, to) => {
    look.window = [from, to];
    act.windowed();
  };
  const slider = (words, index) => {
    const output = h("output", { dataset: { window: index } }, name(look.window[index]));
    return h("label", { className: "field range" }, h("span", {}, words, output), h("input", { type: "range", min: 0, max: 1, step: 0.005, value: look.window[index], dataset: { window: index }, "aria-valuetext": name(look.window[index]), oninput: (event) => {
      const value = Number(event.target.value);
      const other = look.window[1 - index];
      set(...(index === 0 ? [Math.min(value, other - 0.005), other] : [other, Math.max(value, other + 0.005)]));
    } }));
  };
  const presets = units === "HU" ? Object.entries(WINDOWS).map(([words, [level, width]]) => [words, [(level - width / 2 - low) / (high - low), (level + width / 2 - low) / (high - low)]]) : [];
  return h("fieldset", {}, h("legend", {}, units ? "Window" : "Brightness"), slider("Black at", 0), slider("White at", 1),
    h("div", { className: "segments presets" }, [...presets, [pane.run ? "as the model sees it" : "whole range", [0, 1]]].map(([words, [from, to]]) => h("button", { type: "button", onclick: () => set(from, to) }, words))));
};

export const nameWindow = (element, pane) => {
  const [low, high] = pane.picture.limits;
  const { units } = pane.picture;
  for (const each of element.querySelectorAll("[data-window]")) {
    const share = look.window[Number(each.dataset.window)];
    const words = units ? `${Math.round(low + share * (high - low))} ${units}`.replace("-", "−") : percent(share);
    if (each.tagName === "INPUT") {
      each.value = String(share);
      each.setAttribute("aria-valuetext", words);
    } else each.textContent = words;
  }
};

const ramp = (kind) => {
  const stops = overview.ramps[kind].map((stop) => `rgb(${stop.join(" ")})`);
  const element = h("span", { className: "ramp", "aria-hidden": "true" });
  element.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
  return element;
};

export const legend = (pane) => {
  const { heat } = pane;
  const gaze = pane.picture?.gaze;
  const edge = pane.picture?.regions.some(Boolean);
  return h("ul", { className: "key" },
    heat && h("li", {}, ramp(heat.kind), heat.kind === "signed" ? "blue against the class, red for it" : "dark little, light much for the class"),
    edge && h("li", {}, h("span", { className: "rule", "aria-hidden": "true" }), "outline of the region"),
    gaze && h("li", {}, h("span", { className: "rule gaze", "aria-hidden": "true" }), "gaze; a circle a fixation, larger the longer"));
};

const sheet = (open) => {
  document.getElementById("controls").classList.toggle("open", open);
  document.getElementById("settings").setAttribute("aria-expanded", String(open));
};

// On a narrow screen the controls are a sheet under the image, which stays in sight.
export const sheetButton = () =>
  h("button", { type: "button", id: "settings", className: "plain-button", "aria-controls": "controls", "aria-expanded": "false",
    onclick: () => sheet(!document.getElementById("controls").classList.contains("open")) }, "Settings");

export const controls = (place, pane, act) => {
  const { runs, methods, classes } = overview;
  const method = methods.find(({ name }) => name === place.method);
  const parts = [];
  if (runs.length > 1 || place.compare) {
    const names = runs.map(({ name }) => [name, name]);
    parts.push(h("fieldset", {}, h("legend", {}, "Models"),
      choice(place.compare ? "Left" : "Model", names, place.a, (to) => act.choose({ a: to })),
      place.compare && choice("Right", names, place.b, (to) => act.choose({ b: to })),
      h("button", { type: "button", className: "plain-button", "aria-pressed": String(place.compare), onclick: act.compare }, "Side by side ", h("kbd", { "aria-hidden": "true" }, "c"))));
  }
  if (overview.biases.length > 1 && !act.isUpload()) {
    parts.push(h("fieldset", {}, choice("Images", overview.biases.map(({ name, words }) => [name, words]), place.bias, (to) => act.choose({ bias: to === "on" ? "" : to }), { id: "bias" })));
  }
  if (methods.length) {
    parts.push(h("fieldset", {}, h("legend", {}, "Map"),
      choice("Drawn by", methods.map(({ name, title, slow }) => [name, slow ? `${title} (slow)` : title]), place.method, (to) => act.choose({ method: to }), { id: "method" }),
      method && h("p", { className: "note" }, `${method.about}. ${method.cost}.`),
      method?.caveat && h("p", { className: "warning" }, `Caution: ${method.caveat}.`),
      choice("Map of", [["", "what it answers"], ...classes.map((name, index) => [String(index), name])], place.of, (to) => act.choose({ of: to }), { id: "class" }),
      range("Opacity", look.opacity, (value) => { look.opacity = value; act.recoloured(); }),
      range("Hide below", look.threshold, (value) => { look.threshold = value; act.recoloured(); }, { max: 0.95 }),
      signs(() => { act.rebuild(); act.recoloured(); }),
      h("div", { className: "checks" }, check("map", "heat", act.moved, "h"), overview.regions && check("region", "outline", act.moved, "o"), overview.gaze && check("gaze", "gaze", act.moved, "g"),
        !overview.volume && check("smooth", "smooth", act.redrawn), place.compare && check("one colour scale", "oneScale", act.recoloured))));
  } else {
    parts.push(h("fieldset", {}, h("legend", {}, "Outlines"), h("div", { className: "checks" }, overview.regions && check("region", "outline", act.moved, "o"), overview.gaze && check("gaze", "gaze", act.moved, "g")),
      overview.regions && classes.length > 1 && choice("Region of", classes.map((name, index) => [String(index), name]), place.of || "0", (to) => act.choose({ of: to }))));
  }
  if (pane?.picture) parts.push(windowPart(pane, act));
  parts.push(h("fieldset", {}, h("legend", {}, "Zoom"), h("div", { className: "segments" },
    h("button", { type: "button", "aria-label": "Zoom in", onclick: () => act.zoom(1.25) }, "+"), h("button", { type: "button", "aria-label": "Zoom out", onclick: () => act.zoom(0.8) }, "−"),
    h("button", { type: "button", onclick: () => { resetZoom(look); act.moved(); } }, "whole image"))));
  parts.push(h("fieldset", {}, h("legend", {}, "Reviewer"), h("label", { className: "field" }, h("span", {}, "Marks are kept under"),
    h("input", { type: "text", id: "reviewer", value: currentReviewer(), maxlength: 200, placeholder: "no name", autocomplete: "off", onchange: (event) => { setReviewer(event.target.value.trim()); act.reviewer(); } }))));
  return parts;
};
