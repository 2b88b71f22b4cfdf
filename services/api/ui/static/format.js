/** Figures and times as people read them. */

import { h, write } from "./dom.js";

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

const ago = (at) => {
  const seconds = (Date.parse(at) - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? ["second", 1];
  return Math.abs(seconds) < 5 ? "just now" : RELATIVE.format(Math.round(seconds / size), unit);
};

export const exact = (at) => EXACT.format(new Date(at));

/** `at` in RFC 3339, shown from now, exact when pointed at. */
export const time = (at) => h("time", { datetime: at, title: exact(at) }, ago(at));

/** What was just now is so no longer. */
export function age() {
  for (const each of document.querySelectorAll("time:not(.at)")) write(each, ago(each.dateTime));
}

export const duration = (ms) => {
  if (ms === null) return "";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
};

export const percent = (value) => (value === null ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} %`);

export const megabytes = (value) => {
  if (value === null) return "–";
  if (value >= 1024) return `${(value / 1024).toFixed(1)} GB`;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} MB`;
};

export const bytes = (value) => (value < 1024 * 1024 ? `${(value / 1024).toFixed(1)} kB` : megabytes(value / 1024 / 1024));

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Who did it, as the API names them: an email, or `key:` and its name. */
export const who = (actor) => actor.replace(/^key:/, "the key ");

/** `never_deployed` → `never deployed`. */
export const words = (code) => code.replaceAll("_", " ");

export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** A command as a POSIX shell would write it. */
export const spoken = (command) => command.map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");

/** A replica by its process and its place, without the app: `web r3.0-1`. */
export const place = ({ replica, process }) => `${process} ${replica.split(`-${process}-`).at(-1)}`;
