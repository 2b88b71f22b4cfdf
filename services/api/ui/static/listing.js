/** A list of a few things of one kind: read again every few seconds, drawn again when it has changed. */

import { all, get, isOver } from "./api.js";
import { busy, button, h, write } from "./dom.js";
import { alert, confirm } from "./forms.js";

const EVERY = 3000;

export class Listing {
  /**
   * `row(item)` gives what is in an `li`, `called(item)` its name; `tools` stand in the head; `none` is said where there is nothing.
   * `path` is the route, or what reads the items. `most`: only so many, of a list that has no end. `whole`: the route gives all of it at once.
   */
  constructor({ title, path, row, none, tools = [], newest = false, most = null, whole = false, called = (item) => item.name ?? item.id }) {
    Object.assign(this, { title, path, row, none, newest, most, whole, called });
    this.trouble = alert();
    this.tally = h("span.muted.small");
    this.list = h("ul.rows", {}, h("li.none.muted.wait", {}, "Loading…"));
    this.root = h(
      "section.card",
      { "aria-label": title },
      h("div.head.bar", {}, h("h2", {}, title), this.tally, tools),
      h("div.inset", {}, this.trouble.root),
      this.list,
    );
    this.run();
  }

  async run() {
    await this.refresh();
    if (!this.stopped) this.timer = setTimeout(() => this.run(), EVERY);
  }

  async refresh() {
    if (document.hidden) return;
    try {
      const items = await this.read();
      if (!this.stopped) this.show(items);
      if (this.lost) this.trouble.clear();
      this.lost = false;
    } catch (problem) {
      if (isOver(problem) || this.stopped) return;
      this.lost = true;
      this.trouble.show(problem);
    }
  }

  async read() {
    if (typeof this.path === "function") return this.path();
    if (this.whole) return (await get(this.path)).items;
    return this.most ? (await get(`${this.path}?limit=${this.most}`)).items : all(this.path);
  }

  show(items) {
    const text = JSON.stringify(items);
    if (text === this.shown) return;
    this.shown = text;
    write(this.tally, items.length ? String(items.length) : "");
    const ordered = this.newest ? items.toSorted((one, other) => (one.created_at < other.created_at ? 1 : -1)) : items;
    const rows = ordered.map((item) => h("li.item", { "aria-label": this.called(item) }, this.row(item)));
    const again = this.held();
    this.list.replaceChildren(...(rows.length ? rows : [h("li.none.muted", {}, this.none)]));
    again();
  }

  /** What gives the focus back to the button that has it now, or to the one in its place. */
  held() {
    const row = this.list.contains(document.activeElement) && document.activeElement.closest("li");
    if (!row) return () => {};
    const [name, at] = [row.getAttribute("aria-label"), [...row.querySelectorAll("button")].indexOf(document.activeElement)];
    return () => [...this.list.children].find((each) => each.getAttribute("aria-label") === name)?.querySelectorAll("button")[at]?.focus();
  }

  /** A button that does something to one of them; what went wrong is said above the list. */
  does(label, work, attributes = {}) {
    const made = button(label, {
      ...attributes,
      onclick: () =>
        busy(made, async () => {
          this.trouble.clear();
          try {
            await work();
            await this.refresh();
          } catch (problem) {
            if (!isOver(problem) && !this.stopped) this.trouble.show(problem);
          }
        }),
    });
    return made;
  }

  /** A button that asks before it removes. */
  removes({ name, label = "Remove", sentences, act }) {
    const ask = () => confirm({ title: `${label} ${name}?`, sentences, label, act, after: () => this.refresh() });
    return button(label, { kind: "quiet", "aria-label": `${label} ${name}`, onclick: ask });
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }
}

/** What a row is made of: a name with words beside it, lines below, and what can be done. */
export const entry = (name, beside, lines, does) =>
  h(
    "div.line",
    {},
    h("div.what", {}, h("div.named", {}, h("h3", {}, name), beside), lines.filter(Boolean).map((line) => h("p.muted.small", {}, line))),
    h("div.does.verbs", {}, does),
  );

/** A word with a dot: `kind` is good, warn, bad, or empty. */
export const mark = (text, kind) => h("span.state", { "data-kind": { good: "running", warn: "starting", bad: "failed" }[kind] ?? "past" }, h("span.dot"), h("span", {}, text));
