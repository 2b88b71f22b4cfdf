/** The deployments of an app: how each ended and why, back to one of them, and what was said meanwhile. */

import { get, isOver, post } from "./api.js";
import { DeploymentView, ENDED } from "./deployment.js";
import { button, busy, h, icon, say, write } from "./dom.js";
import { alert, dialog } from "./forms.js";
import { capital, duration, time, who } from "./format.js";
import { LogLines } from "./log-lines.js";

const EVERY = 1500;
const PAGE = 20;

export function deploymentsTab(root, page) {
  const tab = new Deployments(root, page);
  tab.run();
  return tab;
}

class Deployments {
  constructor(root, page) {
    this.page = page;
    this.rows = new Map();
    this.limit = PAGE;
    this.trouble = alert();
    this.list = h("ul.rows.card", { hidden: true });
    this.none = h("div.card.none", { hidden: true }, h("p", {}, h("strong", {}, "Not deployed yet.")), h("p.muted", {}, "Deploy brings the app to its address."));
    this.more = button("Show older", { kind: "quiet", hidden: true, onclick: () => busy(this.more, () => this.older()) });
    root.append(this.trouble.root, this.list, this.none, h("div.actions", {}, this.more));
  }

  async run() {
    await this.refresh();
    if (!this.stopped) this.timer = setTimeout(() => this.run(), EVERY);
  }

  async refresh() {
    if (document.hidden) return;
    try {
      const { items, next_cursor } = await get(`/apps/${this.page.app.id}/deployments?limit=${this.limit}`);
      if (this.stopped) return;
      this.show(items);
      this.more.hidden = !next_cursor || this.limit >= 200;
      this.trouble.clear();
    } catch (problem) {
      if (!isOver(problem) && !this.stopped && problem.code !== "no_answer") this.trouble.show(problem);
    }
  }

  show(items) {
    this.list.hidden = items.length === 0;
    this.none.hidden = items.length > 0;
    for (const [at, deployment] of items.entries()) {
      let row = this.rows.get(deployment.id);
      if (!row) {
        row = new Row(this, deployment);
        this.rows.set(deployment.id, row);
        if (this.seen || at === 0) row.open(at === 0);
      }
      if (this.list.children[at] !== row.root) this.list.insertBefore(row.root, this.list.children[at] ?? null);
      row.update(deployment);
    }
    this.seen = true;
  }

  older() {
    this.limit = Math.min(this.limit + PAGE * 2, 200);
    return this.refresh();
  }

  begun() {
    return this.refresh();
  }

  update() {
    for (const row of this.rows.values()) row.able();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }
}

class Row {
  constructor(tab, deployment) {
    this.tab = tab;
    this.id = deployment.id;
    this.view = new DeploymentView();
    this.trouble = alert();
    this.heading = h("h2", { id: `d-${this.id}` }, `#${deployment.number}`);
    this.state = h("span.state", {}, h("span.dot"), h("span"));
    this.current = h("span.tag", { hidden: true }, "current");
    this.facts = h("p.muted.small.facts");
    this.back = button("Roll back", { "aria-describedby": this.heading.id, hidden: true, onclick: () => busy(this.back, () => this.ask()) });
    this.cancel = button("Cancel", { "aria-describedby": this.heading.id, hidden: true, onclick: () => busy(this.cancel, () => this.end()) });
    this.toggle = h(
      "button.more",
      { type: "button", "aria-expanded": "false", "aria-controls": `dp-${this.id}`, onclick: () => this.open(this.panel.hidden) },
      icon("down"),
      h("span.unseen", {}, `Details of deployment ${deployment.number}`),
    );
    this.log = h("div");
    this.read = button("Show the log", { onclick: () => busy(this.read, () => this.readLog()) });
    this.panel = h("div.panel", { id: `dp-${this.id}`, hidden: true }, this.view.root, h("div", {}, this.read), this.log);
    this.root = h(
      "li.deploy",
      { "aria-labelledby": this.heading.id },
      h(
        "div.line",
        {},
        h("div.what", {}, h("div.named", {}, this.heading, this.state, this.current), this.facts),
        h("div.does", {}, this.cancel, this.back, this.toggle),
      ),
      this.trouble.root,
      this.panel,
    );
  }

