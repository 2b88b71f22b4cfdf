/** What runs beside `web`: each process with its command, which waits for a deploy, and its size, which is live. */

import { get, isOver, put } from "./api.js";
import { button, h, say, write } from "./dom.js";
import { alert, area, cancel, confirm, dialog, field, form, number } from "./forms.js";
import { spoken } from "./format.js";
import { entry, mark } from "./listing.js";
import { Sheet } from "./sheet.js";

const EVERY = 3000;

export class Processes {
  constructor(page) {
    this.page = page;
    this.running = new Map();
    this.trouble = alert();
    this.tally = h("span.muted.small");
    this.list = h("ul.rows");
    this.may = page.may("maintainer");
    this.add = button("Add process", { symbol: "plus", hidden: !this.may, onclick: () => this.make() });
    this.root = h(
      "section.card",
      { "aria-label": "Processes" },
      h("div.head.bar", {}, h("h2", {}, "Processes"), this.tally, this.add),
      h("div.inset", {}, this.trouble.root),
      this.list,
    );
    this.update(page.app);
    this.run();
  }

  async run() {
    await this.count();
    if (!this.stopped) this.timer = setTimeout(() => this.run(), EVERY);
  }

  /** How many of each run, straight from the engine. */
  async count() {
    if (document.hidden || !Object.keys(this.page.app.processes).length) return;
    try {
      const { replicas } = await get(`/apps/${this.page.app.id}/stats`);
      const running = replicas.filter(({ state }) => state === "running").map(({ process }) => process);
      this.running = new Map([...new Set(running)].map((name) => [name, running.filter((each) => each === name).length]));
      if (!this.stopped) this.update(this.page.app);
    } catch (problem) {
      isOver(problem); // what was counted before stays
    }
  }

  update(app) {
    const names = Object.keys(app.processes);
    const text = JSON.stringify([app.processes, [...this.running]]);
    if (text === this.shown) return;
    this.shown = text;
    write(this.tally, names.length ? String(names.length) : "");
    const none = h("li.none.muted", {}, "Only web runs, which takes the requests. A worker beside it has the same image, environment and volumes, and another command.");
    this.list.replaceChildren(...(names.length ? names.map((name) => this.row(name, app.processes[name])) : [none]));
  }

  row(name, { command, replicas, cpu_limit, memory_limit }) {
    const runs = this.running.get(name) ?? 0;
    const limits = [cpu_limit === null ? "no CPU limit" : `${cpu_limit} cores`, memory_limit === null ? "no memory limit" : `${memory_limit} MB`];
    return h(
      "li.item",
      { "aria-label": name },
      entry(
        name,
        [mark(`${runs} of ${replicas} run`, replicas === 0 ? "" : runs >= replicas ? "good" : "warn")],
        [h("code", {}, spoken(command)), limits.join(", ")],
        this.may && [
          button("Edit", { "aria-label": `Edit ${name}`, onclick: () => this.edit(name) }),
          button("Remove", { kind: "quiet", "aria-label": `Remove ${name}`, onclick: () => this.remove(name) }),
        ],
      ),
    );
  }

  make() {
    const name = field("name", "Name", { placeholder: "worker", autocapitalize: "none", spellcheck: "false", hint: "Not web, which is the app itself." });
    const fields = sizes({ empty: undefined, meaning: "Empty: as the app." });
    dialog("Add a process", (close) => {
      const send = async ({ name: called, ...body }) => {
        await put(`/apps/${this.page.app.id}`, { processes: { [called]: body } });
        close();
        await this.saved(`${called} comes with the next deploy.`);
      };
      return [form({ fields: [name, ...fields], within: () => `/processes/${name.text()}`, label: "Add process", send, after: cancel(close) })];
    });
  }

  edit(name) {
    dialog(`Edit ${name}`, (close) => {
      const sheet = new Sheet({
        path: `/apps/${this.page.app.id}`,
        seen: this.page.app,
        fields: sizes(),
        part: ({ processes }) => processes[name],
        wrap: (body) => ({ processes: { [name]: body } }),
        within: `/processes/${name}`,
        after: cancel(close),
        saved: async () => {
          close();
          await this.saved(`${name} is saved.`);
        },
      });
      return [sheet.root];
    });
  }

  remove(name) {
    confirm({
      title: `Remove ${name}?`,
      sentences: ["It goes with the next deploy. A rollback brings it back."],
      label: "Remove process",
      act: () => put(`/apps/${this.page.app.id}`, { processes: { [name]: null } }),
      after: async () => {
        await this.saved(`${name} goes with the next deploy.`);
        this.add.focus();
      },
    });
  }

  async saved(text) {
    say(text);
    await this.page.refresh();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }
}

const sizes = ({ empty = null, meaning = "Empty: none." } = {}) => [
  area("command", "Command", {
    rows: 2,
    placeholder: "python worker.py",
    write: (command) => (command ? spoken(command) : ""),
    read: (text) => text.trim() || null,
    hint: "Split as a shell would, not run by one. It waits for the next deploy; the rest acts at once.",
  }),
  field("replicas", "Replicas", { inputmode: "numeric", read: number(undefined), hint: "0 to 32." }),
  field("cpu_limit", "CPU limit, in cores", { inputmode: "decimal", read: number(empty), hint: meaning }),
  field("memory_limit", "Memory limit, in MB", { inputmode: "numeric", read: number(empty), hint: meaning }),
];
