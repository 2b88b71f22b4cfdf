/** What an app uses and answers: now, and as far back as a year. */

import { get, isOver } from "./api.js";
import { Chart } from "./chart.js";
import { h } from "./dom.js";
import { alert } from "./forms.js";
import { megabytes, percent, place } from "./format.js";

const EVERY = 5000;
const RANGES = [
  [60, "1 hour"],
  [360, "6 hours"],
  [1440, "24 hours"],
  [10_080, "7 days"],
  [43_200, "30 days"],
];
const perSecond = (value) => (value === null ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} /s`);
const milliseconds = (value) => (value === null ? "–" : value < 1000 ? `${value < 10 ? value.toFixed(1) : Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`);
const CHARTS = [
  ["cpu_usage", "CPU", percent],
  ["memory_usage", "Memory", megabytes],
  ["requests_per_second", "Requests", perSecond],
  ["response_time_p95", "Response time, p95", milliseconds],
];

export function metricsTab(root, page) {
  const tab = new Metrics(root, page);
  tab.run();
  return tab;
}

class Metrics {
  constructor(root, page) {
    this.path = `/apps/${page.app.id}/stats`;
    this.trouble = alert();
    this.range = h(
      "select.pick",
      { "aria-label": "How far back", onchange: () => this.refresh() },
      RANGES.map(([minutes, text]) => h("option", { value: minutes }, text)),
    );
    this.charts = CHARTS.map(([key, title, show]) => new Chart(key, title, show));
    this.replicas = h("tbody");
    root.append(
      h("div.tools", {}, h("span.muted.grow", {}, "Arrow keys read a chart point by point."), this.range),
      this.trouble.root,
      h("div.charts", {}, this.charts.map((chart) => chart.root)),
      h(
        "section.card.scroll",
        { "aria-label": "Replicas", tabindex: "0" },
        h(
          "table",
          {},
          h("thead", {}, h("tr", {}, ["Replica", "State", "CPU", "Memory", "Processes"].map((name) => h("th", { scope: "col" }, name)))),
          this.replicas,
        ),
      ),
    );
  }

  async run() {
    await this.refresh();
    if (!this.stopped) this.timer = setTimeout(() => this.run(), EVERY);
  }

  async refresh() {
    if (document.hidden) return;
    const minutes = Number(this.range.value);
    try {
      const [now, history] = await Promise.all([get(this.path), get(`${this.path}/history?minutes=${minutes}`)]);
      if (this.stopped || minutes !== Number(this.range.value)) return;
      for (const chart of this.charts) chart.show(history.points, now, { minutes, interval: history.interval_seconds });
      this.table(now.replicas);
      this.trouble.clear();
    } catch (problem) {
      if (!isOver(problem) && !this.stopped) this.trouble.show(problem);
    }
  }

  table(replicas) {
    const cells = (each) => [place(each), each.state, percent(each.cpu_usage), megabytes(each.memory_usage), each.pids ?? "–"];
    const rows = replicas.map((each) => h("tr", {}, cells(each).map((text) => h("td", {}, String(text)))));
    this.replicas.replaceChildren(...(rows.length ? rows : [h("tr", {}, h("td.muted", { colspan: 5 }, "Nothing runs."))]));
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }
}
