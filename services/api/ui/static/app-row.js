/** One app: what it is, how it does, and its last deployment. */

import { get, isOver, post } from "./api.js";
import { busy, button, h, icon, say, write } from "./dom.js";
import { DeploymentView, ENDED } from "./deployment.js";
import { alert } from "./forms.js";
import { megabytes, percent, words } from "./format.js";
import { showState } from "./state.js";

const LOOK = 400;

export class AppRow {
  constructor(app) {
    this.title = h("a");
    this.name = h("h3", { id: `h-${app.id}` }, this.title);
    this.state = h("span.state", {}, h("span.dot"), h("span"));
    this.link = h("a.url", { target: "_blank", rel: "noopener" });
    this.detail = h("p.detail", { hidden: true });
    this.cpu = h("dd");
    this.memory = h("dd");
    this.cap = h("dd.cap");
    this.go = button("Deploy", { symbol: "rocket", "aria-describedby": this.name.id, onclick: () => this.deploy() });
    this.more = h(
      "button.more",
      { type: "button", "aria-expanded": "false", "aria-controls": `p-${app.id}`, onclick: () => this.toggle() },
      icon("down"),
      h("span.unseen"),
    );
    this.facts = h("dl.facts");
    this.trouble = alert();
    this.deployment = new DeploymentView();
    this.panel = h("div.panel", { id: `p-${app.id}`, hidden: true }, this.trouble.root, this.deployment.root, this.facts);
    this.root = h(
      "li.app",
      { "aria-labelledby": this.name.id },
      h(
        "div.line",
        {},
        h("div.what", {}, h("div.named", {}, this.name, this.state), this.link, this.detail),
        this.figures(),
        h("div.does", {}, this.go, this.more),
      ),
      this.panel,
    );
  }

  figures() {
    return h("dl.figures", {}, h("div", {}, h("dt", {}, "CPU"), this.cpu), h("div", {}, h("dt", {}, "Memory"), this.memory, this.cap));
  }

  update(app, { mayDeploy, only }) {
    const changed =
      this.app &&
      (this.app.status !== app.status ||
        this.app.status_reason !== app.status_reason ||
        this.app.current_deployment_id !== app.current_deployment_id);
    this.app = app;
    write(this.title, app.name);
    this.title.href = `#/apps/${app.slug}`;
    write(this.more.lastChild, `Details of ${app.name}`);
    showState(this.state, app);
    this.link.href = app.url;
    this.link.dataset.live = String(app.status === "running");
    write(this.link, app.url);
    write(this.detail, app.status_reason === "never_deployed" ? "" : (app.status_detail ?? ""));
    this.detail.hidden = !this.detail.textContent;
    this.usage(app);
    this.go.hidden = !mayDeploy;
    this.go.classList.toggle("primary", only && app.status_reason === "never_deployed");
    if (!this.panel.hidden) this.know();
    if (changed && !this.panel.hidden && !this.following) this.look();
  }

  usage(app) {
    write(this.cpu, percent(app.cpu_usage));
    write(this.memory, megabytes(app.memory_usage));
    write(this.cap, app.memory_limit ? `of ${megabytes(app.memory_limit)}` : "");
    const old = app.stale && app.status_synced_at !== null;
    this.root.classList.toggle("stale", old);
    this.cpu.title = this.memory.title = old ? `As of ${new Date(app.status_synced_at).toLocaleString()}: nothing came since.` : "";
  }

  know() {
    const app = this.app;
    const said = [
      ["Image", app.image ?? "none yet"],
      ["Port", String(app.internal_port)],
      ["Slug", app.slug],
      ["Replicas", `${app.current_replicas} of ${app.replicas}`],
      app.pending_changes && ["Waits for a deploy", app.pending_fields.map(words).join(", ")],
    ].filter(Boolean);
    const text = JSON.stringify(said);
    if (this.known === text) return;
    this.known = text;
    this.facts.replaceChildren(...said.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));
  }

  open() {
    this.panel.hidden = false;
    this.more.setAttribute("aria-expanded", "true");
    this.know();
  }

  toggle() {
    if (this.panel.hidden) {
      this.open();
      this.look();
    } else {
      this.panel.hidden = true;
      this.more.setAttribute("aria-expanded", "false");
    }
  }

  /** The newest deployment, whoever began it; one that is under way is followed. */
  async look() {
    await this.attempt(async () => {
      const [newest] = (await get(`/apps/${this.app.id}/deployments?limit=1`)).items;
      if (newest && !ENDED.has(newest.status)) await this.follow(newest);
      else if (newest) this.deployment.show(newest);
      else this.deployment.none();
    });
  }

  deploy() {
    return busy(this.go, () =>
      this.attempt(async () => {
        const begun = await post(`/apps/${this.app.id}/deploy`);
        this.open();
        const ended = await this.follow(begun);
        if (ended) say(`${this.app.name}, deployment ${ended.number}: ${ended.status}. ${ended.failure?.message ?? ""}`);
      }),
    );
  }

  async attempt(work) {
    this.trouble.clear();
    try {
      await work();
    } catch (problem) {
      if (isOver(problem) || this.stopped) return;
      this.open();
      this.trouble.show(problem);
    }
  }

  /** Show a deployment until it has ended, or another is followed. */
  async follow(deployment) {
    this.following = deployment.id;
    let seen = deployment;
    try {
      while (!this.stopped && this.following === deployment.id) {
        this.deployment.show(seen);
        if (ENDED.has(seen.status)) return seen;
        await new Promise((resolve) => setTimeout(resolve, LOOK));
        seen = await get(`/deployments/${deployment.id}`);
      }
    } finally {
      if (this.following === deployment.id) this.following = null;
    }
    return null;
  }

  filter(text) {
    const fits = [this.app.name, this.app.slug, this.app.image ?? ""].some((each) => each.toLowerCase().includes(text));
    this.root.hidden = !fits;
    return fits;
  }

  focus() {
    this.go.focus();
  }

  stop() {
    this.stopped = true;
  }
}
