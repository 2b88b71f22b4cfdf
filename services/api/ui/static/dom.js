/** Elements without markup: text stays text, whatever it holds. */

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  plus: "M8 3v10M3 8h10",
  copy: "M5.5 5.5v-2a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-2M3.5 5.5h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-6a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1z",
  check: "M3 8.5l3.2 3.2L13 4.8",
  down: "M4 6l4 4 4-4",
  out: "M6 3h7v7M13 3L6.5 9.5M10 13H3V6",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 6.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6z",
  bin: "M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.6 9h6.8l.6-9M6.7 7v4M9.3 7v4",
  rocket: "M8 13V3M3.8 7.2L8 3l4.2 4.2",
  alert: "M8 5v3.6M8 11v.1M8 1.8l6.6 11.7H1.4z",
};

/** `h("p.muted.small", { id: "x", onclick: f }, "text", node, [more])`, lists in lists too; null and false are left out. */
export function h(spec, attributes = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (typeof value === "function") element.addEventListener(name.slice(2), value);
  else element.setAttribute(name, value === true ? "" : value);
}

/** A drawing beside words; it says nothing by itself. */
export function icon(name) {
  const svg = draw("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" });
  svg.append(draw("path", { d: ICONS[name] }));
  return svg;
}

/** An element of a drawing. */
export function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export const logo = () => h("img", { src: new URL("logo.svg", import.meta.url).href, alt: "", width: 28, height: 28 });

/** Change a text only when it is another: what a person has selected stays selected. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** `kind` is one of primary, quiet, danger, or empty. */
export function button(label, { kind = "", symbol = null, ...attributes } = {}) {
  const spec = kind ? `button.button.${kind}` : "button.button";
  return h(spec, { type: "button", ...attributes }, symbol && icon(symbol), h("span", {}, label));
}

/** Said to screen readers, whatever has the focus. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** Run `work` once at a time; meanwhile the button says that it is busy and keeps the focus. */
export async function busy(element, work) {
  if (element.getAttribute("aria-busy") === "true") return;
  element.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    element.removeAttribute("aria-busy");
  }
}

/** Copy text; `false` when the browser does not let us. Plain HTTP has no clipboard, so there is the older way too. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text) {
  const area = h("textarea.unseen", { readonly: true, "aria-hidden": "true" }, text);
  const host = document.querySelector("dialog[open]") ?? document.body;
  const before = document.activeElement;
  host.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus();
  return done;
}

/** A button that copies what `text()` gives, now or later, and says so. */
export function copyButton(label, text, attributes = {}) {
  const made = button(label, { symbol: "copy", ...attributes });
  const caption = made.lastChild;
  let timer = 0;
  made.addEventListener("click", () =>
    busy(made, async () => {
      const value = await text();
      if (value === null) return;
      const done = await copy(value);
      caption.textContent = done ? "Copied" : "Select and copy it by hand";
      say(caption.textContent);
      clearTimeout(timer);
      timer = setTimeout(() => (caption.textContent = label), 2000);
    }),
  );
  return made;
}

/** A command to paste into a terminal. */
export function command(text) {
  return h(
    "div.command",
    {},
    h("pre", { tabindex: "0", role: "group", "aria-label": "Command" }, h("code", {}, text)),
    copyButton("Copy", () => text, { "aria-label": "Copy the command" }),
  );
}
