/** Projects with their apps, as they are now. */

import { all, get, isOver, post } from "./api.js";
import { button, command, h, say, write } from "./dom.js";
import { cancel, dialog, field, form } from "./forms.js";
import { count } from "./format.js";
import { oneCall, Section } from "./project-section.js";

const EVERY = 2000;
const MANY = 8;

export function projectsPage(root) {
  const page = new Projects(root);
  page.start();
  return () => page.stop();
}

class Projects {
  constructor(root) {
    this.sections = new Map();
    this.list = h("div.projects");
    this.summary = h("p.muted.summary", {}, "Loading…");
    this.trouble = h("p.notice.warn", { role: "status", hidden: true });
    this.search = h("input.search", {
      type: "search",
      placeholder: "Find an app",
      "aria-label": "Find an app",
      hidden: true,
      oninput: () => this.filter(),
    });
    this.make = button("New project", { kind: "primary", symbol: "plus", onclick: () => this.newProject() });
    root.append(h("div.title", {}, h("div", {}, h("h1", {}, "Projects"), this.summary), this.search, this.make), this.trouble, this.list);
  }

  start() {
    this.woken = () => document.hidden || this.refresh();
    document.addEventListener("visibilitychange", this.woken);
    this.run();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.woken);
    for (const section of this.sections.values()) section.stop();
  }

  async run() {
    if (!document.hidden) await this.refresh();
    if (!this.stopped) this.timer = setTimeout(() => this.run(), EVERY);
  }

  /** Ask for everything and show it; what is on the page stays when nobody answers. Of two at once the later asked wins. */
  async refresh() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    try {
      this.status ??= await get("/system/status");
      const [projects, apps] = await Promise.all([all("/projects"), all("/apps")]);
      if (this.stopped || turn !== this.turn) return;
      this.show(projects, apps);
      this.trouble.hidden = true;
    } catch (problem) {
      if (isOver(problem) || this.stopped) return;
      write(this.trouble, `${problem.detail} ${problem.hint} What is shown may be old. (${problem.code})`);
      this.trouble.hidden = false;
    }
  }

  show(projects, apps) {
    const running = apps.filter((app) => app.status === "running").length;
    write(
      this.summary,
      apps.length ? `${count(apps.length, "app")}, ${running} running` : projects.length ? count(projects.length, "project") : "",
    );
    this.make.hidden = projects.length === 0;
    this.search.hidden = apps.length <= MANY;
    if (this.search.hidden) this.search.value = "";
    const known = new Set(projects.map((project) => project.id));
    for (const [id, section] of this.sections) {
      if (known.has(id)) continue;
      section.stop();
      section.root.remove();
      this.sections.delete(id);
    }
    this.empty?.remove();
    this.empty = null;
    for (const project of projects)
      this.section(project).update(
        project,
        apps.filter((app) => app.project_id === project.id),
      );
    if (!projects.length) this.list.append((this.empty = nothingYet(this.status, () => this.newProject())));
    this.filter();
  }

  section(project) {
    let found = this.sections.get(project.id);
    if (!found) {
      found = new Section(project, this);
      this.sections.set(project.id, found);
      this.list.append(found.root);
    }
    return found;
  }

  filter() {
    const text = this.search.value.trim().toLowerCase();
    for (const section of this.sections.values()) section.filter(text);
  }

  newProject() {
    const name = field("name", "Name", { hint: "Apps of one project share a network and their members.", maxlength: 100 });
    dialog("New project", (close) => {
      const send = async (body) => {
        const made = await post("/projects", body);
        close();
        say(`The project ${made.name} is made.`);
        await this.refresh();
        this.sections.get(made.id)?.make.focus();
      };
      return [form({ fields: [name], label: "Create project", send, after: cancel(close) })];
    });
  }
}

const nothingYet = (status, make) =>
  h(
    "section.card.first",
    {},
    h("h2", {}, "Deploy your first app"),
    h(
      "p.muted",
      {},
      "A project holds apps that belong together. Make one, then an app in it; or do all of it with one call, with a key from API Keys:",
    ),
    command(oneCall(status, "My Project")),
    h(
      "div.actions",
      {},
      button("New project", { kind: "primary", symbol: "plus", onclick: make }),
      h("a.button.quiet", { href: "#/api-keys" }, "API Keys"),
    ),
  );
