/** One project's page: its apps, who works in it, what they share, and what it is called. */

import { all, get, isOver } from "./api.js";
import { auditTab } from "./audit.js";
import { h, write } from "./dom.js";
import { sharedTab } from "./env.js";
import { alert } from "./forms.js";
import { count, words } from "./format.js";
import { membersTab } from "./members.js";
import { Parts } from "./parts.js";
import { Section } from "./project-section.js";
import { projectSettingsTab } from "./project-settings.js";
import { projectVolumesTab } from "./project-volumes.js";
import { mayIn, roleIn } from "./roles.js";

const EVERY = 3000;

export const PROJECT_PARTS = {
  apps: { title: "Apps", show: (root, page) => new Apps(root, page) },
  members: { title: "Members", show: membersTab },
  variables: { title: "Shared variables", show: sharedTab },
  volumes: { title: "Volumes", show: projectVolumesTab },
  audit: { title: "Audit", show: auditTab },
  settings: { title: "Settings", show: projectSettingsTab },
};

export function projectPage(root, id, part) {
  const page = new ProjectPage(root, id, part);
  page.run();
  return page;
}

class ProjectPage {
  constructor(root, id, part) {
    Object.assign(this, { id, part });
    this.name = h("h1", {}, "Project");
    this.about = h("p.muted.summary");
    this.trouble = alert();
    this.parts = new Parts({ label: "Parts of the project", parts: PROJECT_PARTS, address: `#/projects/${id}`, page: this });
    root.append(
      h("p.small.crumb", {}, h("a", { href: "#/projects" }, "Projects")),
      h("div.title.titled", {}, h("div", {}, this.name, this.about)),
      this.trouble.root,
      this.parts.root,
    );
  }

  async run() {
    await this.refresh();
    if (!this.stopped) this.timer = setTimeout(() => this.run(), EVERY);
  }

  async refresh() {
    if (document.hidden && this.project) return;
    try {
      const project = await get(`/projects/${this.id}`);
      if (this.stopped) return;
      this.trouble.clear();
      this.show(project);
    } catch (problem) {
      if (!isOver(problem) && !this.stopped) this.trouble.show(problem);
    }
  }

  show(project) {
    const first = !this.project;
    this.project = project;
    const role = roleIn(project);
    write(this.name, project.name);
    write(this.about, `${count(project.app_count, "app")}${role === "owner" ? "" : `, you are a ${words(role)}`}`);
    if (first) this.go(this.part);
    else this.parts.shown?.update?.(project);
  }

  may(role) {
    return mayIn(this.project, role);
  }

  go(part) {
    this.part = part;
    if (this.project) this.parts.go(part, this.project.name);
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.parts.stop();
  }
}

class Apps {
  constructor(root, page) {
    Object.assign(this, { root, page });
    this.trouble = alert();
    root.append(this.trouble.root);
    this.refresh();
  }

  async refresh() {
    try {
      this.status ??= await get("/system/status");
      const apps = await all(`/projects/${this.page.id}/apps`);
      if (this.stopped) return;
      if (!this.section) this.root.append((this.section = new Section(this.page.project, this)).root);
      this.section.update(this.page.project, apps);
      this.trouble.clear();
    } catch (problem) {
      if (!isOver(problem) && !this.stopped) this.trouble.show(problem);
    }
  }

  update() {
    return this.refresh();
  }

  stop() {
    this.stopped = true;
    this.section?.stop();
  }
}
