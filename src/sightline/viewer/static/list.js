// The list of cases: filters, order, pages.

import { getJson } from "./api.js";
import { $, choice, h } from "./dom.js";
import { address, FILTERS, go, here, overview, question } from "./state.js";
import { JUDGED, list, percent, plural } from "./words.js";

const PAGE = 50;
let asking = null;
let selected = -1;

const set = (changes) => {
  const { parameters } = here();
  go("", { ...parameters, page: "", ...changes }, { replace: true });
};

const named = (names, all) => [["", all], ...names.map((name) => [name, name])];

const filters = (parameters) => {
  const { runs, classes, sources, splits, biases, task, regions } = overview;
  const several = task === "multilabel";
  const value = (name) => parameters[name] || "";
  const split = parameters.split ?? overview.evaluated[0] ?? "*";
  const judged = [["", "all"], ["right", "right"], ["wrong", "wrong"]];
  if (several) judged.push(["missed", "missed a class"], ["false_alarm", "false alarm"]);
  judged.push(["unknown", "not evaluated"]);
  return h(
    "form",
    { className: "filters", onsubmit: (event) => event.preventDefault(), "aria-label": "Which cases" },
    h("label", { className: "field search" }, h("span", {}, overview.patients ? "Case or patient" : "Case"),
      h("input", { type: "search", id: "search", value: value("text"), placeholder: "part of a name", autocomplete: "off", oninput: (event) => later(() => set({ text: event.target.value.trim() })) })),
    splits.length > 0 && choice("Split", [["*", "all"], ...splits.map((name) => [name, name])], split, (to) => set({ split: to })),
    biases.length > 1 && choice("Images", biases.map(({ name, words }) => [name, words]), value("bias") || "on", (to) => set({ bias: to === "on" ? "" : to })),
    sources.length > 1 && choice("Source", named(sources, "all"), value("source"), (to) => set({ source: to })),
    choice(several ? "Class that is there" : "True class", named(classes, "any"), value("label"), (to) => set({ label: to })),
    runs.length > 1 && choice("Model asked about", runs.map(({ name }) => [name, name]), value("run") || runs[0].name, (to) => set({ run: to === runs[0].name ? "" : to })),
    runs.length > 0 && choice("Answered", named(classes, "any"), value("predicted"), (to) => set({ predicted: to })),
    runs.length > 0 && choice("Answers", judged, value("judged"), (to) => set({ judged: to })),
    runs.length > 0 && regions && choice("Relevance outside", [["", "any"], ["0.25", "25 % or more"], ["0.5", "50 % or more"], ["0.75", "75 % or more"], ["0.9", "90 % or more"]], value("outside"), (to) => set({ outside: to })),
    runs.length > 1 && choice("Models", [["", "all cases"], ["true", "decide otherwise"]], value("differ"), (to) => set({ differ: to })),
    choice("Order", orders(), `${value("sort")}${parameters.descending === "true" ? " down" : ""}`, (to) => set({ sort: to.split(" ")[0], descending: to.endsWith(" down") ? "true" : "" })),
    choice("Marks", [["", "all"], ["none", "not marked"], ["any", "marked"], ...overview.marks.map((mark) => [mark, mark]), ["note", "note alone"]], value("mark"), (to) => set({ mark: to })),
  );
};

const orders = () => [
  ["", "as in the cohort"],
  ["case", "by name"],
  ["case down", "by name, from the end"],
  ["label", "by true class"],
  ["label down", "by true class, from the last"],
  ...(overview.runs.length ? [["probability", "least sure first"], ["probability down", "surest first"]] : []),
  ...(overview.runs.length && overview.regions ? [["outside down", "most relevance outside first"], ["outside", "least relevance outside first"]] : []),
  ...(overview.runs.length > 1 ? [["apart down", "models furthest apart first"], ["apart", "models closest first"]] : []),
];

