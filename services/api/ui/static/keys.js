/** API keys: make, show, copy, delete. */

import { all, get, isOver, post, remove } from "./api.js";
import { button, command, copyButton, h, icon, say, write } from "./dom.js";
import { alert, cancel, confirm, dialog } from "./forms.js";
import { time } from "./format.js";
import { newKeyForm } from "./new-key.js";

export function keysPage(root) {
  const page = new Keys(root);
  page.refresh();
  return () => (page.stopped = true);
}

class Keys {
  constructor(root) {
    this.list = h("ul.rows");
    this.trouble = alert();
    this.card = h("section.card", { "aria-label": "Your keys", hidden: true }, this.list);
    this.empty = h(
      "section.card.first",
      { hidden: true },
      h("h2", {}, "No keys yet"),
      h(
        "p.muted",
        {},
        "A key lets a program, an agent or a terminal do here what you may do, or less. Make one for each of them, so that each can be ended by itself.",
      ),
      h("div.actions", {}, button("New key", { kind: "primary", symbol: "plus", onclick: () => this.make() })),
    );
    this.add = button("New key", { kind: "primary", symbol: "plus", onclick: () => this.make() });
    root.append(
      h(
        "div.title",
        {},
        h(
          "div",
          {},
          h("h1", {}, "API Keys"),
          h("p.muted.summary", {}, "For programs and agents. You can show and copy a key at any time."),
        ),
        this.add,
      ),
      this.trouble.root,
      this.card,
      this.empty,
    );
  }

  async refresh() {
    try {
      const [keys, projects] = await Promise.all([all("/api-keys"), all("/projects")]);
      if (this.stopped) return;
      const names = new Map(projects.map((project) => [project.id, project.name]));
      this.list.replaceChildren(...keys.toReversed().map((key) => row(key, names, () => this.after())));
      this.card.hidden = keys.length === 0;
      this.empty.hidden = keys.length > 0;
      this.add.hidden = keys.length === 0;
      this.trouble.clear();
    } catch (problem) {
      if (!isOver(problem) && !this.stopped) this.trouble.show(problem);
    }
  }

  async make() {
    try {
      this.trouble.clear();
      const [me, projects, status] = await Promise.all([get("/auth/me"), all("/projects"), get("/system/status")]);
      if (!this.stopped) this.ask(me.scopes, projects, status);
    } catch (problem) {
      if (!isOver(problem)) this.trouble.show(problem);
    }
  }

  ask(scopes, projects, status) {
    dialog("New key", (close) => [
      newKeyForm(scopes, projects, cancel(close), async (body) => {
        const made = await post("/api-keys", body);
        close();
        await this.refresh();
        present(made, status);
      }),
    ]);
  }

  /** A key is gone, and with it the button that had the focus. */
  async after() {
    await this.refresh();
    (this.add.hidden ? document.getElementById("main") : this.add).focus();
  }
}

function present(made, status) {
  say(`The key ${made.name} is made.`);
  dialog("Your new key", (close) => [
    h("p", {}, `“${made.name}” works at once. It stays here to be shown and copied again.`),
    h(
      "div.secret",
      {},
      h("code", { id: "new-key" }, made.key),
      copyButton("Copy key", () => made.key, { autofocus: true }),
    ),
    h("p.muted.small", {}, "Try it:"),
    command(`curl ${status.url}/api/v1/projects \\\n  -H "Authorization: Bearer ${made.key}"`),
    h("div.actions", {}, button("Done", { kind: "primary", onclick: close })),
  ]);
}

function row(key, names, after) {
  const about = `k-${key.id}`;
  const trouble = alert();
  const read = async () => {
    try {
      trouble.clear();
      return (await get(`/api-keys/${key.id}`)).key;
    } catch (problem) {
      if (!isOver(problem)) trouble.show(problem);
      return null;
    }
  };
  const text = h("code");
  const secret = h("div.secret", { hidden: true }, text);
  const show = button("Show", { symbol: "eye", "aria-describedby": about, "aria-expanded": "false" });
  show.addEventListener("click", async () => {
    const value = secret.hidden ? await read() : null;
    write(text, value ?? "");
    secret.hidden = value === null;
    show.setAttribute("aria-expanded", String(!secret.hidden));
    write(show.lastChild, secret.hidden ? "Show" : "Hide");
  });
  const end = h(
    "button.more",
    { type: "button", "aria-label": `Delete ${key.name}`, title: "Delete", onclick: () => askToDelete(key, after) },
    icon("bin"),
  );
  return h(
    "li.key",
    {},
    h(
      "div.line",
      {},
      h("div.what", {}, h("h2", { id: about }, key.name), facts(key, names)),
      h("div.does", {}, show, copyButton("Copy", read, { "aria-describedby": about }), end),
    ),
    secret,
    trouble.root,
  );
}

function facts(key, names) {
  const over = key.expires_at !== null && Date.parse(key.expires_at) <= Date.now();
  const where = key.project_id === null ? "all projects" : (names.get(key.project_id) ?? key.project_id);
  return h(
    "p.muted.small.facts",
    {},
    h(
      "span",
      {},
      key.scopes.map((scope) => h("span.tag", {}, scope)),
    ),
    h("span", {}, where),
    h("span", {}, "made ", time(key.created_at)),
    key.expires_at === null
      ? h("span", {}, "does not expire")
      : h(over ? "span.bad" : "span", {}, over ? "expired " : "expires ", time(key.expires_at)),
  );
}

function askToDelete(key, after) {
  confirm({
    title: `Delete ${key.name}?`,
    sentences: ["What uses this key stops working at once. This cannot be undone."],
    label: "Delete key",
    act: async () => {
      await remove(`/api-keys/${key.id}`);
      say(`The key ${key.name} is deleted.`);
    },
    after,
  });
}
