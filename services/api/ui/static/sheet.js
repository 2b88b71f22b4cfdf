/** Settings that somebody else may change at the same time: a form that sends what was changed in it, on top of what it was seen on. */

import { get, isOver, put } from "./api.js";
import { button, busy, h, say } from "./dom.js";
import { alert, form } from "./forms.js";

const TRIES = 4;
const same = (value) => value;

export class Sheet {
  /**
   * `seen` is what `path` gave. `part` takes from it the object that the fields are of, `wrap(changes, seen)` makes a body, `within` is
   * that object's pointer, and `whole` sends all of it. `saved(answer)` comes when the server took it.
   */
  constructor({ path, seen, fields, label = "Save", saved, part = same, wrap = same, whole = false, within = "", columns = false, ...more }) {
    Object.assign(this, { path, fields, saved, part, wrap, whole, columns });
    this.base = new Map();
    this.top = alert();
    this.clash = h("div.notice.warn.clash", { role: "alert", tabindex: "-1", hidden: true });
    this.root = form({ fields, label, within, columns, note: [this.top.root, this.clash], send: () => this.send(this.seen), ...more });
    this.begin(seen);
  }

  /** Show these settings, whatever stands in the fields. */
  begin(seen) {
    this.seen = seen;
    for (const each of this.fields) this.take(each, this.text(each, seen));
  }

  /** Newer settings came: what is untouched here becomes them. */
  update(now) {
    if (!this.clash.hidden) return;
    const clashing = this.clashing(now);
    for (const each of this.fields) if (!this.touched(each)) this.take(each, this.text(each, now));
    if (!clashing.length) this.seen = now;
  }

  async send(seen, tries = TRIES) {
    this.top.clear();
    this.clash.hidden = true;
    const changed = this.fields.filter((each) => this.touched(each));
    if (!changed.length) return say("Nothing is changed.");
    const sent = Object.fromEntries((this.whole ? this.fields : changed).map((each) => [each.name, each.value()]));
    let answer = null;
    try {
      answer = await put(this.path, this.wrap(sent, seen), seen);
    } catch (problem) {
      if (problem.code !== "precondition_failed" || !tries) throw problem;
      return this.again(problem, tries - 1);
    }
    this.begin(answer);
    return this.saved(answer);
  }

  /** Somebody was faster. Where they changed something else, ours goes on top of it; where it is the same, a person says what holds. */
  async again(problem, tries) {
    const now = await get(this.path);
    const clashing = this.clashing(now);
    if (clashing.length) return this.tell(problem, now, clashing);
    for (const each of this.fields) if (!this.touched(each)) this.take(each, this.text(each, now));
    return this.send(now, tries);
  }

  tell(problem, now, clashing) {
    const mine = button("Save mine", { onclick: () => busy(mine, () => this.attempt(() => this.send(now))) });
    const theirs = button("Take theirs", { kind: "primary", onclick: () => this.give(now, clashing) });
    this.clash.replaceChildren(
      h("p", {}, h("strong", {}, "Changed meanwhile.")),
      h("p", {}, "Somebody else saved other values while you were here. Nothing of yours is saved yet."),
      h(
        "dl.both",
        {},
        clashing.map((each) =>
          h("div", {}, h("dt", {}, each.label), h("dd", {}, "Theirs: ", shown(this.text(each, now))), h("dd", {}, "Yours: ", shown(each.text()))),
        ),
      ),
      h("p", {}, "Take theirs to see them in the form, or save yours over them."),
      h("p.small", {}, problem.code),
      h("div.actions", {}, mine, theirs),
    );
    this.clash.hidden = false;
    this.clash.focus();
  }

  give(now, clashing) {
    for (const each of clashing) this.take(each, this.text(each, now));
    this.clash.hidden = true;
    this.update(now);
    clashing[0].input.focus();
  }

  async attempt(work) {
    try {
      await work();
    } catch (problem) {
      if (!isOver(problem)) this.top.show(problem);
    }
  }

  /** What was changed here and, to something else, elsewhere. */
  clashing(now) {
    return this.fields.filter((each) => this.touched(each) && ![this.base.get(each), each.text()].includes(this.text(each, now)));
  }

  touched(each) {
    return each.text() !== this.base.get(each);
  }

  text(each, settings) {
    return each.write(this.part(settings)?.[each.name]);
  }

  take(each, text) {
    this.base.set(each, text);
    if (each.text() !== text) each.fill(text);
  }
}

/** The form for who may use it, and for the others what stands in it. */
export const openTo = (may, sheet) =>
  may
    ? sheet.root
    : h(
        "fieldset.field",
        { disabled: true },
        h("p.muted.small", {}, "Maintainers of the project may change this."),
        h(sheet.columns ? "div.pair.below" : "div.below", {}, sheet.fields.map((each) => each.root)),
      );

const shown = (text) => h("code", {}, text === "" ? "empty" : text);
