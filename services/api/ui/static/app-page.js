/** One app's page: how it is, what can be done with it, and one part of it at a time. */

import { accessTab } from "./access.js";
import { get, isOver, post } from "./api.js";
import { codexTab } from "./codex.js";
import { deploymentsTab } from "./deployments.js";
import { domainsTab } from "./domains.js";
import { button, busy, h, say, write } from "./dom.js";
import { envTab } from "./env.js";
import { alert } from "./forms.js";
import { words } from "./format.js";
import { logsTab } from "./logs.js";
import { metricsTab } from "./metrics.js";
import { notificationsTab } from "./notifications.js";
import { Parts } from "./parts.js";
import { mayIn } from "./roles.js";
import { runsTab } from "./runs.js";
import { scalingTab } from "./scaling.js";
import { settingsTab } from "./app-settings.js";
import { sourceTab } from "./source.js";
import { showState } from "./state.js";
import { terminalTab } from "./terminal.js";
import { volumesTab } from "./volumes.js";

const EVERY = 2000;

export const TABS = {
  deployments: { title: "Deployments", show: deploymentsTab },
  logs: { title: "Logs", show: logsTab },
  terminal: { title: "Terminal", show: terminalTab },
  codex: { title: "Codex", show: codexTab },
  metrics: { title: "Metrics", show: metricsTab },
  env: { title: "Environment", show: envTab },
  scaling: { title: "Scaling", show: scalingTab },
  source: { title: "Source", show: sourceTab },
  domains: { title: "Domains", show: domainsTab },
  access: { title: "Access", show: accessTab },
  volumes: { title: "Volumes", show: volumesTab },
  runs: { title: "Runs", show: runsTab },
  notifications: { title: "Notifications", show: notificationsTab },
  settings: { title: "Settings", show: settingsTab },
};

export function appPage(root, slug, tab) {
  const page = new AppPage(root, slug, tab);
  page.run();
  return page;
}

class AppPage {
  constructor(root, slug, tab) {
    this.slug = slug;
    this.tab = tab;
    this.name = h("h1", {}, slug);
    this.state = h("span.state", { hidden: true }, h("span.dot"), h("span"));
    this.link = h("a.url", { target: "_blank", rel: "noopener" });
    this.detail = h("p.detail", { hidden: true });
    this.verbs = verbs(this);
    this.pending = this.banner();
    this.trouble = alert();
    this.away = h("p.notice.warn", { role: "status", hidden: true });
    this.parts = new Parts({ label: "Parts of the app", parts: TABS, address: `#/apps/${slug}`, page: this });
    this.crumb = h("p.small.crumb", {}, h("a", { href: "#/projects" }, "Projects"));
    root.append(
      this.crumb,
      h("div.title.titled", {}, h("div", {}, h("div.named", {}, this.name, this.state), this.link, this.detail), this.verbs.root),
      this.away,
      this.trouble.root,
      this.pending,
      this.parts.root,
    );
  }

  banner() {
    this.waiting = h("p");
    this.now = button("Deploy now", { kind: "primary", symbol: "rocket", onclick: () => this.deploy(this.now) });
    return h("div.notice.pending", { role: "status", hidden: true }, this.waiting, this.now);
  }

  async run() {
    await this.refresh();
    if (!this.stopped) this.timer = setTimeout(() => this.run(), EVERY);
  }

  /** Ask how the app is; what is on the page stays when nobody answers. Of two at once the later asked wins. */
  async refresh() {
    if (document.hidden && this.app) return;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    try {
      const app = await get(`/apps/${this.slug}`);
      if (turn !== this.turn) return;
      if (!this.project) this.belongs((this.project = await get(`/projects/${app.project_id}`)));
      if (!this.stopped) this.show(app);
      this.away.hidden = true;
    } catch (problem) {
      if (isOver(problem) || this.stopped) return;
      const gone = problem.code === "not_found";
      if (gone || (problem.code !== "no_answer" && !problem.retryable && !this.app)) this.trouble.show(problem);
      else this.lost(problem);
    }
  }

  lost(problem) {
    write(this.away, `${problem.detail} Trying again; what is shown may be old. (${problem.code})`);
    this.away.hidden = false;
  }

  belongs({ id, name }) {
    this.crumb.append(" / ", h("a", { href: `#/projects/${id}` }, name));
  }

  show(app) {
    const first = !this.app;
    this.app = app;
    write(this.name, app.name);
    showState(this.state, app);
    this.state.hidden = false;
    this.link.href = app.url;
    this.link.dataset.live = String(app.status === "running");
    write(this.link, app.url);
    write(this.detail, app.status_detail ?? "");
    this.detail.hidden = !this.detail.textContent;
    this.verbs.update(app, this.may("deployer"));
    write(this.waiting, `Waits for a deploy: ${app.pending_fields.map(words).join(", ")}.`);
    this.pending.hidden = !app.pending_changes || app.status_reason === "never_deployed";
    this.now.hidden = !this.may("deployer");
    this.verbs.deploy.classList.toggle("primary", this.pending.hidden);
    if (first) this.go(this.tab);
    else this.parts.shown?.update?.(app);
  }

  /** Whether the person has that role in the project, or more. */
  may(role) {
    return mayIn(this.project, role);
  }

  go(tab) {
    this.tab = tab;
    if (this.app) this.parts.go(tab, this.app.name);
  }

  deploy(by) {
    return this.act(by, async () => {
      const begun = await post(`/apps/${this.app.id}/deploy`, {});
      say(`Deployment ${begun.number} began.`);
      location.hash = `#/apps/${this.slug}/deployments`;
      await this.parts.shown?.begun?.(begun);
    });
  }

  /** Do something to the app, once at a time, and say here what went wrong. */
  act(by, work) {
    return busy(by, async () => {
      this.trouble.clear();
      try {
        await work();
        await this.refresh();
      } catch (problem) {
        if (!isOver(problem) && !this.stopped) this.trouble.show(problem);
      }
    });
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.parts.stop();
  }
}

/** Deploy, and what else can be done in the state that the app is in. */
function verbs(page) {
  const does = (label, path) => {
    const made = button(label, {
      onclick: () =>
        page.act(made, async () => {
          await post(`/apps/${page.app.id}/${path}`);
          say(`${label}: asked for.`);
        }),
    });
    return made;
  };
  const deploy = button("Deploy", { kind: "primary", symbol: "rocket", onclick: () => page.deploy(deploy) });
  const [start, restart, pause, unpause, stop] = [
    does("Start", "start"),
    does("Restart", "restart"),
    does("Pause", "pause"),
    does("Unpause", "unpause"),
    does("Stop", "stop"),
  ];
  const root = h("div.does.verbs", {}, start, restart, pause, unpause, stop, deploy);
  const update = ({ status, current_deployment_id }, may) => {
    deploy.hidden = !may;
    start.hidden = !may || status !== "stopped" || !current_deployment_id;
    restart.hidden = pause.hidden = !may || status !== "running";
    unpause.hidden = !may || status !== "paused";
    stop.hidden = !may || status === "stopped";
  };
  update({ status: "", current_deployment_id: null }, false);
  return { root, deploy, update };
}
