/** A project's apps as a card, as they are now. */

import { AppRow } from "./app-row.js";
import { button, command, h, write } from "./dom.js";
import { count, words } from "./format.js";
import { newApp } from "./new-app.js";
import { mayIn, roleIn } from "./roles.js";

export class Section {
  /** `page` has `status`, what the server says of itself, and `refresh()`. */
  constructor(project, page) {
    this.rows = new Map();
    this.title = h("a", { href: `#/projects/${project.id}` });
    this.heading = h("h2", { id: `h-${project.id}` }, this.title);
    this.role = h("span.tag", { hidden: true });
    this.tally = h("span.muted.small");
    this.make = button("New app", { symbol: "plus", "aria-describedby": this.heading.id });
    this.make.addEventListener("click", () =>
      newApp(this.project, page.status, (app) => page.refresh().then(() => this.rows.get(app.id)?.focus())),
    );
    this.list = h("ul.rows");
    this.way = h("div", {}, h("p", {}, "Make one here, or deploy from a terminal:"), command(oneCall(page.status, project.name)));
    this.none = h("div.none", { hidden: true }, h("p", {}, h("strong", {}, "No apps yet.")), this.way);
    this.root = h(
      "section.card.project",
      { "aria-labelledby": this.heading.id },
      h("div.head", {}, this.heading, this.role, this.tally, this.make),
      this.list,
      this.none,
    );
  }

  update(project, apps) {
    this.project = project;
    const role = roleIn(project);
    write(this.title, project.name);
    write(this.role, words(role));
    this.role.hidden = role === "owner";
    this.make.hidden = this.way.hidden = !mayIn(project, "maintainer");
    write(this.tally, apps.length ? count(apps.length, "app") : "");
    this.none.hidden = apps.length > 0;
    const known = new Set(apps.map((app) => app.id));
    for (const [id, row] of this.rows) {
      if (known.has(id)) continue;
      row.stop();
      row.root.remove();
      this.rows.delete(id);
    }
    for (const app of apps) this.row(app).update(app, { mayDeploy: mayIn(project, "deployer"), only: apps.length === 1 });
  }

  row(app) {
    let found = this.rows.get(app.id);
    if (!found) {
      found = new AppRow(app);
      this.rows.set(app.id, found);
      this.list.append(found.root);
    }
    return found;
  }

  filter(text) {
    const shown = [...this.rows.values()].filter((row) => row.filter(text)).length;
    this.root.hidden = text !== "" && shown === 0;
  }

  stop() {
    for (const row of this.rows.values()) row.stop();
  }
}

/** From nothing to live; the name is quoted for JSON and for the shell. */
export function oneCall(status, project) {
  const body = JSON.stringify({ create: true, project, image: "nginx:alpine", internal_port: 80 }).replaceAll("'", "'\\''");
  return [
    `curl -X POST "${status.url}/api/v1/deploy/my-app?wait=60" \\`,
    `  -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\`,
    `  -d '${body}'`,
  ].join("\n");
}
