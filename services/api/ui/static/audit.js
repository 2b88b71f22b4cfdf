/** Who did what, from where, with which key: everywhere, or in one project. */

import { all, get, isOver, session } from "./api.js";
import { button, busy, h, icon } from "./dom.js";
import { alert } from "./forms.js";
import { exact, time, who, words } from "./format.js";
import { mark } from "./listing.js";
import { mayIn } from "./roles.js";

const EVERY = 5000;
const PAGE = 50;
const SOON = 300;

export function auditPage(root) {
  const mine = session.current.user.role === "admin" ? "" : ", in the projects that you own or maintain";
  root.append(h("div.title", {}, h("div", {}, h("h1", {}, "Audit"), h("p.muted.summary", {}, `Who did what, from where, with which key${mine}. Kept for a year.`))));
  const audit = new Audit(root);
  audit.run();
  return () => audit.stop();
}

/** What was done in one project. */
export function auditTab(root, page) {
  if (!page.may("maintainer")) {
    root.append(h("p.muted", {}, "Maintainers of the project see who did what in it."));
    return {};
  }
  const audit = new Audit(root, page.id);
  audit.run();
  return audit;
}

class Audit {
  constructor(root, project = null) {
    Object.assign(this, { project, rows: new Map(), admin: session.current.user.role === "admin" });
    this.trouble = alert();
    this.projects = this.pick("Project", "All projects");
    this.projects.hidden = project !== null;
    this.users = this.pick("User", "Everybody");
    this.users.hidden = !this.admin;
    this.action = h("input.search", { type: "search", placeholder: "Action, such as app.deleting", "aria-label": "Action", list: "actions", oninput: () => this.soon() });
    this.actions = h("datalist", { id: "actions" });
    this.list = h("ul.rows.card", { "aria-label": "Audit" }, h("li.none.muted.wait", {}, "Loading…"));
    this.more = button("Show older", { kind: "quiet", hidden: true, onclick: () => busy(this.more, () => this.older()) });
    root.append(h("div.tools", {}, this.action, this.actions, this.users, this.projects), this.trouble.root, this.list, h("div.actions", {}, this.more));
  }

  pick(label, none) {
    return h("select.pick", { "aria-label": label, onchange: () => this.again() }, h("option", { value: "" }, none));
  }

  /** What the ids are called that a person would know by their names. */
  async know() {
    const none = Promise.resolve([]);
    const [projects, apps, keys, users] = await Promise.all([all("/projects"), all("/apps"), all("/api-keys"), this.admin ? all("/users") : none]);
    this.names = new Map([
      ...projects.map(({ id, name }) => [id, { name, href: `#/projects/${id}` }]),
      ...apps.map(({ id, name, slug }) => [id, { name, href: `#/apps/${slug}` }]),
      ...keys.map(({ id, name }) => [id, { name: `the key ${name}` }]),
      ...[session.current.user, ...users].map(({ id, email }) => [id, { name: email }]),
    ]);
    this.projects.append(...projects.filter((each) => mayIn(each, "maintainer")).map(({ id, name }) => h("option", { value: id }, name)));
    this.users.append(...users.map(({ id, email }) => h("option", { value: id }, email)));
  }

  async run() {
    if (!document.hidden) await this.refresh();
    if (!this.stopped) this.timer = setTimeout(() => this.run(), EVERY);
  }

  soon() {
    clearTimeout(this.waits);
    this.waits = setTimeout(() => this.again(), SOON);
  }

  /** Something else is asked for. */
  again() {
    this.clear();
    return this.refresh();
  }

  clear() {
    this.rows.clear();
    this.list.replaceChildren();
    this.next = null;
  }

  /** The newest on top of what is shown; where more came than one page holds, from the beginning. */
  refresh() {
    return this.attempt(async () => {
      if (!this.names) await this.know();
      const page = await this.read(null);
      if (!page) return;
      const isWhole = !page.next_cursor || page.items.some(({ id }) => this.rows.has(id));
      if (!isWhole) this.clear();
      if (!this.rows.size) this.next = page.next_cursor;
      this.show(page.items);
    });
  }

