/** The form for a new key. */

import { h } from "./dom.js";
import { choice, field, form, select } from "./forms.js";

const SCOPES = [
  ["read", "Read", "See projects, apps, logs and figures."],
  ["deploy", "Deploy", "And deploy, roll back, start and stop."],
  ["write", "Write", "And make, change and delete."],
  ["admin", "Admin", "And manage users, everywhere on this server."],
];
const DAY = 86_400_000;
const SOME_DAY = "some-day";
const LIVES = [
  ["", "Never"],
  ["7", "In 7 days"],
  ["30", "In 30 days"],
  ["90", "In 90 days"],
  ["365", "In a year"],
  [SOME_DAY, "On a day of your choice"],
];

/** `send(body)` makes it; `may` are the scopes of the one who asks. */
export function newKeyForm(may, projects, after, send) {
  const name = field("name", "Name", { hint: "What uses it, such as the name of an agent or a CI job.", maxlength: 100 });
  const offered = SCOPES.filter(([value]) => may.includes(value));
  const scopes = choice("scopes", "It may", offered, may.includes("deploy") ? "deploy" : "read", {
    read: (value) => (value ? [value] : []),
  });
  const project = select("project_id", "Project", [["", "All my projects"], ...projects.map((each) => [each.id, each.name])], {
    read: (value) => value || undefined,
  });
  const day = h("input", { type: "date", "aria-label": "Last day", hidden: true });
  const lives = select("expires_at", "Expires", LIVES, { read: (value) => endOf(value, day.value) });
  lives.input.after(day);
  lives.input.addEventListener("change", () => (day.hidden = lives.input.value !== SOME_DAY));
  return form({ fields: [name, scopes, project, lives], label: "Create key", send, after });
}

/** The moment in RFC 3339: a number of days from now, or the end of the day that was chosen. What is no day goes as it is. */
function endOf(value, day) {
  if (value === "") return undefined;
  if (value !== SOME_DAY) return new Date(Date.now() + Number(value) * DAY).toISOString();
  const end = new Date(`${day}T23:59:59`);
  return Number.isNaN(end.getTime()) ? day : end.toISOString();
}
