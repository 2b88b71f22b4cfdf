/** Lines of a log: many of them, followed while a person looks at the end. */

import { button, h } from "./dom.js";

const MOST = 3000;
const NEAR = 40;
/** Colours and cursor moves of terminals; what they are for is lost on a page. */
const ESCAPES = /\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\))/g;

export class LogLines {
  constructor(label, { onheld = () => {} } = {}) {
    this.waiting = [];
    this.wanted = "";
    this.paused = false;
    this.onheld = onheld;
    this.list = h("div.lines", { tabindex: "0", role: "log", "aria-live": "off", "aria-label": label });
    this.empty = h("p.muted", {}, "Nothing was written yet.");
    this.end = button("To the end", { symbol: "down", hidden: true, onclick: () => this.follow() });
    this.end.classList.add("end");
    this.root = h("div.log", {}, this.empty, this.list, this.end);
    this.list.addEventListener("scroll", () => (this.end.hidden = this.following), { passive: true });
  }

  get following() {
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    return scrollHeight - scrollTop - clientHeight < NEAR;
  }

  add(line) {
    this.push({ ...line, message: line.message.replace(ESCAPES, "") });
  }

  note(text) {
    this.push({ note: text, message: text });
  }

  push(entry) {
    this.waiting.push(entry);
    if (this.waiting.length > MOST) this.waiting.shift();
    if (this.paused) this.onheld(this.waiting.length);
    else this.frame ??= setTimeout(() => this.draw(), 50);
  }

  draw() {
    this.frame = null;
    const followed = this.following;
    const drawn = this.waiting.splice(0).map((entry) => this.row(entry));
    this.empty.hidden = true;
    this.list.append(...drawn);
    for (let over = this.list.childElementCount - MOST; over > 0; over -= 1) this.list.firstChild.remove();
    if (followed) this.follow();
    else this.end.hidden = false;
  }

  row(entry) {
    const hidden = !this.fits(entry.message);
    if (entry.note) return h("p.note", { hidden }, entry.note);
    return h(
      "p",
      { "data-stream": entry.stream, hidden },
      entry.at && h("time.at", { datetime: entry.at, title: entry.at }, clock(entry.at)),
      entry.replica && h("span.from", { title: entry.replica }, short(entry.replica)),
      h("span.said", {}, entry.message),
    );
  }

  fits(message) {
    return !this.wanted || message.toLowerCase().includes(this.wanted);
  }

  /** Show only lines with `text`; how many there are. */
  filter(text) {
    this.wanted = text.trim().toLowerCase();
    let shown = 0;
    for (const row of this.list.children) {
      row.hidden = !this.fits(row.lastChild.textContent);
      shown += row.hidden ? 0 : 1;
    }
    this.follow();
    return shown;
  }

  toggle() {
    this.paused = !this.paused;
    if (!this.paused && this.waiting.length) this.draw();
    return this.paused;
  }

  follow() {
    this.list.scrollTop = this.list.scrollHeight;
    this.end.hidden = true;
  }

  clear() {
    this.waiting = [];
    this.list.replaceChildren();
    this.empty.hidden = false;
  }

  stop() {
    clearTimeout(this.frame);
  }
}

/** The time of day where the reader is, to the millisecond. */
function clock(at) {
  const date = new Date(at);
  return `${date.toLocaleTimeString(undefined, { hour12: false })}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** The end of a replica's name tells it from the others. */
const short = (replica) => replica.split("-").slice(-2).join("-");
