/** How much an app may use, how many replicas of it there are, and what load decided. */

import { get, isOver } from "./api.js";
import { h, say, write } from "./dom.js";
import { Feed } from "./feed.js";
import { alert, check, field, number } from "./forms.js";
import { time } from "./format.js";
import { Processes } from "./processes.js";
import { Sheet } from "./sheet.js";

const EVERY = 3000;
const SHOWN = 15;
const TYPES = new Set(["autoscale.decided", "app.scaled", "app.slept", "app.woke"]);

export function scalingTab(root, page) {
  const tab = new Scaling(root, page);
  tab.run();
  return tab;
}

class Scaling {
  constructor(root, page) {
    this.page = page;
    this.path = `/apps/${page.app.id}/autoscale`;
    this.feed = new Feed(page.app);
    this.trouble = alert();
    this.now = h("p.muted.small", {}, "Loading…");
    this.decided = h("p");
    this.events = h("ol.rows.events");
    this.auto = h("div");
    this.processes = new Processes(page);
    root.append(
      this.trouble.root,
      h(
        "div.columns",
        {},
        h("section.card.pad", { "aria-label": "Replicas and limits" }, h("h2", {}, "Replicas and limits"), this.now, this.limits(page.app)),
        h("section.card.pad", { "aria-label": "Autoscale" }, h("h2", {}, "Autoscale"), this.decided, this.auto),
      ),
      this.processes.root,
      h("section.card", { "aria-label": "Decisions" }, h("div.head.bar", {}, h("h2", {}, "Decisions")), this.events),
    );
  }

  /** Both act at once, without a deploy. */
  limits(app) {
    const disabled = !this.page.may("maintainer");
    const fields = [
      field("replicas", "Replicas", { inputmode: "numeric", read: number(undefined), disabled }),
      field("cpu_limit", "CPU limit, in cores", { inputmode: "decimal", read: number(null), hint: "Empty: none.", disabled }),
      field("memory_limit", "Memory limit, in MB", {
        inputmode: "numeric",
        read: number(null),
        hint: "Empty: none. Both limits act at once, without a restart.",
        disabled,
      }),
    ];
    const saved = async () => {
      say("Replicas and limits are applied.");
      await this.page.refresh();
    };
    this.sheet = new Sheet({ path: `/apps/${app.id}`, seen: app, fields, label: "Apply", saved });
    return disabled ? h("div", {}, fields.map((each) => each.root)) : this.sheet.root;
  }

  async run() {
    await this.refresh();
    if (!this.stopped) this.timer = setTimeout(() => this.run(), EVERY);
  }

  async refresh() {
    if (document.hidden) return;
    try {
      const [policy, events] = await Promise.all([get(this.path), this.feed.more(TYPES, SHOWN)]);
      if (this.stopped) return;
      this.show(policy);
      this.list(events);
      this.trouble.clear();
    } catch (problem) {
      if (!isOver(problem) && !this.stopped && problem.code !== "no_answer") this.trouble.show(problem);
    }
  }

  show(policy) {
    this.update(this.page.app);
    const { decided, held_until } = policy;
    const held = held_until && Date.parse(held_until) > Date.now();
    write(
      this.decided,
      held
        ? `A number set by hand stands until ${new Date(held_until).toLocaleTimeString()}.`
        : decided
          ? `Last decided: ${decided.replicas}, because ${decided.reason}`
          : "Load has not decided anything yet.",
    );
    if (this.policySheet) this.policySheet.update(policy);
    else this.auto.replaceChildren(this.policy(policy));
  }

  policy(given) {
    const disabled = !this.page.may("deployer");
    const figure = (name, label, { empty = undefined, ...more } = {}) =>
      field(name, label, { inputmode: "decimal", read: number(empty), disabled, ...more });
    const fields = [
      check("enabled", "Let load choose the number of replicas", { disabled }),
      figure("min_replicas", "At least", { hint: "0: the app sleeps when idle; the first request wakes it." }),
      figure("max_replicas", "At most"),
      figure("target_cpu_percent", "CPU target, % of the limit", { empty: null }),
      figure("target_memory_percent", "Memory target, % of the limit", { empty: null }),
      figure("target_requests_per_second", "Requests a second, each", { empty: null, hint: "Of the targets the one that needs most replicas decides." }),
      figure("idle_timeout_seconds", "Sleep after, idle seconds", { empty: null }),
      figure("scale_up_cooldown_seconds", "Wait before more, in seconds"),
      figure("scale_down_cooldown_seconds", "Wait before fewer, in seconds"),
    ];
    const saved = (policy) => {
      this.show(policy);
      say("Autoscaling is saved.");
    };
    this.policySheet = new Sheet({ path: this.path, seen: given, fields, saved, columns: true });
    return disabled ? h("div.pair", {}, fields.map((each) => each.root)) : this.policySheet.root;
  }

  list(events) {
    const last = events.at(-1)?.seq ?? 0;
    if (last === this.last) return;
    this.last = last;
    const rows = events
      .toReversed()
      .map(({ at, message, level }) => h("li", { "data-level": level }, h("span", {}, message), h("span.muted.small", {}, time(at))));
    this.events.replaceChildren(...(rows.length ? rows : [h("li.muted", {}, "Nothing yet: scaling, sleeping and waking are noted here.")]));
  }

  update(app) {
    write(this.now, `${app.current_replicas} of ${app.replicas} wanted run now.`);
    this.sheet.update(app);
    this.processes.update(app);
  }

  stop() {
    this.stopped = true;
    this.processes.stop();
    clearTimeout(this.timer);
  }
}
