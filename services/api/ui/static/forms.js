/** Forms in which the API's errors stand beside the field that each names. */

import { button, busy, h, icon } from "./dom.js";
import { isOver } from "./api.js";

let last = 0;
const newId = (stem) => `${stem}-${(last += 1)}`;

/** Codes that are about one field although their answer has no pointer. */
const ABOUT = { slug_taken: "slug" };

const asIs = (text) => text;
const plain = (value) => String(value ?? "");

/** A labelled input. `read` turns its text into the value of the body, `write` a value into its text; `undefined` leaves the field out. */
export function field(name, label, { hint = "", read = asIs, write = plain, ...attributes } = {}) {
  const id = newId(name);
  return made(name, label, h("input", { id, name, autocomplete: "off", ...attributes }), { hint, read, write });
}

/** A choice out of a few: `[[value, text], …]`. */
export function select(name, label, options, { hint = "", read = asIs, write = plain, ...attributes } = {}) {
  const choices = options.map(([value, text]) => h("option", { value }, text));
  return made(name, label, h("select", { id: newId(name), name, ...attributes }, choices), { hint, read, write });
}

/** Text of several lines. */
export function area(name, label, { hint = "", read = asIs, write = plain, ...attributes } = {}) {
  const input = h("textarea", { id: newId(name), name, autocomplete: "off", spellcheck: "false", ...attributes });
  return made(name, label, input, { hint, read, write });
}

/** Yes or no. */
export function check(name, label, { checked = false, hint = "", write = (value) => (value ? "yes" : "no"), ...attributes } = {}) {
  const input = h("input", { type: "checkbox", id: newId(name), name, checked, ...attributes });
  const hinted = h("p.hint", { id: `${input.id}-hint` }, hint);
  const error = h("p.error", { id: `${input.id}-error`, hidden: true });
  input.setAttribute("aria-describedby", `${hinted.id} ${error.id}`);
  const root = h("div.field", {}, h("label.tick", { for: input.id }, input, h("span", {}, label)), hinted, error);
  const text = () => (input.checked ? "yes" : "no");
  const fill = (wanted) => (input.checked = wanted === "yes");
  return { name, label, input, root, value: () => input.checked, text, write, fill, ...complaints(input, error) };
}

/** A whole or broken number as one, an empty field as `empty`; anything else goes as it is, and the API says what it takes. */
export const number = (empty) => (text) => {
  const plain = text.trim();
  return plain === "" ? empty : /^\d+(\.\d+)?$/.test(plain) ? Number(plain) : text;
};

function made(name, label, input, { hint, read, write }) {
  const hinted = h("p.hint", { id: `${input.id}-hint` }, hint);
  const error = h("p.error", { id: `${input.id}-error`, hidden: true });
  input.setAttribute("aria-describedby", `${hinted.id} ${error.id}`);
  return {
    name,
    label,
    input,
    hinted,
    write,
    text: () => input.value,
    fill: (text) => (input.value = text),
    root: h("div.field", {}, h("label", { for: input.id }, label), input, hinted, error),
    value: () => read(input.value),
    ...complaints(input, error),
  };
}

/** One of several, each with a sentence: `[[value, text, sentence], …]`. */
export function choice(name, legend, options, chosen, { read = (text) => text } = {}) {
  const error = h("p.error", { id: newId("error"), hidden: true });
  const group = newId(name);
  const rows = options.map(([value, text, sentence]) =>
    h(
      "label.choice",
      {},
      h("input", { type: "radio", name: group, value, checked: value === chosen }),
      h("span", {}, h("strong", {}, text), h("span.hint", {}, sentence)),
    ),
  );
  const root = h("fieldset.field", { "aria-describedby": error.id }, h("legend", {}, legend), h("div.choices", {}, rows), error);
  const input = root.querySelector("input:checked") ?? root.querySelector("input");
  return { name, input, root, value: () => read(root.querySelector("input:checked")?.value), ...complaints(input, error) };
}

function complaints(input, error) {
  return {
    fail(detail) {
      error.replaceChildren(icon("alert"), h("span", {}, detail));
      error.hidden = false;
      input.setAttribute("aria-invalid", "true");
    },
    clear() {
      error.hidden = true;
      input.removeAttribute("aria-invalid");
    },
  };
}

