/** A few things that stand in one field of an app. A change sends all of them, on top of what is shown. */

import { put } from "./api.js";
import { button, h, say, write } from "./dom.js";
import { cancel, confirm, dialog, form } from "./forms.js";
import { entry } from "./listing.js";

const last = (item, others) => [...others, item];

export class Entries {
  /**
   * `of(app)` gives the items, `as(items, app)` the body that sets them. `called(item)` is an item's name, `said(item)` the lines below it,
   * `fields(item)` those of its dialog, whose values are the item's. `joined(item, others)` is the list with it, in which `within(others)`
   * points at it. `gone(item, others)` says what its removal means.
   */
  constructor(page, { title, noun, joined = last, ...kind }) {
    Object.assign(this, { page, title, noun, joined, kind, may: page.may("maintainer") });
    this.tally = h("span.muted.small");
    this.list = h("ul.rows");
    this.add = button(`Add ${noun}`, { symbol: "plus", hidden: !this.may, onclick: () => this.ask() });
    this.root = h("section.card", { "aria-label": title }, h("div.head.bar", {}, h("h2", {}, title), this.tally, this.add), this.list);
    this.update(page.app);
  }

  update(app) {
    const items = this.kind.of(app);
    const text = JSON.stringify(items);
    if (text === this.shown) return;
    this.shown = text;
    write(this.tally, items.length ? String(items.length) : "");
    this.list.replaceChildren(...(items.length ? items.map((item) => this.row(item)) : [h("li.none.muted", {}, this.kind.none)]));
  }

  row(item) {
    const { called, said } = this.kind;
    const name = called(item);
    const does = this.may && [
      button("Edit", { "aria-label": `Edit ${name}`, onclick: () => this.ask(item) }),
      button("Remove", { kind: "quiet", "aria-label": `Remove ${name}`, onclick: () => this.remove(item) }),
    ];
    return h("li.item", { "aria-label": name }, entry(name, null, said(item), does));
  }

  /** A new one, or other values for one that is there. */
  ask(item = null) {
    const { called, fields, within } = this.kind;
    dialog(item ? `Edit ${called(item)}` : `Add ${this.noun}`, (close) => {
      const send = async (body) => {
        await this.save(this.joined({ ...item, ...body }, this.but(item)));
        close();
        this.add.focus();
      };
      return [form({ fields: fields(item), within: () => within(this.but(item)), label: item ? "Save" : `Add ${this.noun}`, send, after: cancel(close) })];
    });
  }

  remove(item) {
    confirm({
      title: `Remove ${this.kind.called(item)}?`,
      sentences: [this.kind.gone(item, this.but(item))],
      label: `Remove ${this.noun}`,
      act: () => this.save(this.but(item)),
      after: () => this.add.focus(),
    });
  }

  /** All that are there now but that one. */
  but(item) {
    const { of, called } = this.kind;
    return of(this.page.app).filter((each) => !item || called(each) !== called(item));
  }

  /** Where what is shown is old, the newer ones are shown first, and a second try is on top of them. */
  async save(items) {
    const { app } = this.page;
    try {
      this.page.show(await put(`/apps/${app.id}`, this.kind.as(items, app), app));
    } catch (problem) {
      if (problem.code !== "precondition_failed") throw problem;
      await this.page.refresh();
      throw Object.assign(problem, {
        detail: "Changed meanwhile: somebody else saved settings of the app since this list was read.",
        hint: "Nothing of yours is saved yet. The list shows theirs now; do it again to put yours on top.",
      });
    }
    say(`${this.title}: saved.`);
  }
}
