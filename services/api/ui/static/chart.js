/** One figure over time, drawn as a line; pointer or arrow keys read it point by point. */

import { draw, h, write } from "./dom.js";

const WIDTH = 600;
const HEIGHT = 150;
const TOP = 8;
/** Points further apart than so many intervals have a gap between them. */
const GAP = 2.5;

export class Chart {
  constructor(key, title, say) {
    Object.assign(this, { key, title, say });
    this.now = h("span.figure");
    this.most = h("span.muted.small");
    this.area = draw("path", { class: "under" });
    this.line = draw("path", { class: "stroke" });
    this.cross = draw("line", { class: "cross-hair", y1: 0, y2: HEIGHT });
    this.svg = draw("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      class: "chart",
      role: "img",
      tabindex: "0",
      "aria-label": title,
    });
    this.svg.append(this.area, this.line, this.cross);
    this.from = h("span");
    this.read = h("span.read", { role: "status" });
    this.none = h("p.muted.small.nodata", { hidden: true }, "Nothing was measured in this time.");
    this.root = h(
      "section.card.plot",
      { "aria-label": title },
      h("div.named", {}, h("h2", {}, title), this.now, this.most),
      h("div.canvas", {}, this.svg, this.none),
      h("p.muted.small.axis", {}, this.from, this.read, h("span", {}, "now")),
    );
    this.listen();
  }

  listen() {
    this.svg.addEventListener("pointermove", ({ clientX }) => {
      const { left, width } = this.svg.getBoundingClientRect();
      this.point(this.nearest(((clientX - left) / width) * WIDTH));
    });
    this.svg.addEventListener("pointerleave", () => this.point(null));
    this.svg.addEventListener("blur", () => this.point(null));
    this.svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
      if (!step || !this.points.length) return;
      event.preventDefault();
      const last = this.points.length - 1;
      this.point(Math.max(0, Math.min(last, (this.at ?? last + (step < 0 ? 1 : 0)) + step)));
    });
  }

  /** `points` as the history has them; `now` as the present has it. */
  show(points, now, { minutes, interval }) {
    const end = Date.now();
    const start = end - minutes * 60_000;
    const known = points.filter((point) => point[this.key] !== null && point[this.key] !== undefined && Date.parse(point.at) >= start);
    const values = known.map((point) => point[this.key]);
    const present = now[this.key] ?? null;
    const top = Math.max(...values, Number.MIN_VALUE);
    const x = (at) => ((Date.parse(at) - start) / (end - start)) * WIDTH;
    const y = (value) => HEIGHT - 1 - (value / top) * (HEIGHT - TOP - 1);
    this.points = known.map((point) => ({ at: point.at, value: point[this.key], x: x(point.at), y: y(point[this.key]) }));
    const most = values.length ? this.say(Math.max(...values, present ?? 0)) : null;
    write(this.now, this.say(present));
    write(this.most, most ? `at most ${most}` : "");
    write(this.from, new Date(start).toLocaleString(undefined, minutes > 1440 ? { dateStyle: "medium" } : { timeStyle: "short" }));
    this.svg.setAttribute("aria-label", `${this.title}: now ${this.now.textContent}${most ? `, at most ${most}` : ""}`);
    this.none.hidden = values.length > 0;
    this.trace((interval * 1000 * GAP * WIDTH) / (end - start));
    this.point(this.at === null || this.at === undefined ? null : Math.min(this.at, this.points.length - 1));
  }

  /** The line breaks where nothing was measured. */
  trace(gap) {
    const runs = [];
    for (const point of this.points) {
      const run = runs.at(-1);
      if (run && point.x - run.at(-1).x <= gap) run.push(point);
      else runs.push([point]);
    }
    const path = (run) => run.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L");
    this.line.setAttribute("d", runs.map((run) => `M${path(run)}${run.length === 1 ? "h1.5" : ""}`).join(""));
    this.area.setAttribute("d", runs.map((run) => `M${run[0].x.toFixed(1)},${HEIGHT}L${path(run)}V${HEIGHT}Z`).join(""));
  }

  nearest(x) {
    let best = null;
    for (const [at, point] of (this.points ?? []).entries())
      if (best === null || Math.abs(point.x - x) < Math.abs(this.points[best].x - x)) best = at;
    return best;
  }

  point(at) {
    this.at = at;
    const found = at === null ? null : this.points?.[at];
    this.cross.setAttribute("visibility", found ? "visible" : "hidden");
    write(this.read, found ? `${new Date(found.at).toLocaleString(undefined, { dateStyle: "short", timeStyle: "short" })}: ${this.say(found.value)}` : "");
    if (!found) return;
    this.cross.setAttribute("x1", found.x);
    this.cross.setAttribute("x2", found.x);
  }
}