let waiting = 0;
const later = (work) => {
  clearTimeout(waiting);
  waiting = setTimeout(work, 200);
};

const COLUMNS = () => {
  const { runs } = overview;
  const sortable = (words, sort, first) => ({ words, sort, first });
  return [
    overview.thumbnails && { words: "", className: "thumb" },
    sortable("Case", "case", "up"),
    sortable(overview.task === "multilabel" ? "There" : "Truth", "label", "up"),
    ...runs.map((run) => ({ words: run.name, run: run.name, sort: "probability", first: "up", className: "of-run" })),
    runs.length > 1 && { ...sortable("Models apart", "apart", "down"), className: "number", title: "largest difference between the models' probabilities of any class" },
    { words: "Marks" },
  ].filter(Boolean);
};

const head = (parameters) =>
  h("thead", {}, h("tr", {}, COLUMNS().map((column) => {
    const run = parameters.run || overview.runs[0]?.name;
    const is = column.sort && parameters.sort === column.sort && (!column.run || column.run === run);
    const down = parameters.descending === "true";
    const order = is ? (down ? "descending" : "ascending") : column.sort ? "none" : undefined;
    const click = () => {
      const reverse = is ? !down : column.first === "down";
      const back = is && down !== (column.first === "down"); // a third click gives the order of the cohort back
      set(back ? { sort: "", descending: "" } : { sort: column.sort, descending: reverse ? "true" : "", ...(column.run ? { run: column.run === overview.runs[0].name ? "" : column.run } : {}) });
    };
    const words = column.sort ? h("button", { type: "button", onclick: click, title: column.title }, column.words) : column.words;
    return h("th", { scope: "col", className: column.className || "", "aria-sort": order }, words || h("span", { className: "unseen" }, "Image"));
  })));

const meter = (share) =>
  h("span", { className: "meter", "aria-hidden": "true" }, h("i", { dataset: { share: String(share) } }));

const answerCell = (answer) => {
  if (!answer) return h("span", { className: "muted" }, "not evaluated");
  return [
    h("span", { className: "said" }, list(answer.predicted)),
    " ",
    h("span", { className: `judged ${answer.judged}` }, JUDGED[answer.judged]),
    h("span", { className: "small sure" },
      h("span", {}, answer.predicted.length ? percent(answer.probability) : `${overview.classes[answer.likeliest]} ${percent(answer.probability)}`),
      answer.outside !== null && [meter(answer.outside), h("span", {}, `${percent(answer.outside)} outside`)]),
  ];
};

const marksCell = (reviews) =>
  reviews.map((review) =>
    h("span", { className: `chip ${(review.mark || "note").replace(" ", "-")}`, title: [review.reviewer, review.run, review.note].filter(Boolean).join(": ") },
      review.mark || "note", overview.runs.length > 1 ? h("span", { className: "small" }, ` ${review.run}`) : null));

const row = (each, parameters) => {
  const asked = parameters.run || overview.runs[0]?.name || "";
  const to = address(each.key, parameters);
  const bias = parameters.bias || "on";
  const about = [each.patient, each.source, parameters.split === "*" ? each.split : ""].filter(Boolean).join(" · ");
  const cells = [
    overview.thumbnails && h("td", { className: "thumb" }, h("img", { src: `/api/subjects/${each.key}/thumbnail?${new URLSearchParams({ run: asked, bias })}`, alt: "", loading: "lazy", width: 48, height: 48 })),
    h("th", { scope: "row" }, h("a", { href: to }, each.name), about && h("span", { className: "small" }, about)),
    h("td", { className: "truth", dataset: { head: "truth" } }, list(each.labels)),
    ...overview.runs.map(({ name }) => h("td", { className: "of-run", dataset: { head: name } }, answerCell(each.answers[name]))),
    overview.runs.length > 1 && h("td", { className: "number", dataset: { head: "apart" } }, percent(each.apart)),
    h("td", { className: "marks", dataset: { head: "" } }, marksCell(each.reviews)),
  ];
  return h("tr", { onclick: (event) => { if (!event.target.closest("a, button")) location.hash = to; } }, cells.filter(Boolean));
};