  update(deployment) {
    this.deployment = deployment;
    write(this.state.lastChild, capital(deployment.status));
    const said = [
      deployment.ref ?? null,
      deployment.commit ? `${deployment.commit.slice(0, 7)} ${deployment.commit_message ?? ""}`.trim() : deployment.image,
      `by ${who(deployment.actor)}`,
      deployment.duration_ms === null ? null : duration(deployment.duration_ms),
    ].filter(Boolean);
    const text = said.join();
    if (text !== this.said) this.facts.replaceChildren(...[...said.map((each) => h("span", {}, each)), time(deployment.created_at)]);
    this.said = text;
    if (!this.panel.hidden) this.view.show(deployment);
    this.able();
  }

  able() {
    if (!this.deployment) return;
    const { app } = this.tab.page;
    const may = this.tab.page.may("deployer");
    const isCurrent = app.current_deployment_id === this.id;
    this.current.hidden = !isCurrent;
    this.state.dataset.kind = isCurrent ? "running" : (KINDS[this.deployment.status] ?? "starting");
    this.back.hidden = !may || isCurrent || this.deployment.status !== "live";
    this.cancel.hidden = !may || ENDED.has(this.deployment.status);
  }

  open(wanted) {
    this.panel.hidden = !wanted;
    this.toggle.setAttribute("aria-expanded", String(wanted));
    if (wanted && this.deployment) this.view.show(this.deployment);
  }

  async readLog() {
    await this.attempt(async () => {
      const { items } = await get(`/deployments/${this.id}/logs`);
      const lines = new LogLines(`Log of deployment ${this.deployment.number}`);
      for (const line of items) lines.add({ at: line.at, stream: line.stream, message: line.message });
      this.log.replaceChildren(items.length ? lines.root : h("p.muted.small", {}, "Nothing was written."));
      write(this.read.lastChild, "Show the log again");
    });
  }

  /** What a rollback would do, before it is done. */
  async ask() {
    await this.attempt(async () => {
      const { number } = this.deployment;
      const path = `/apps/${this.tab.page.app.id}/rollback`;
      const body = { deployment_id: this.id };
      const plan = await post(`${path}?dry_run=true`, body);
      dialog(`Roll back to deployment ${number}?`, (close) => {
        const top = alert();
        const act = async () => {
          try {
            const begun = await post(path, body);
            close();
            say(`Deployment ${begun.number} takes the app back to ${number}.`);
            await this.tab.refresh();
          } catch (problem) {
            if (!isOver(problem)) top.show(problem);
          }
        };
        const go = button("Roll back", { kind: "primary", onclick: () => busy(go, act) });
        return [
          h("p", {}, "Image and settings become those of that deployment. A new deployment does it, so that it can be taken back too."),
          h("ol.plan", {}, plan.plan.map(({ detail }) => h("li", {}, detail))),
          ...plan.warnings.map((each) => h("p.notice.warn", {}, each)),
          h("p.muted.small", {}, `Downtime: ${plan.downtime}.`),
          top.root,
          h("div.actions", {}, h("button.button.quiet", { type: "button", autofocus: true, onclick: close }, "Cancel"), go),
        ];
      });
    });
  }

  end() {
    return this.attempt(async () => {
      await post(`/deployments/${this.id}/cancel`);
      say("Cancel: asked for.");
      await this.tab.refresh();
    });
  }

  async attempt(work) {
    this.trouble.clear();
    try {
      await work();
    } catch (problem) {
      if (!isOver(problem)) this.trouble.show(problem);
    }
  }
}

/** One that was live has had its time. */
const KINDS = { live: "past", failed: "failed", cancelled: "past", superseded: "past" };
