/** How an app's repository becomes an image. */

import { h, say } from "./dom.js";
import { Entries } from "./entries.js";
import { area, check, field, select } from "./forms.js";
import { openTo, Sheet } from "./sheet.js";

const BUILDERS = [
  ["auto", "The Dockerfile, or one that Dockup writes"],
  ["railpack", "Railpack, where the server has it"],
  ["pack", "Cloud Native Buildpacks, where the server has pack"],
];
/** The API points at an argument by what it is called. */
const named = (name) => Object.assign(name, { at: () => `/build/args/${name.text().replaceAll("~", "~0").replaceAll("/", "~1")}` });
const words = (text) => text.split(/[\s,]+/).filter(Boolean);

export class Build {
  constructor(page) {
    const may = page.may("maintainer");
    const fields = [
      select("builder", "Built with", BUILDERS),
      area("secrets", "Secrets", { rows: 2, read: words, write: (names) => (names ?? []).join("\n"), placeholder: "NPM_TOKEN", hint: "Names of variables that a step may mount, one a line. They leave no trace in the image." }),
      check("submodules", "Fetch submodules"),
      check("lfs", "Fetch files of Git LFS"),
    ];
    this.sheet = new Sheet({
      path: `/apps/${page.app.id}`,
      seen: page.app,
      fields,
      columns: true,
      part: ({ build }) => build,
      wrap: (sent, { build }) => ({ build: { ...build, ...sent } }),
      within: "/build",
      saved: async () => {
        say("The build is saved.");
        await page.refresh();
      },
    });
    this.args = argumentsOf(page);
    this.roots = [
      h("section.card.pad", { "aria-label": "Build" }, h("h2", {}, "Build"), h("p.muted.small", {}, "In effect with the next deploy."), openTo(may, this.sheet)),
      this.args.root,
    ];
  }

  update(app) {
    this.sheet.update(app);
    this.args.update(app);
  }
}

const argumentsOf = (page) =>
  new Entries(page, {
    title: "Build arguments",
    noun: "argument",
    none: "None. A step sees one where the Dockerfile has ARG with its name. It stays in the image’s history: for what is secret use Secrets.",
    of: ({ build }) => Object.entries(build.args).map(([name, value]) => ({ name, value })),
    as: (items, { build }) => ({ build: { ...build, args: Object.fromEntries(items.map(({ name, value }) => [name, value])) } }),
    within: () => "/build/args",
    called: ({ name }) => name,
    said: ({ value }) => [h("code.value", {}, value)],
    fields: (item) => {
      const value = area("value", "Value", { rows: 3 });
      value.fill(item?.value ?? "");
      return item ? [value] : [named(field("name", "Name", { autocapitalize: "none", spellcheck: "false", placeholder: "NODE_ENV" })), value];
    },
    gone: () => "The next build does without it.",
  });