const pages = (found, parameters) => {
  const last = Math.max(1, Math.ceil(found.total / PAGE));
  const page = Math.floor(found.offset / PAGE) + 1;
  const to = (number) => set({ page: number === 1 ? "" : String(number) });
  return h("nav", { className: "pages", "aria-label": "Pages" },
    h("button", { type: "button", className: "plain-button", disabled: page <= 1, onclick: () => to(page - 1) }, "Previous page"),
    h("span", {}, `${page.toLocaleString("en")} of ${last.toLocaleString("en")}`),
    h("button", { type: "button", className: "plain-button", disabled: page >= last, onclick: () => to(page + 1) }, "Next page"));
};

const nothing = (parameters) => {
  const filtered = FILTERS.some((name) => parameters[name] && name !== "sort" && name !== "descending");
  return h("div", { className: "empty" }, h("p", {}, filtered ? "No case answers all of these." : "There is no case here."),
    filtered && h("button", { type: "button", className: "plain-button", onclick: () => go("", {}) }, "Show all cases"));
};

const build = () => {
  const element = $("list");
  element.replaceChildren(
    h("div", { className: "filter-box" }, h("div", { id: "filters" }), h("div", { className: "count-row" }, h("p", { id: "count", role: "status" }), h("a", { className: "csv", href: "/api/reviews.csv", download: "reviews.csv" }, "Marks as CSV"))),
    h("p", { className: "problem", id: "list-problem", role: "alert", hidden: true }),
    h("div", { id: "rows" }),
  );
};

const paint = (found, parameters) => {
  const where = found.total ? `, ${(found.offset + 1).toLocaleString("en")} to ${(found.offset + found.rows.length).toLocaleString("en")}` : "";
  $("count").textContent = `${plural(found.total, "case")}${found.total > PAGE ? where : ""}`;
  const body = h("tbody", {}, found.rows.map((each) => row(each, parameters)));
  const table = h("div", { className: "scroll" }, h("table", { className: "case-table" }, head(parameters), body));
  $("rows").replaceChildren(...(found.total ? [table, found.total > PAGE ? pages(found, parameters) : ""] : [nothing(parameters)]));
  for (const bar of $("rows").querySelectorAll(".meter i")) bar.style.width = `${100 * Number(bar.dataset.share)}%`;
  selected = -1;
};

export const showList = async (parameters) => {
  if (!$("rows")) build();
  // while someone types, the form stays as it is
  if (document.activeElement?.id !== "search") $("filters").replaceChildren(filters(parameters));
  asking?.abort();
  asking = new AbortController();
  const page = Math.max(1, Number(parameters.page) || 1);
  const query = question(parameters);
  query.set("offset", String((page - 1) * PAGE));
  query.set("limit", String(PAGE));
  $("rows").setAttribute("aria-busy", "true");
  try {
    const found = await getJson(`/api/cases?${query}`, asking.signal);
    if (found.total && !found.rows.length) return set({ page: "" });
    paint(found, parameters);
    $("list-problem").hidden = true;
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    $("list-problem").textContent = error.message;
    $("list-problem").hidden = false;
  }
  $("rows").removeAttribute("aria-busy");
  return undefined;
};

const step = (by) => {
  const rows = [...document.querySelectorAll(".case-table tbody tr")];
  if (!rows.length) return;
  const focused = rows.findIndex((each) => each.contains(document.activeElement));
  selected = Math.min(rows.length - 1, Math.max(0, (focused >= 0 ? focused : selected) + by));
  rows[selected].querySelector("th a").focus();
};

export const listKeys = {
  j: () => step(1),
  k: () => step(-1),
  "/": () => $("search").focus(),
};
