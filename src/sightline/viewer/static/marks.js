// What a reviewer says about an answer, kept at once.

import { putJson } from "./api.js";
import { h } from "./dom.js";
import { overview, remember, remembered } from "./state.js";

const KEYS = { agree: "a", "wrong place": "p", "wrong class": "w" };
let reviewer = remembered("reviewer") ?? "";

export const currentReviewer = () => reviewer || overview.reviewer || "";
export const setReviewer = (name) => {
  reviewer = name;
  remember({ reviewer: name });
};

export class Marks {
  constructor(pane) {
    this.pane = pane;
    this.buttons = overview.marks.map((mark) =>
      h("button", { type: "button", className: `mark ${mark.replace(" ", "-")}`, "aria-pressed": "false", onclick: () => this.toggle(mark) }, mark, h("kbd", { "aria-hidden": "true" }, KEYS[mark])));
    this.note = h("textarea", { rows: 2, maxlength: 4000, placeholder: "Note", "aria-label": pane.run ? `Note on ${pane.run}` : "Note", oninput: () => this.later(), onblur: () => this.now() });
    this.state = h("p", { className: "kept", role: "status" });
    this.others = h("ul", { className: "others" });
    this.element = h("div", { className: "marks-box", role: "group", "aria-label": "Review" }, h("div", { className: "mark-buttons" }, this.buttons), this.note, this.state, this.others);
    addEventListener("pagehide", () => this.now(), { signal: pane.stopped.signal });
  }

  show(subject) {
    this.subject = subject;
    this.element.hidden = subject.upload;
    this.said = subject.reviews.filter((each) => each.run === this.pane.run);
    const mine = this.said.find((each) => each.reviewer === currentReviewer());
    this.mark = mine?.mark || "";
    this.note.value = mine?.note || "";
    this.kept = { mark: this.mark, note: this.note.value };
    this.paint(mine ? this.whenWords(mine.changed) : "");
  }

  paint(words, failed = false) {
    overview.marks.forEach((mark, index) => this.buttons[index].setAttribute("aria-pressed", String(mark === this.mark)));
    this.state.textContent = words;
    this.state.classList.toggle("problem", failed);
    const others = this.said.filter((each) => each.reviewer !== currentReviewer());
    this.others.replaceChildren(...others.map((each) => h("li", {}, h("b", {}, each.reviewer || "no name"), `: ${[each.mark, each.note].filter(Boolean).join(", ")}`)));
  }

  whenWords(changed) {
    const when = new Date(changed);
    const today = when.toDateString() === new Date().toDateString();
    return `Kept ${when.toLocaleString("en-GB", today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" })}`;
  }

  toggle(mark) {
    this.mark = this.mark === mark ? "" : mark;
    this.paint("Keeping …");
    this.now();
  }

  later() {
    clearTimeout(this.waiting);
    this.state.textContent = "…";
    this.waiting = setTimeout(() => this.now(), 400);
  }

  // One write after another, so that the last word stays the last.
  now() {
    clearTimeout(this.waiting);
    if (!this.subject || this.subject.upload) return;
    if (this.mark === this.kept.mark && this.note.value === this.kept.note) return;
    const wanted = { mark: this.mark, note: this.note.value };
    this.kept = wanted;
    const { pane } = this;
    const review = { run: pane.run, bias: pane.bias, case: this.subject.name, reviewer: currentReviewer(), ...wanted,
      explained: pane.target === null ? "" : overview.classes[pane.target] || "", method: pane.method || "" };
    this.writing = (this.writing || Promise.resolve()).then(async () => {
      try {
        const kept = await putJson("/api/reviews", review);
        if (this.kept === wanted) this.paint(wanted.mark || wanted.note.trim() ? this.whenWords(kept.changed) : "Taken back");
      } catch (error) {
        if (this.kept === wanted) this.kept = { mark: null, note: null };
        this.paint(`Not kept: ${error.message}`, true);
      }
    });
  }
}