  older() {
    return this.attempt(async () => {
      const page = await this.read(this.next);
      if (!page) return;
      this.next = page.next_cursor;
      this.show(page.items);
    });
  }

  /** Null where something else was asked for meanwhile. */
  async read(cursor) {
    const given = { limit: PAGE, cursor, project_id: this.project ?? this.projects.value, user_id: this.users.value, action: this.action.value.trim() };
    const query = new URLSearchParams(Object.entries(given).filter(([, value]) => value));
    const asked = this.question();
    const page = await get(`/audit?${query}`);
    return this.stopped || asked !== this.question() ? null : page;
  }

  question() {
    return [this.projects.value, this.users.value, this.action.value].join(" ");
  }

  show(items) {
    for (const entry of items) if (!this.rows.has(entry.id)) this.rows.set(entry.id, { entry, root: this.row(entry) });
    const ordered = [...this.rows.values()].toSorted((one, other) => (one.entry.id < other.entry.id ? 1 : -1));
    if (!ordered.length) this.list.replaceChildren(h("li.none.muted", {}, this.question().trim() ? "Nothing that fits." : "Nothing yet."));
    else this.list.querySelector(".none")?.remove();
    for (const [at, { root }] of ordered.entries()) if (this.list.children[at] !== root) this.list.insertBefore(root, this.list.children[at] ?? null);
    const seen = new Set([...this.actions.children].map(({ value }) => value));
    for (const { action } of items) if (!seen.has(action)) seen.add(action) && this.actions.append(h("option", { value: action }));
    this.more.hidden = !this.next;
  }

  row(entry) {
    const panel = h("div.panel", { id: `p-${entry.id}`, hidden: true });
    const toggle = h(
      "button.more",
      {
        type: "button",
        "aria-expanded": "false",
        "aria-controls": panel.id,
        onclick: () => {
          panel.hidden = !panel.hidden;
          if (!panel.childElementCount) panel.append(this.facts(entry));
          toggle.setAttribute("aria-expanded", String(!panel.hidden));
        },
      },
      icon("down"),
      h("span.unseen", {}, `Details of ${entry.action}`),
    );
    const { action, outcome, target, project_id, detail, at } = entry;
    const where = !this.project && project_id && project_id !== target && this.names.has(project_id) && [" in ", this.named(project_id)];
    return h(
      "li.act",
      { "aria-label": action },
      h(
        "div.line",
        {},
        h(
          "div.what",
          {},
          h("div.named", {}, h("h3", {}, action), outcome !== "done" && mark(words(outcome), "bad"), h("span", {}, target && this.named(target), where)),
          detail && h("p.small", {}, h("code", {}, detail)),
          h("p.muted.small", {}, this.by(entry)),
        ),
        h("p.muted.small.when", {}, time(at)),
        h("div.does", {}, toggle),
      ),
      panel,
    );
  }

  /** The name of what has one here, and leads to it; the id of what is gone or out of sight. */
  named(id) {
    const { name, href } = this.names.get(id) ?? {};
    if (!name) return h("code.muted", {}, id);
    return href ? h("a", { href }, name) : name;
  }

  by({ action, actor, user_id, key_id, session_id, address }) {
    const whose = this.names.get(user_id)?.name;
    const subject = key_id ? [whose && `${whose} with `, who(actor)] : session_id ? actor : action.startsWith("login.") ? "With a password" : "Not signed in";
    return [subject, address && `, from ${address}`];
  }

  facts({ at, target, project_id, user_id, key_id, session_id, address, request_id }) {
    const said = [
      ["When", exact(at)],
      ["Address", address],
      ["Target", target],
      ["Project", project_id],
      ["User", user_id],
      ["Key", key_id],
      ["Sign-in", session_id],
      ["Request", request_id],
    ];
    return h(
      "dl.facts",
      {},
      said.filter(([, value]) => value).map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, h("code", {}, value)))),
    );
  }

  async attempt(work) {
    try {
      await work();
      this.trouble.clear();
    } catch (problem) {
      if (!isOver(problem) && !this.stopped) this.trouble.show(problem);
    }
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    clearTimeout(this.waits);
  }
}
