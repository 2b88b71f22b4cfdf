/** One deployment: how far it came, and why it ended as it did. */

import { h, icon } from "./dom.js";
import { capital, duration, time, who, words } from "./format.js";

const WAY = ["queued", "building", "deploying", "live"];
export const ENDED = new Set(["live", "failed", "cancelled", "superseded"]);

export class DeploymentView {
  constructor() {
    this.root = h("div.deployment", {}, h("p.muted", {}, "Loading the last deployment…"));
  }

  none() {
    this.root.replaceChildren(h("p.muted", {}, "Not deployed yet. Deploy brings it to its address."));
  }

  show(deployment) {
    const text = JSON.stringify(deployment);
    if (text === this.shown) return;
    this.shown = text;
    const began = h(
      "p.muted.small",
      {},
      `by ${who(deployment.actor)}, `,
      time(deployment.created_at),
      deployment.duration_ms === null ? "" : `, took ${duration(deployment.duration_ms)}`,
    );
    this.root.replaceChildren(
      h("div.head", {}, h("h4", {}, `Deployment ${deployment.number}`), began),
      ...[way(deployment), deployment.failure && failure(deployment.failure)].flat().filter(Boolean),
    );
  }
}

/** The four steps; where it ended otherwise, that word stands in place of the step that was not reached. */
function way({ status, phases }) {
  const took = new Map();
  for (const { name, duration_ms } of phases) took.set(stepOf(name), (took.get(stepOf(name)) ?? 0) + duration_ms);
  const broke = !WAY.includes(status);
  const reached = broke ? WAY.findLastIndex((step) => took.has(step)) : WAY.indexOf(status);
  const steps = broke ? [...WAY.slice(0, reached + 1), status] : WAY;
  const items = steps.map((step, at) => {
    const kind = kindOf(step, at, reached, broke);
    const time = took.get(step) ? h("span.took", {}, duration(took.get(step))) : null;
    return h(
      "li",
      { "data-kind": kind, "aria-current": kind === "now" && "step" },
      kind === "done" ? icon("check") : h("span.dot"),
      h("span", {}, capital(step)),
      time,
    );
  });
  const parts = phases.filter(({ name }) => !WAY.includes(name)).map(({ name, duration_ms }) => `${words(name)} ${duration(duration_ms)}`);
  return [h("ol.way", { "aria-label": "Progress" }, items), parts.length ? h("p.muted.small.parts", {}, parts.join(", ")) : null];
}

/** What the runtime does, step by step, is the deploying. */
const stepOf = (phase) => (WAY.includes(phase) ? phase : "deploying");

function kindOf(step, at, reached, broke) {
  if (at > reached) return broke ? step : "later";
  return at < reached || broke || step === "live" ? "done" : "now";
}

const failure = ({ phase, code, message, hint, evidence }) =>
  h(
    "div.failure",
    {},
    h("p.head", {}, h("code", {}, code), h("span.muted", {}, `while ${words(phase)}`)),
    h("p", {}, h("strong", {}, message)),
    hint && h("p", {}, hint),
    evidence.length > 0 && h("pre", { tabindex: "0", role: "group", "aria-label": "Evidence" }, h("code", {}, evidence.join("\n"))),
  );
