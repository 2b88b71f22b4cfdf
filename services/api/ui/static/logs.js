/** The log of an app as it is written: follow, pause, search, and on again where it stood after a break. */

import { dial, get, isOver, refusal } from "./api.js";
import { button, h, say, write } from "./dom.js";
import { alert } from "./forms.js";
import { count, place } from "./format.js";
import { LogLines } from "./log-lines.js";

const TAIL = 300;
const PROCESS = "/";
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 2000;
/** Lines of the last moment that a stream which goes on says again. */
const REMEMBERED = 1000;

export function logsTab(root, page) {
  const tab = new Logs(root, page);
  tab.dial();
  return tab;
}

class Logs {
  constructor(root, page) {
    this.page = page;
    this.recent = [];
    this.pause = FIRST_PAUSE;
    this.lines = new LogLines("Log", { onheld: (held) => this.held(held) });
    this.search = h("input.search", {
      type: "search",
      placeholder: "Show lines with…",
      "aria-label": "Show only lines with",
      oninput: () => this.filter(),
    });
    this.replica = h("select.pick", { "aria-label": "Replica", onchange: () => this.again() }, h("option", { value: "" }, "All replicas"));
    this.hold = button("Pause", { "aria-pressed": "false", onclick: () => this.toggle() });
    this.state = h("p.small.muted.flow", { role: "status" }, "Connecting…");
    this.trouble = alert();
    root.append(
      h("div.tools", {}, this.search, this.replica, this.hold, button("Clear", { kind: "quiet", onclick: () => this.lines.clear() })),
      this.trouble.root,
      this.lines.root,
      this.state,
    );
    this.know();
  }

  /** The replicas to choose from, those of now, and where there are more processes than web, those. */
  async know() {
    try {
      const { replicas } = await get(`/apps/${this.page.app.id}/stats`);
      const chosen = this.replica.value;
      const processes = Object.keys(this.page.app.processes);
      const of = processes.length ? ["web", ...processes].map((name) => [PROCESS + name, `All of ${name}`]) : [];
      const choices = [["", "All replicas"], ...of, ...replicas.map((each) => [each.replica, place(each)])];
      if (!choices.some(([value]) => value === chosen)) choices.push([chosen, `${chosen.replace(PROCESS, "All of ")} (gone)`]);
      this.replica.replaceChildren(...choices.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
    } catch (problem) {
      isOver(problem); // the list is a help only
    }
  }

  /** No replica's name has the sign that stands before a process here. */
  chosen() {
    const { value } = this.replica;
    return value.startsWith(PROCESS) ? { process: value.slice(PROCESS.length) } : { replica: value || null };
  }

  update(app) {
    if (app.current_deployment_id !== this.deployment || app.current_replicas !== this.count) this.know();
    [this.deployment, this.count] = [app.current_deployment_id, app.current_replicas];
  }

  dial() {
    this.close();
    const query = { tail: this.last ? null : TAIL, since: this.last, ...this.chosen() };
    this.line = dial(`/apps/${this.page.app.id}/logs/stream`, query, {
      opened: () => {
        this.pause = FIRST_PAUSE;
        this.trouble.clear();
        write(this.state, "Live");
        this.state.dataset.kind = "live";
      },
      came: (data) => this.take(JSON.parse(data)),
      over: (event) => this.broken(event),
    });
  }

  take(line) {
    if (line.type === "missed") {
      this.lines.note(`${count(line.lines, "line")} left out: they came faster than they could be read.`);
      return;
    }
    const key = `${line.at} ${line.replica} ${line.stream} ${line.message}`;
    if (this.resumed && line.at <= this.resumed && this.recent.includes(key)) return;
    this.recent.push(key);
    if (this.recent.length > REMEMBERED) this.recent.shift();
    this.last = line.at;
    this.lines.add(line);
  }

  /** The server went, or says why not: tell which, and try again. */
  async broken({ code, reason }) {
    const pause = this.pause;
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    this.resumed = this.last;
    this.state.dataset.kind = "lost";
    write(this.state, `Not connected${reason ? ` (${reason})` : ""}. Trying again…`);
    try {
      const problem = code === 1000 ? null : await refusal(`/apps/${this.page.app.id}/logs/stream`);
      if (this.stopped) return;
      if (problem && !isOver(problem) && problem.code !== "no_answer") this.trouble.show(problem);
    } finally {
      if (!this.stopped) this.timer = setTimeout(() => this.dial(), pause);
    }
  }

  again() {
    this.close();
    this.lines.clear();
    this.recent = [];
    this.last = this.resumed = undefined;
    this.dial();
  }

  toggle() {
    const paused = this.lines.toggle();
    this.hold.setAttribute("aria-pressed", String(paused));
    write(this.hold.lastChild, paused ? "Go on" : "Pause");
    say(paused ? "The log is paused." : "The log goes on.");
  }

  held(number) {
    if (this.lines.paused) write(this.hold.lastChild, number ? `Go on (${number})` : "Go on");
  }

  filter() {
    const shown = this.lines.filter(this.search.value);
    if (this.search.value) say(`${count(shown, "line")} found.`);
  }

  close() {
    clearTimeout(this.timer);
    this.line?.close();
  }

  stop() {
    this.stopped = true;
    this.close();
    this.lines.stop();
  }
}
