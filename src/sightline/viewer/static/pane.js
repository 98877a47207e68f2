// What one run sees in one image: planes, map, answer, marks.

import { getJson, getPlane } from "./api.js";
import { answerPart } from "./answer.js";
import { drawCurve, moveCurve } from "./curve.js";
import { h } from "./dom.js";
import { listen } from "./gestures.js";
import { Marks } from "./marks.js";
import { AXIS, PlaneView } from "./plane.js";
import { look, overview } from "./state.js";
import { list, percent, scientific } from "./words.js";

const PLANES = ["axial", "coronal", "sagittal"];

export class Pane {
  // `act`: changed(), placed(), chooseClass(of); shared by all panes of a case.
  constructor(key, run, bias, act) {
    Object.assign(this, { key, run, bias, act, heat: null, target: null, loading: 0 });
    this.planes = new Map();
    this.stopped = new AbortController();
    this.stage = h("div", { className: "stage" });
    this.state = h("p", { className: "state", role: "status" });
    this.frame = h("div", { className: "frame" }, this.stage, this.state);
    this.caption = h("p", { className: "map-caption" });
    this.readout = h("p", { className: "readout", "aria-hidden": "true" });
    this.answerBox = h("div", { className: "answer-box" });
    this.curveBox = h("div", { className: "curve" });
    this.curveKey = h("p", { className: "curve-key" });
    this.sliceWords = h("span", {});
    this.slider = h("input", { type: "range", min: 0, max: 0, step: 1, value: 0, "aria-label": "Slice, from head to feet", oninput: () => this.toSlice(Number(this.slider.value)) });
    this.along = h("div", { className: "along", hidden: true }, this.curveBox, this.slider, h("p", { className: "slice-words" }, h("span", {}, "head"), this.sliceWords, h("span", {}, "feet")), this.curveKey);
    this.marks = new Marks(this);
    this.element = h(
      "article",
      { className: "pane", "aria-label": run ? `Model ${run}` : "Image" },
      run && h("h3", {}, run),
      h("div", { className: "pictures" }, this.frame, this.readout, this.along, this.caption),
      h("div", { className: "info" }, this.answerBox, this.marks.element),
    );
  }

  path(rest, more = {}) {
    return `/api/subjects/${this.key}/${rest}?${new URLSearchParams({ run: this.run, bias: this.bias, ...more })}`;
  }

  close() {
    this.marks.now(); // what was just written
    this.stopped.abort();
  }

  say(text, kind = "") {
    this.state.textContent = text;
    this.state.className = `state ${kind}`;
    this.state.hidden = !text;
  }

  async open(subject) {
    this.subject = subject;
    this.marks.show(subject);
    this.say("Reading the image …", "busy");
    try {
      this.picture = await getJson(this.path("picture"), this.stopped.signal);
    } catch (error) {
      if (error.name !== "AbortError") this.say(error.message, "problem");
      return false;
    }
    this.say("");
    this.buildPlanes();
    await this.drawImage();
    return true;
  }

  async ask() {
    if (!this.run) return null;
    try {
      this.answer = await getJson(this.path("answer"), this.stopped.signal);
    } catch (error) {
      if (error.name === "AbortError") return null;
      this.answer = { problem: error.message };
    }
    return this.answer;
  }

  get volume() {
    return this.picture?.shape[0] > 1;
  }

  buildPlanes() {
    const wanted = this.volume ? PLANES : ["axial"];
    this.stage.className = `stage ${this.volume ? "three" : "one"}`;
    this.stage.replaceChildren();
    this.planes.clear();
    for (const plane of wanted) {
      const canvas = h("canvas", { role: "img", tabindex: 0, dataset: { plane } });
      const view = new PlaneView(canvas, plane);
      view.setPicture(this.picture);
      this.planes.set(plane, view);
      this.stage.append(h("div", { className: `plane ${plane}` }, canvas));
      listen(view, look, {
        moved: () => this.act.moved(),
        window: () => this.act.windowed(),
        slice: (name, by) => this.act.step(name, by, this),
        place: (name, share) => this.act.place(name, share),
        hover: (share) => this.hover(view, share),
      });
      new ResizeObserver(() => this.draw()).observe(canvas);
    }
    const [deep, high, wide] = this.picture.shape;
    const spacing = this.picture.spacing || [1, 1, 1];
    this.frame.classList.toggle("one", !this.volume);
    this.frame.style.setProperty("--shape", String((wide * spacing[2]) / (high * spacing[1])));
    this.along.hidden = !this.volume;
    this.slider.max = String(deep - 1);
  }

  indexIn(plane) {
    const axis = AXIS[plane];
    const count = this.picture.shape[axis];
    return Math.max(0, Math.min(count - 1, Math.floor(look.at[axis] * count)));
  }

  toSlice(index) {
    this.act.place("coronal", [look.at[2], (index + 0.5) / this.picture.shape[0]]);
  }

  // Fetches the planes that are in sight; what is asked for meanwhile is drawn instead.
  async drawImage() {
    const turn = ++this.loading;
    const at = (plane) => this.indexIn(plane);
    const asked = [...this.planes.keys()].map(async (plane) => {
      const view = this.planes.get(plane);
      const place = `${plane}/${at(plane)}`;
      const [values, edges, heat] = await Promise.all([
        getPlane(this.path(`plane/${place}`), "image", this.stopped.signal),
        this.edgesOf(place),
        this.heat ? getPlane(this.path(`map/${place}`, this.mapQuery), "map", this.stopped.signal) : null,
      ]);
      if (turn !== this.loading) return;
      view.setImage(values, look.window);
      view.edges = edges;
      view.setHeat(this.heat ? heat : null, this.scale, this.heat?.kind, look);
    });
    try {
      await Promise.all(asked);
    } catch (error) {
      if (error.name !== "AbortError") this.say(error.message, "problem");
      return;
    }
    if (turn === this.loading) this.draw();
  }

