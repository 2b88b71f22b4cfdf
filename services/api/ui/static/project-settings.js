/** A project's name, what its apps may use together, and the end of it. */

import { remove, session } from "./api.js";
import { button, h, say, write } from "./dom.js";
import { cancel, check, dialog, field, form, number } from "./forms.js";
import { megabytes } from "./format.js";
import { Sheet } from "./sheet.js";

export function projectSettingsTab(root, page) {
  const may = page.may("maintainer");
  const admin = session.current?.user.role === "admin";
  const path = `/projects/${page.id}`;
  const saved = async (project) => {
    say("The project is saved.");
    page.show(project);
  };
  const name = new Sheet({ path, seen: page.project, fields: [field("name", "Name", { maxlength: 100, disabled: !may })], saved });
  const figure = (key, label) => field(key, label, { inputmode: "decimal", read: number(null), placeholder: "no limit", disabled: !admin });
  const quotas = new Sheet({
    path,
    seen: page.project,
    fields: [figure("apps", "Apps"), figure("cpu", "CPU, in cores"), figure("memory", "Memory, in MB")],
    columns: true,
    part: (project) => project.quotas,
    wrap: (body) => ({ quotas: body }),
    within: "/quotas",
    saved,
  });
  const used = h("p.muted.small");
  const update = (project) => {
    for (const each of [name, quotas]) each.update(project);
    const { apps, cpu, memory } = project.usage;
    write(used, `In use: ${apps} apps, ${cpu} cores, ${megabytes(memory)}. An app without a limit counts as the whole machine. ${admin ? "Empty: the server’s own quota." : "An admin sets them."}`);
  };
  const shown = (sheet, open) => (open ? sheet.root : sheet.fields.map((each) => each.root));
  root.append(
    h("section.card.pad.slim", { "aria-label": "Name" }, shown(name, may)),
    h("section.card.pad", { "aria-label": "Quotas" }, h("h2", {}, "Quotas"), used, shown(quotas, admin)),
  );
  if (page.may("owner")) root.append(end(page));
  update(page.project);
  return { update };
}

const end = (page) =>
  h(
    "section.card",
    { "aria-label": "Delete the project" },
    h("div.head.bar", {}, h("h2", {}, "Delete the project"), h("span.grow"), button("Delete project", { kind: "danger", onclick: () => askToDelete(page) })),
    h("div.pad", {}, h("p.muted.small", {}, "With its members and shared variables. Apps go only when you say so.")),
  );

function askToDelete({ project }) {
  const name = field("name", "Type the project’s name to confirm", { autocapitalize: "none", spellcheck: "false", hint: project.name });
  const apps = check("cascade", `Delete its apps too (${project.app_count})`);
  const data = check("purge", "Destroy the data of its volumes too; this cannot be undone");
  dialog(`Delete ${project.name}?`, (close) => {
    const send = async (body) => {
      if (body.name !== project.name) {
        name.fail("That is not its name");
        name.input.focus();
        return;
      }
      const query = [body.cascade && "cascade=true", body.purge && "purge_volumes=true"].filter(Boolean).join("&");
      await remove(`/projects/${project.id}${query && `?${query}`}`);
      close();
      say(`${project.name} is deleted.`);
      location.hash = "#/projects";
    };
    return [form({ fields: [name, apps, data], label: "Delete project", danger: true, send, after: cancel(close) })];
  });
}
