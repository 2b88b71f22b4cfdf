/** The environment of an app: names, values masked until somebody asks, changes that wait for a deploy. */

import { get, isOver, post, put } from "./api.js";
import { button, busy, copyButton, h, say, write } from "./dom.js";
import { alert, area, cancel, check, confirm, dialog, field, form } from "./forms.js";
import { count } from "./format.js";

export function envTab(root, page) {
  return new Env(root, {
    path: `/apps/${page.app.id}/env`,
    may: page.may("maintainer"),
    imports: true,
    effect: "It is in effect with the next deploy.",
    gone: "The next deploy runs without it.",
    saved: () => page.refresh(),
    note: [
      "Changes are in effect with the next deploy. ",
      h("code", {}, "${{ shared.NAME }}"),
      " stands for a ",
      h("a", { href: `#/projects/${page.app.project_id}/variables` }, "variable that the project’s apps share"),
      ". Who shows values is in the ",
      h("a", { href: `#/projects/${page.app.project_id}/audit` }, "audit"),
      ".",
    ],
  });
}

/** Variables that a project's apps may refer to. */
export function sharedTab(root, page) {
  return new Env(root, {
    path: `/projects/${page.project.id}/env`,
    may: page.may("maintainer"),
    effect: "Apps that refer to it get it with their next deploy.",
    gone: "It can be removed while no app refers to it.",
    note: [
      "An app’s variable refers to one of these by ",
      h("code", {}, "${{ shared.NAME }}"),
      ". A new value is in effect with the next deploy of each app that refers to it. Who shows values is in the ",
      h("a", { href: `#/projects/${page.project.id}/audit` }, "audit"),
      ".",
    ],
  });
}

class Env {
  constructor(root, { path, may, note, effect, gone, imports = false, saved = () => {} }) {
    Object.assign(this, { path, may, effect, gone, tell: saved });
    this.values = {};
    this.trouble = alert();
    this.list = h("ul.rows");
    this.tally = h("span.muted.small");
    this.reveal = button("Show values", { symbol: "eye", "aria-pressed": "false", hidden: !may, onclick: () => busy(this.reveal, () => this.toggle()) });
    this.add = button("Add variable", { symbol: "plus", hidden: !may, onclick: () => this.edit() });
    this.load = button("Import .env", { hidden: !may || !imports, onclick: () => this.import() });
    root.append(
      this.trouble.root,
      h("div.card", {}, h("div.head.bar", {}, h("h2", {}, "Variables"), this.tally, this.reveal, this.load, this.add), this.list),
      h("p.muted.small.below", {}, note),
    );
    this.refresh();
  }

  async refresh() {
    await this.attempt(async () => {
      const values = await get(this.path + (this.shown ? "?reveal=true" : ""));
      if (!this.stopped) this.show(values);
    });
  }

  async toggle() {
    this.shown = !this.shown;
    await this.refresh();
    this.reveal.setAttribute("aria-pressed", String(this.shown));
    write(this.reveal.lastChild, this.shown ? "Hide values" : "Show values");
    say(this.shown ? "Values are shown. That is in the audit." : "Values are hidden.");
  }

  show(values) {
    this.values = values;
    const names = Object.keys(values);
    write(this.tally, names.length ? count(names.length, "variable") : "");
    this.reveal.hidden = !this.may || names.length === 0;
    const none = h("li.none.muted", {}, "No variables yet.");
    this.list.replaceChildren(...(names.length ? names.map((name) => this.row(name, values[name])) : [none]));
  }

  row(name, value) {
    const { may } = this;
    return h(
      "li.variable",
      { "aria-label": name },
      h("code.key", {}, name),
      h("code.value", {}, value),
      h(
        "div.does",
        {},
        this.shown && copyButton("Copy", () => value, { "aria-label": `Copy ${name}` }),
        may && button("Edit", { "aria-label": `Edit ${name}`, onclick: () => this.edit(name) }),
        may && button("Remove", { kind: "quiet", "aria-label": `Remove ${name}`, onclick: () => this.remove(name) }),
      ),
    );
  }

  /** A new variable, or another value for one that is there; the old value is not shown here. */
  edit(name = null) {
    const key = field("name", "Name", { spellcheck: "false", autocapitalize: "none", placeholder: "DATABASE_URL" });
    const value = area("value", "Value", {
      rows: 3,
      hint: name && !this.shown ? "The present value stays hidden; this one takes its place." : "",
    });
    if (name && this.shown) value.input.value = this.values[name];
    dialog(name ? `Edit ${name}` : "Add a variable", (close) => {
      const send = async (body) => {
        await this.save({ [name ?? body.name]: body.value });
        close();
      };
      return [form({ fields: name ? [value] : [key, value], label: "Save", send, after: cancel(close) })];
    });
  }

  import() {
    const text = area("dotenv", "Text of a .env file", { rows: 10, placeholder: "NAME=value" });
    const replace = check("replace", "Remove variables that are not in it");
    dialog("Import a .env file", (close) => {
      const send = async (body) => {
        this.show(await post(`${this.path}/import`, body));
        this.hide();
        close();
        await this.saved();
      };
      return [form({ fields: [text, replace], label: "Import", send, after: cancel(close) })];
    });
  }

  remove(name) {
    confirm({
      title: `Remove ${name}?`,
      sentences: [this.gone],
      label: "Remove variable",
      act: () => this.save({ [name]: null }),
      after: () => this.add.focus(),
    });
  }

  /** On top of what is shown; where that is old, the newer ones are shown first, and a second try is on top of them. */
  async save(changes) {
    let values = null;
    try {
      values = await put(this.path, changes, this.values);
    } catch (problem) {
      if (problem.code !== "precondition_failed") throw problem;
      await this.refresh();
      throw Object.assign(problem, { detail: "Changed meanwhile: somebody else saved variables since this list was read.", hint: "Nothing of yours is saved yet. The list shows theirs now; do it again to put yours over them." });
    }
    if (this.shown) await this.refresh();
    else this.show(values);
    await this.saved();
  }

  async saved() {
    say(`Saved. ${this.effect}`);
    await this.tell();
  }

  hide() {
    this.shown = false;
    this.reveal.setAttribute("aria-pressed", "false");
    write(this.reveal.lastChild, "Show values");
  }

  async attempt(work) {
    this.trouble.clear();
    try {
      await work();
    } catch (problem) {
      if (!isOver(problem) && !this.stopped) this.trouble.show(problem);
    }
  }

  stop() {
    this.stopped = true;
  }
}