  async edgesOf(place) {
    const any = this.picture.gaze || this.picture.regions.some(Boolean);
    if (!any) return null;
    const path = this.path(`outline/${place}`, { of: this.target ?? 0 });
    this.edges ??= new Map();
    if (!this.edges.has(path)) this.edges.set(path, await getJson(path, this.stopped.signal));
    return this.edges.get(path);
  }

  // 16-bit values to 1 at full colour, which several panes may share.
  get scale() {
    const limit = (look.oneScale && this.act.limit()) || this.heat?.limit || 0;
    return limit ? this.heat.peak / 32767 / limit : 0;
  }

  recolour() {
    for (const view of this.planes.values()) {
      if (view.values) view.setImage(view.values, look.window);
      if (this.heat && view.heatValues) view.setHeat(view.heatValues, this.scale, this.heat.kind, look);
    }
    this.draw();
  }

  draw() {
    if (!this.picture) return;
    const at = this.volume ? look.at : null;
    for (const view of this.planes.values()) view.draw(look, { fixations: this.picture.fixations, at });
    for (const [plane, view] of this.planes) view.canvas.setAttribute("aria-label", this.describe(plane));
    if (this.volume) {
      const index = this.indexIn("axial");
      this.slider.value = String(index);
      this.slider.setAttribute("aria-valuetext", `slice ${index + 1} of ${this.picture.shape[0]}`);
      this.sliceWords.textContent = `slice ${index + 1} of ${this.picture.shape[0]}`;
      moveCurve(this.curveBox, look.at[0]);
    }
  }

  describe(plane) {
    const map = this.heat && look.heat ? `, with the map of ${overview.classes[this.target]} by ${this.methodTitle}` : "";
    const slice = this.volume ? `${plane} plane ${this.indexIn(plane) + 1} of ${this.picture.shape[AXIS[plane]]} of ` : "";
    return `${slice}image ${this.subject.name}${map}`;
  }

  get methodTitle() {
    return overview.methods.find(({ name }) => name === this.method)?.title || this.method;
  }

  showAnswer(target) {
    this.answerBox.replaceChildren(...answerPart(this, target));
  }

  // Draws the map of a class by a method; a newer wish takes the place of an older one.
  async showMap(method, target) {
    this.mapping?.abort();
    this.mapping = new AbortController();
    this.stopped.signal.addEventListener("abort", () => this.mapping.abort());
    Object.assign(this, { method, target, heat: null });
    this.mapQuery = { method, of: target, smooth: look.smooth };
    this.caption.textContent = "";
    const waiting = setTimeout(() => this.say(`Drawing the map by ${this.methodTitle} …`, "busy"), 150);
    let found;
    try {
      found = await getJson(this.path("map", this.mapQuery), this.mapping.signal);
    } catch (error) {
      clearTimeout(waiting);
      if (error.name === "AbortError") return null;
      found = { problem: error.message };
    }
    clearTimeout(waiting);
    this.say(found.problem ? `No map by ${this.methodTitle}: ${found.problem}` : "", found.problem ? "problem" : "");
    if (!found.problem) this.heat = found;
    this.captionOf();
    this.drawAlong();
    return this.heat;
  }

  captionOf() {
    const { heat } = this;
    if (!heat) return;
    const inside = heat.inside === null ? "" : `${percent(1 - heat.inside)} of its relevance outside the region; `;
    const drawn = heat.drawn_at.join(" × ");
    const limit = (look.oneScale && this.act.limit()) || heat.limit;
    const full = heat.limit ? `full colour at ${scientific(limit)} of the logit a ${this.volume ? "voxel" : "pixel"}` : "zero everywhere";
    this.caption.textContent = `Map of ${overview.classes[this.target]} by ${this.methodTitle}, drawn at ${drawn}: ${inside}${full}.`;
  }

  drawAlong() {
    if (!this.volume) return;
    const scores = this.answer?.slice_scores?.[this.target] || null;
    this.along.classList.toggle("with-curve", Boolean(scores || this.heat));
    drawCurve(this.curveBox, { scores, heat: this.heat, name: overview.classes[this.target], at: look.at[0], onplace: (share) => this.act.place("coronal", [look.at[2], share]) });
    const items = [scores && ["score", `score of ${overview.classes[this.target]} by group of slices`], this.heat && ["for", "relevance for it"], this.heat?.negative.some((value) => value < 0) && ["against", "against it"]];
    this.curveKey.replaceChildren(...items.filter(Boolean).map(([kind, text]) => h("span", {}, h("i", { className: kind, "aria-hidden": "true" }), text)));
  }

  hover(view, share) {
    const found = share && view.valueAt(...share);
    if (!found) {
      this.readout.textContent = "";
      return;
    }
    const [low, high] = this.picture.limits;
    const value = low + found.image * (high - low);
    const image = this.picture.units ? `${Math.round(value)} ${this.picture.units}`.replace("-", "−") : `grey ${percent(found.image)}`;
    const heat = found.heat === null ? "" : `, relevance ${percent(Math.abs(found.heat))} of full colour ${found.heat < 0 ? "against" : "for"}`;
    this.readout.textContent = `${image}${heat}`;
  }

  get words() {
    return list(this.subject?.answers?.[this.run]?.predicted || []);
  }
}

