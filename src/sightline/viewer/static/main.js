// Starts the page: what there is to see, where the reader is, keys, and images that are dropped in.

import { getJson, send } from "./api.js";
import { caseKeys, leaveCase, scrolls, showCase } from "./case.js";
import { $, h, isTyping, toast } from "./dom.js";
import { listKeys, showList } from "./list.js";
import { address, go, here, look, overview, remember, remembered } from "./state.js";

const HELP = [
  ["Everywhere", [["?", "these keys"], ["Esc", "close, or back to the list"], ["j or →", "next case"], ["k or ←", "previous case"]]],
  ["List", [["/", "search"], ["Enter", "open the case"]]],
  ["Case", [["1 to 9", "map of a class"], ["0", "map of what it answers"], ["m, M", "next, previous method"], ["c", "two models side by side"], ["s", "relevance for, against, both"], ["h, o, g", "map, region, gaze on or off"], ["+, −, z", "zoom in, out, whole image"]]],
  ["Volume", [["↑, ↓", "one slice towards head, feet"], ["Page Up, Down", "ten slices"]]],
  ["Review", [["a", "agree"], ["p", "wrong place"], ["w", "wrong class"], ["n", "write a note"]]],
  ["Mouse", [["drag", "move the image; in a volume, the planes"], ["wheel", "zoom; in a volume, slices (zoom with Ctrl)"], ["right button, Shift", "drag for window: across its width, down its level"], ["double click", "whole image"]]],
];

const help = () => {
  const dialog = $("help");
  if (!dialog.firstChild) {
    dialog.append(
      h("div", { className: "help-head" }, h("h2", { id: "help-title" }, "Keys"), h("button", { type: "button", className: "plain-button", onclick: () => dialog.close() }, "Close")),
      h("div", { className: "help-parts" }, HELP.map(([title, keys]) => h("section", {}, h("h3", {}, title), h("dl", {}, keys.map(([key, words]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, words)]))))),
    );
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }
  if (!dialog.open) dialog.showModal();
};

const theme = () => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = remembered("theme");
  if (stored) root.dataset.theme = stored;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const show = () => $("theme").setAttribute("aria-pressed", String(isDark()));
  $("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember({ theme: root.dataset.theme });
    show();
  });
  system.addEventListener("change", show);
  show();
};

const keys = () => {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
    if (event.key === "Escape" && isTyping(event.target)) {
      event.target.blur();
      return;
    }
    if (isTyping(event.target)) return;
    if (event.key === "?") {
      event.preventDefault();
      help();
      return;
    }
    const slider = event.target.type === "range" && (event.key.startsWith("Arrow") || event.key.startsWith("Page"));
    const scroll = ["ArrowUp", "ArrowDown", "PageUp", "PageDown"].includes(event.key) && !scrolls();
    if (slider || scroll) return;
    const known = here().key ? caseKeys : listKeys;
    if (Object.hasOwn(known, event.key)) {
      event.preventDefault();
      known[event.key]();
    }
  });
};

const tryImage = async (file) => {
  if (!file) return;
  if (file.size > overview.upload.bytes) {
    toast(`${file.name} is larger than ${Math.round(overview.upload.bytes / 2 ** 20)} MiB`);
    return;
  }
  toast(`Reading ${file.name} …`);
  try {
    const { key } = await send(file);
    $("toast").hidden = true;
    const { a, b, compare, method } = here().parameters;
    go(key, { a, b, compare, method });
  } catch (error) {
    toast(`${file.name}: ${error.message}`);
  }
};

const uploads = () => {
  if (!overview.upload) return;
  $("upload").hidden = false;
  $("upload").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    tryImage($("file").files[0]);
    $("file").value = "";
  });
  let inside = 0;
  const cover = (on) => ($("dropping").hidden = !on);
  const isFile = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  addEventListener("dragenter", (event) => { if (isFile(event)) { inside++; cover(true); } });
  addEventListener("dragleave", (event) => { if (isFile(event) && --inside <= 0) { inside = 0; cover(false); } });
  addEventListener("dragover", (event) => { if (isFile(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    inside = 0;
    cover(false);
    const files = [...event.dataTransfer.files];
    if (files.length > 1) toast("One image at a time; this is the first.");
    tryImage(files[0]);
  });
};

let at = "";
const show = () => {
  const { key, parameters } = here();
  const moved = at !== (key ? "case" : "list");
  at = key ? "case" : "list";
  $("list").hidden = Boolean(key);
  $("case").hidden = !key;
  if (moved) scrollTo(0, 0);
  if (key) return showCase(key, parameters);
  leaveCase();
  return showList(parameters);
};

const start = async () => {
  theme();
  Object.assign(look, { zoom: 1, centres: { axial: [0.5, 0.5], coronal: [0.5, 0.5], sagittal: [0.5, 0.5] }, at: [0.5, 0.5, 0.5], window: [0, 1] });
  try {
    Object.assign(overview, await getJson("/api/overview"));
  } catch (error) {
    $("main").replaceChildren(h("p", { className: "problem", role: "alert" }, error.message));
    return;
  }
  $("title").textContent = overview.title;
  $("home").href = address("", {});
  $("ask").addEventListener("click", help);
  keys();
  uploads();
  addEventListener("hashchange", show);
  await show();
};

start();
