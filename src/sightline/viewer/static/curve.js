// Along the body: the model's score of each group of slices, what speaks for and against the class in each slice, and
// where the reader is.

import { svg } from "./dom.js";

const WIDE = 600;
const HIGH = 52;
const PAD = 5;

const scaleOf = (values) => {
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  const span = high - low || 1;
  return (value) => PAD + (HIGH - 2 * PAD) * (1 - (value - low) / span);
};

const number = (value) => value.toFixed(1);

const steps = (values, y) => {
  const step = WIDE / values.length;
  return values.map((value, index) => `${index ? "L" : "M"}${number(index * step)} ${number(y(value))}H${number((index + 1) * step)}`).join("");
};

const area = (values, y) => `${steps(values, y)}V${number(y(0))}H0Z`;

const chart = (parts, zero, { at, onplace, words }) => {
  const line = svg("line", { x1: at * WIDE, x2: at * WIDE, y1: 0, y2: HIGH, class: "here" });
  const base = svg("line", { x1: 0, x2: WIDE, y1: zero, y2: zero, class: "zero" });
  const drawing = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img", "aria-label": words }, parts, base, line);
  const place = (event) => {
    const box = drawing.getBoundingClientRect();
    onplace(Math.max(0, Math.min(0.9999, (event.clientX - box.left) / box.width)));
  };
  drawing.addEventListener("pointerdown", (event) => {
    drawing.setPointerCapture(event.pointerId);
    place(event);
  });
  drawing.addEventListener("pointermove", (event) => { if (event.buttons === 1) place(event); });
  return drawing;
};

// `scores` of groups of slices, `heat` with what is positive and negative in each slice; either may be null.
export const drawCurve = (element, { scores, heat, name, ...more }) => {
  const charts = [];
  if (scores) {
    const y = scaleOf(scores);
    const words = `The model's score of ${name} in ${scores.length} groups of slices, from head to feet`;
    charts.push(chart([svg("path", { d: steps(scores, y), class: "score" })], y(0), { ...more, words }));
  }
  if (heat?.positive?.length) {
    const y = scaleOf([...heat.positive, ...heat.negative]);
    const parts = [svg("path", { d: area(heat.positive, y), class: "for" }), svg("path", { d: area(heat.negative, y), class: "against" })];
    charts.push(chart(parts, y(0), { ...more, words: `Relevance for and against ${name} in each slice, from head to feet` }));
  }
  element.replaceChildren(...charts);
};

export const moveCurve = (element, at) => {
  for (const line of element.querySelectorAll(".here")) for (const name of ["x1", "x2"]) line.setAttribute(name, at * WIDE);
};
