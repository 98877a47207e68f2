// One plane on a canvas: the image in its window, the map over it, outlines, and where the other planes lie.

import { overview } from "./state.js";

const SIDES = {
  axial: { R: [0, 0.5], L: [1, 0.5], A: [0.5, 0], P: [0.5, 1] },
  coronal: { R: [0, 0.5], L: [1, 0.5], H: [0.5, 0], F: [0.5, 1] },
  sagittal: { A: [0, 0.5], P: [1, 0.5], H: [0.5, 0], F: [0.5, 1] },
};
export const AXES = { axial: [1, 2], coronal: [0, 2], sagittal: [0, 1] }; // shown downwards and across
export const AXIS = { axial: 0, coronal: 1, sagittal: 2 };
const GAZE = "#5eead4";

const offscreen = (wide, high) => Object.assign(document.createElement("canvas"), { width: wide, height: high });

// Grey of 16-bit values between two shares of their range.
const paintImage = (canvas, values, [low, high]) => {
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  const words = new Uint32Array(pixels.data.buffer);
  const start = low * 65535;
  const scale = 255 / Math.max(1, (high - low) * 65535);
  for (let i = 0; i < values.length; i++) {
    const grey = Math.max(0, Math.min(255, (values[i] - start) * scale)) | 0;
    words[i] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  context.putImageData(pixels, 0, 0);
};

// Colours of the report; `scale` brings 16-bit values to 1 at full colour.
const paintHeat = (canvas, values, scale, kind, { opacity, threshold, sign }) => {
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  const { data } = pixels;
  const table = overview.colours[kind];
  const half = 127;
  for (let i = 0, at = 0; i < values.length; i++, at += 4) {
    const value = Math.max(-1, Math.min(1, values[i] * scale));
    const size = value < 0 ? -value : value;
    if (size < threshold || size === 0) continue;
    if ((sign === "for" && value < 0) || (sign === "against" && value > 0)) continue;
    const level = kind === "signed" ? half + Math.round(half * value) : Math.round(254 * Math.max(0, value));
    const colour = table[level];
    data[at] = colour[0];
    data[at + 1] = colour[1];
    data[at + 2] = colour[2];
    data[at + 3] = colour[3] * opacity;
  }
  context.putImageData(pixels, 0, 0);
};

export class PlaneView {
  constructor(canvas, plane) {
    this.canvas = canvas;
    this.plane = plane;
    this.image = this.heat = this.edges = null;
    this.shown = null;
  }

  // Rows and columns of the plane, and the height of a row over the width of a column.
  setPicture(picture) {
    const [down, across] = AXES[this.plane];
    this.rows = picture.shape[down];
    this.columns = picture.shape[across];
    const spacing = picture.spacing || [1, 1, 1];
    this.aspect = spacing[down] / spacing[across];
    this.volume = picture.shape[0] > 1;
    this.image = this.heat = this.edges = null;
    this.canvas.style.aspectRatio = `${this.columns} / ${this.rows * this.aspect}`;
  }

  setImage(values, range) {
    this.values = values;
    this.image ??= offscreen(this.columns, this.rows);
    paintImage(this.image, values, range);
  }

  setHeat(values, scale, kind, look) {
    this.heatValues = values;
    this.heatScale = scale;
    if (!values) {
      this.heat = null;
      return;
    }
    this.heat ??= offscreen(this.columns, this.rows);
    paintHeat(this.heat, values, scale, kind, look);
  }

  // Place on the canvas to shares of the picture, and back; the canvas has the shape of the picture.
  toShare(x, y, look) {
    const { width, height } = this.canvas.getBoundingClientRect();
    const [u, v] = look.centres[this.plane];
    return [u + (x / width - 0.5) / look.zoom, v + (y / height - 0.5) / look.zoom];
  }

  draw(look, { fixations = [], at = null } = {}) {
    const { canvas } = this;
    const box = canvas.getBoundingClientRect();
    const dots = window.devicePixelRatio || 1;
    const wide = Math.max(1, Math.round(box.width * dots));
    const high = Math.max(1, Math.round(box.height * dots));
    if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
    const context = canvas.getContext("2d");
    const [u, v] = look.centres[this.plane];
    const left = wide * (0.5 - u * look.zoom);
    const top = high * (0.5 - v * look.zoom);
    const scaled = [wide * look.zoom, high * look.zoom];
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, wide, high);
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    for (const layer of [this.image, look.heat ? this.heat : null]) if (layer) context.drawImage(layer, left, top, ...scaled);
    const across = (x) => left + x * scaled[0];
    const down = (y) => top + y * scaled[1];
    if (look.outline && this.edges?.region) this.edge(context, this.edges.region, `rgb(${overview.edge.join(" ")})`, [], across, down, dots);
    if (look.gaze && this.edges?.gaze) this.edge(context, this.edges.gaze, GAZE, [6 * dots, 4 * dots], across, down, dots);
    if (look.gaze) this.fixations(context, fixations, across, down, dots);
    if (this.volume) {
      if (at) this.cross(context, at, across, down, wide, high, dots);
      this.letters(context, wide, high, dots);
    }
  }

  edge(context, { path, unit, height, width }, colour, dashes, across, down, dots) {
    if (!path) return;
    const placed = new Path2D();
    const matrix = new DOMMatrix([(across(1) - across(0)) / (width * unit), 0, 0, (down(1) - down(0)) / (height * unit), across(0), down(0)]);
    placed.addPath(new Path2D(path), matrix);
    context.lineJoin = "round";
    context.setLineDash([]);
    context.strokeStyle = "rgb(0 0 0 / 0.55)";
    context.lineWidth = 3.4 * dots;
    context.stroke(placed);
    context.setLineDash(dashes);
    context.strokeStyle = colour;
    context.lineWidth = 1.7 * dots;
    context.stroke(placed);
    context.setLineDash([]);
  }

  fixations(context, fixations, across, down, dots) {
    for (const [x, y, seconds] of fixations) {
      context.beginPath();
      context.arc(across(x), down(y), dots * (2 + 9 * Math.sqrt(Math.min(2, seconds))), 0, 2 * Math.PI);
      context.strokeStyle = "rgb(0 0 0 / 0.5)";
      context.lineWidth = 2.6 * dots;
      context.stroke();
      context.strokeStyle = GAZE;
      context.lineWidth = 1.2 * dots;
      context.stroke();
    }
  }

  // Where the other planes lie: ticks at the edges, which hide nothing.
  cross(context, at, across, down, wide, high, dots) {
    const [vertical, horizontal] = AXES[this.plane];
    const [x, y] = [across(at[horizontal]), down(at[vertical])];
    const tick = 14 * dots;
    for (const [colour, width] of [["rgb(0 0 0 / 0.6)", 3], ["#fff", 1.4]]) {
      context.strokeStyle = colour;
      context.lineWidth = width * dots;
      context.beginPath();
      for (const [from, to] of [[[x, 0], [x, tick]], [[x, high], [x, high - tick]], [[0, y], [tick, y]], [[wide, y], [wide - tick, y]]]) {
        context.moveTo(...from);
        context.lineTo(...to);
      }
      context.stroke();
    }
  }

  letters(context, wide, high, dots) {
    context.font = `600 ${12 * dots}px system-ui, sans-serif`;
    context.lineWidth = 3 * dots;
    context.strokeStyle = "rgb(0 0 0 / 0.7)";
    context.fillStyle = "#fff";
    context.textAlign = "center";
    context.textBaseline = "middle";
    const inset = 24 * dots;
    for (const [letter, [x, y]] of Object.entries(SIDES[this.plane])) {
      const place = [inset + x * (wide - 2 * inset), inset + y * (high - 2 * inset)];
      context.strokeText(letter, ...place);
      context.fillText(letter, ...place);
    }
  }

  // Value of the image and of the map, in shares of full colour, at a place.
  valueAt(x, y) {
    const row = Math.floor(y * this.rows);
    const column = Math.floor(x * this.columns);
    if (!this.values || row < 0 || column < 0 || row >= this.rows || column >= this.columns) return null;
    const index = row * this.columns + column;
    return { image: this.values[index] / 65535, heat: this.heatValues ? this.heatValues[index] * this.heatScale : null };
  }
}
