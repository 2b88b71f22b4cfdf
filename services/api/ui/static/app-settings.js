/** What an app is called, how it is started and probed, and the end of it. */

import { remove } from "./api.js";
import { button, h, say } from "./dom.js";
import { cancel, check, dialog, field, form, number, select } from "./forms.js";
import { spoken } from "./format.js";
import { openTo, Sheet } from "./sheet.js";

const plain = { autocapitalize: "none", spellcheck: "false" };
const command = { ...plain, write: (words) => (words ? spoken(words) : ""), read: (text) => text.trim() || null };
const seconds = { inputmode: "decimal", read: number(undefined) };

export function settingsTab(root, page) {
  const may = page.may("maintainer");
  const sheets = [general(page), health(page)];
  const card = (title, hint, content) => h("section.card.pad", { "aria-label": title }, h("h2", {}, title), h("p.muted.small", {}, hint), content);
  root.append(
    card("General", "The name is changed at once; the rest waits for the next deploy.", openTo(may, sheets[0])),
    card("Health check", "What a new version has to pass before it gets requests. It waits for the next deploy.", openTo(may, sheets[1])),
    ...(may ? [end(page)] : []),
  );
  return {
    update: (app) => {
      for (const each of sheets) each.update(app);
    },
  };
}

const sheet = (page, fields, said, more = {}) =>
  new Sheet({
    path: `/apps/${page.app.id}`,
    seen: page.app,
    fields,
    columns: true,
    saved: async () => {
      say(said);
      await page.refresh();
    },
    ...more,
  });

const general = (page) =>
  sheet(
    page,
    [
      field("name", "Name", { maxlength: 100 }),
      field("internal_port", "Port", { inputmode: "numeric", read: number(null), hint: "Where it listens in its container. Empty: what the image exposes." }),
      field("command", "Command", { ...command, hint: "Instead of the image’s own; split as a shell would, not run by one." }),
      field("release_command", "Release command", { ...command, placeholder: "python manage.py migrate", hint: "Runs once with the new image before it goes live." }),
      field("drain_seconds", "Drain, in seconds", { ...seconds, hint: "How long an old version keeps its open connections." }),
    ],
    "Settings are saved.",
  );

const health = (page) =>
  sheet(
    page,
    [
      select("type", "How", [
        ["tcp", "The port takes connections"],
        ["http", "HTTP answers with success"],
        ["none", "Not at all"],
      ]),
      field("path", "Path, for HTTP", { ...plain, placeholder: "/" }),
      field("interval_seconds", "Every, in seconds", seconds),
      field("timeout_seconds", "Give up after, in seconds", seconds),
      field("start_period_seconds", "Time to start, in seconds", seconds),
    ],
    "The health check is saved.",
    { part: ({ health_check }) => health_check, wrap: probe, whole: true, within: "/health_check" },
  );

/** A path is HTTP’s alone. */
const probe = ({ path, ...rest }) => ({ health_check: rest.type === "http" ? { ...rest, path } : rest });

function end(page) {
  return h(
    "section.card",
    { "aria-label": "Delete the app" },
    h("div.head.bar", {}, h("h2", {}, "Delete the app"), h("span.grow"), button("Delete app", { kind: "danger", onclick: () => askToDelete(page) })),
    h("div.pad", {}, h("p.muted.small", {}, "Its containers, address, images and logs go. The data of its volumes stays unless you say otherwise.")),
  );
}

function askToDelete({ app }) {
  const slug = field("slug", `Type ${app.slug} to confirm`, plain);
  const purge = check("purge", "Destroy the data of its volumes too; this cannot be undone");
  dialog(`Delete ${app.name}?`, (close) => {
    const send = async (body) => {
      if (body.slug !== app.slug) {
        slug.fail(`Type ${app.slug}`);
        slug.input.focus();
        return;
      }
      await remove(`/apps/${app.id}${body.purge ? "?purge_volumes=true" : ""}`);
      close();
      say(`${app.name} is being deleted.`);
      location.hash = `#/projects/${app.project_id}/apps`;
    };
    return [form({ fields: [slug, purge], label: "Delete app", danger: true, send, after: cancel(close) })];
  });
}
