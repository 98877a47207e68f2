// Elements from names, attributes and children. Text is always text: nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (["value", "checked", "disabled", "hidden", "className"].includes(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};

export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
export const svg = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
export const $ = (id) => document.getElementById(id);

// A list to choose from; options are [value, words].
export const choice = (words, options, value, onchange, attributes = {}) =>
  h(
    "label",
    { className: "field" },
    h("span", {}, words),
    h(
      "select",
      { "aria-label": words, ...attributes, onchange: (event) => onchange(event.target.value) },
      options.map(([each, text]) => h("option", { value: each, selected: each === value }, text)),
    ),
  );

export const isTyping = (element) =>
  element instanceof HTMLElement &&
  (element.isContentEditable || ["TEXTAREA", "SELECT"].includes(element.tagName) ||
    (element.tagName === "INPUT" && !["checkbox", "radio", "button", "range"].includes(element.type)));

let hiding = 0;
export const toast = (text) => {
  const element = $("toast");
  element.textContent = text;
  element.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => (element.hidden = true), 6000);
};
