/** What an app is called, how it is started, probed and answered for, and the end of it. */

import { put, remove } from "./api.js";
import { button, h, say } from "./dom.js";
import { cancel, check, confirm, dialog, field, form, number, select } from "./forms.js";
import { spoken } from "./format.js";
import { entry } from "./listing.js";
import { openTo, Sheet } from "./sheet.js";

const plain = { autocapitalize: "none", spellcheck: "false" };
const command = { ...plain, write: (words) => (words ? spoken(words) : ""), read: (text) => text.trim() || null };
const seconds = { inputmode: "decimal", read: number(undefined) };

export function settingsTab(root, page) {
  const may = page.may("maintainer");
  const sheets = [general(page), health(page), proxy(page)];
  const card = (title, hint, content) => h("section.card.pad", { "aria-label": title }, h("h2", {}, title), h("p.muted.small", {}, hint), content);
  const users = may && new Users(page);
  root.append(
    card("General", "The name is changed at once; the rest waits for the next deploy.", openTo(may, sheets[0])),
    card("Health check", "What a new version has to pass before it gets requests. It waits for the next deploy.", openTo(may, sheets[1])),
    card("At the proxy", "In effect at once.", openTo(may, sheets[2])),
    ...[users && users.root, may && end(page)].filter(Boolean),
  );
  return {
    update: (app) => {
      for (const each of sheets) each.update(app);
      if (users) users.update(app);
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

function proxy(page) {
  const kept = (enabled) => ({ enabled, retry_after_seconds: page.app.maintenance.retry_after_seconds });
  return sheet(
    page,
    [
      check("https_redirect", "Send plain HTTP on to HTTPS"),
      check("maintenance", "Maintenance: answer every request with 503", {
        write: ({ enabled }) => (enabled ? "yes" : "no"),
        hint: "What runs goes on.",
      }),
    ],
    "It is in effect.",
    { wrap: ({ maintenance, ...rest }) => (maintenance === undefined ? rest : { ...rest, maintenance: kept(maintenance) }) },
  );
}

/** Who may pass with a password. A change names all of them, and those that are there keep theirs. */
class Users {
  constructor(page) {
    Object.assign(this, { page, path: `/apps/${page.app.id}` });
    this.list = h("ul.rows");
    this.add = button("Add user", { symbol: "plus", onclick: () => this.ask() });
    this.root = h("section.card", { "aria-label": "Password protection" }, h("div.head.bar", {}, h("h2", {}, "Password protection"), h("span.grow"), this.add), this.list);
    this.update(page.app);
  }

  update({ basic_auth }) {
    const text = JSON.stringify(basic_auth);
    if (text === this.shown) return;
    this.shown = text;
    const none = h("li.none.muted", {}, "Everybody may see the app. With a user here, browsers ask for name and password.");
    this.list.replaceChildren(...(basic_auth.length ? basic_auth.map(({ username }) => this.row(username)) : [none]));
  }

  row(username) {
    const gone = button("Remove", { kind: "quiet", "aria-label": `Remove ${username}`, onclick: () => this.remove(username) });
    return h("li.item", { "aria-label": username }, entry(username, null, [], gone));
  }

  ask() {
    const fields = [field("username", "Name", plain), field("password", "Password", { type: "password", autocomplete: "new-password", hint: "8 to 128 characters." })];
    dialog("Add a user", (close) => {
      const within = () => `/basic_auth/${this.page.app.basic_auth.length}`;
      const send = async (body) => {
        await this.save([...this.page.app.basic_auth, body]);
        close();
      };
      return [form({ fields, within, label: "Add user", send, after: cancel(close) })];
    });
  }

  remove(username) {
    confirm({
      title: `Remove ${username}?`,
      sentences: [this.page.app.basic_auth.length > 1 ? "This name does not open the app any more, at once." : "It is the last one: everybody may see the app then."],
      label: "Remove user",
      act: () => this.save(this.page.app.basic_auth.filter((each) => each.username !== username)),
      after: () => this.add.focus(),
    });
  }

  /** On top of what is shown alone: the list is sent whole. */
  async save(basic_auth) {
    this.page.show(await put(this.path, { basic_auth }, this.page.app));
    say("Passwords are saved.");
  }
}

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