/** What an error says, with what to do next. */
export function alert() {
  const root = h("div.alert", { role: "alert", hidden: true });
  return {
    root,
    /** `details` empty: they stand beside their fields, and only what to do next is left to say. */
    show(problem, details = [problem.detail]) {
      const trace = h("p.small", {}, problem.status >= 500 ? `${problem.code} · ${problem.request_id}` : problem.code);
      root.replaceChildren(
        icon("alert"),
        h("div", {}, ...details.map((each) => h("p", {}, h("strong", {}, each))), h("p", {}, problem.hint), trace),
      );
      root.classList.toggle("hint", details.length === 0);
      root.hidden = false;
    },
    clear: () => (root.hidden = true),
  };
}

/**
 * A form over `fields`; `send(body)` does it. What the API finds wrong stands beside the field that it names.
 * `within`: the pointer of the object that the fields are part of, now or when asked. `note` stands before the buttons.
 */
export function form({ fields, label, send, before = [], after = [], note = [], columns = false, danger = false, within = "" }) {
  const top = alert();
  const submit = button(label, { kind: danger ? "danger" : "primary", type: "submit" });
  const body = () => Object.fromEntries(fields.map((each) => [each.name, each.value()]).filter(([, value]) => value !== undefined));
  const root = h(
    "form",
    {
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        busy(submit, async () => {
          [top, ...fields].forEach((each) => each.clear());
          try {
            await send(body());
          } catch (problem) {
            complain(fields, top, problem, typeof within === "function" ? within() : within);
          }
        });
      },
    },
    before,
    h(columns ? "div.pair" : "div", {}, fields.map((each) => each.root)),
    top.root,
    note,
    h("div.actions", {}, after, submit),
  );
  return root;
}

/** A field may say by `at()` which pointer means it; else it is its name below `within`. */
function complain(fields, top, problem, within) {
  if (isOver(problem)) return;
  const about = fields.find((each) => each.name === ABOUT[problem.code]);
  if (about) {
    about.fail(`${problem.detail} ${problem.hint}`);
    about.input.focus();
    return;
  }
  const elsewhere = problem.errors.length ? [] : [problem.detail];
  const failed = [];
  for (const { pointer, detail } of problem.errors) {
    const found = fields.find((each) => `${pointer}/`.startsWith(`${each.at?.() ?? `${within}/${each.name}`}/`));
    if (found) failed.push(found);
    else elsewhere.push(`${pointer}: ${detail}`);
    found?.fail(detail);
  }
  // What the fields say is all that there is to say.
  if (elsewhere.length || problem.code !== "validation_failed") top.show(problem, elsewhere);
  failed[0]?.input.focus();
}

/** A dialog that goes when it is closed; `fill(close)` gives what is in it. */
export function dialog(title, fill) {
  const heading = h("h2", { id: newId("title"), tabindex: "-1" }, title);
  const root = h("dialog", { "aria-labelledby": heading.id, onclose: () => root.remove() });
  const close = () => root.close();
  const cross = h("button.cross", { type: "button", "aria-label": "Close", onclick: close }, "×");
  root.append(h("div.head", {}, heading, cross), ...fill(close));
  document.body.append(root);
  root.showModal();
  (root.querySelector("[autofocus]") ?? root.querySelector("form :is(input, select, textarea)") ?? heading).focus();
  return root;
}

export const cancel = (close) => button("Cancel", { kind: "quiet", onclick: close });

/** Ask before something that cannot be undone; `act` does it, `after` comes when the dialog is gone. */
export function confirm({ title, sentences, label, act, after }) {
  dialog(title, (close) => {
    const top = alert();
    const go = button(label, { kind: "danger" });
    go.addEventListener("click", () =>
      busy(go, async () => {
        try {
          await act();
        } catch (problem) {
          if (!isOver(problem)) top.show(problem);
          return;
        }
        close();
        await after();
      }),
    );
    return [
      ...sentences.map((each) => h("p", {}, each)),
      top.root,
      h("div.actions", {}, h("button.button.quiet", { type: "button", autofocus: true, onclick: close }, "Cancel"), go),
    ];
  });
}
