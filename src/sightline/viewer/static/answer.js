// Probabilities of each class, each with how answers like it fared.

import { h } from "./dom.js";
import { overview } from "./state.js";
import { JUDGED, list, percent } from "./words.js";

const MANY = 8;
const open = new Set(); // runs whose classes are all shown

const bar = (probability, observed) => {
  const track = h("span", { className: "track", "aria-hidden": "true" }, h("i", { className: "level" }));
  track.firstChild.style.width = `${100 * (probability ?? 0)}%`;
  if (observed) {
    const whisker = h("b", { className: "whisker" });
    whisker.style.left = `${100 * observed.share_low}%`;
    whisker.style.width = `${100 * (observed.share_high - observed.share_low)}%`;
    const dot = h("b", { className: "dot" });
    dot.style.left = `${100 * observed.share}%`;
    track.append(whisker, dot);
  }
  return track;
};

const observedWords = (pane, target) => {
  const { observed, observed_in: where } = pane.answer;
  const found = observed[target];
  if (!where) return "No interval: the run was not evaluated, so nobody knows how answers like this one fared.";
  if (!found) return `No interval: fewer than 10 other patients of ${where} were given about this probability.`;
  const level = Math.round(100 * found.level);
  return `Of ${found.patients} other patients of ${where} given ${percent(found.low)} to ${percent(found.high)}, ` +
    `${found.present} had ${overview.classes[target]}: ${percent(found.share)} (${level} % interval ${percent(found.share_low)} to ${percent(found.share_high)}).`;
};

const rowsOf = (pane) => {
  const all = pane.answer.probabilities.map((probability, of) => ({ probability, of }));
  if (all.length <= MANY || open.has(pane.run)) return all;
  return [...all].sort((one, other) => (other.probability ?? 0) - (one.probability ?? 0)).slice(0, MANY);
};

export const answerPart = (pane, target) => {
  const { answer, subject } = pane;
  if (!answer) return [];
  if (answer.problem) return [h("p", { className: "problem", role: "alert" }, answer.problem)];
  const told = subject.answers?.[pane.run];
  const likeliest = answer.probabilities.indexOf(Math.max(...answer.probabilities));
  const decided = told ? list(told.predicted) : overview.task === "multilabel" ? "" : overview.classes[likeliest];
  const judged = told ? told.judged : "";
  const shown = rowsOf(pane);
  const classes = shown.map(({ probability, of }) =>
    h("li", {},
      h("button", { type: "button", className: "class", "aria-pressed": String(of === target), title: "show the map of this class", onclick: () => pane.act.chooseClass(of) },
        h("span", { className: "name" }, overview.classes[of], subject.labels?.includes(overview.classes[of]) && h("em", { title: "true by the cohort" }, " truth")),
        bar(probability, answer.observed[of]),
        h("span", { className: "value" }, percent(probability)))));
  const more = answer.probabilities.length > MANY && h("button", { type: "button", className: "link", onclick: () => {
    if (!open.delete(pane.run)) open.add(pane.run);
    pane.showAnswer(target);
  } }, open.has(pane.run) ? "Show the likeliest" : `Show all ${answer.probabilities.length} classes`);
  return [
    decided && h("p", { className: "decided" }, h("b", {}, decided), " ", judged && h("span", { className: `judged ${judged}` }, JUDGED[judged])),
    answer.source === "now" && h("p", { className: "note" }, "Asked just now; this image is in no evaluation."),
    ...answer.warnings.map((text) => h("p", { className: "warning" }, text)),
    h("ul", { className: "classes", "aria-label": "Probability of each class" }, classes),
    more,
    h("p", { className: "note" }, observedWords(pane, target)),
  ].filter(Boolean);
};
