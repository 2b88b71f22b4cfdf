/** A program's terminal over a WebSocket: the screen, how it is connected, and what became of it. */

import { dial, isOver, refusal } from "./api.js";
import { h, say, write } from "./dom.js";
import { alert } from "./forms.js";
import { openScreen } from "./screen.js";

export class TerminalSession {
  /** `path` is the route. `opened()` comes when it is connected, `told(frame)` for a frame of the route's own. */
  constructor({ path, label, opened = () => {}, told = () => {} }) {
    Object.assign(this, { path, opened, told });
    this.trouble = alert();
    this.box = h("div.screen", { role: "group", "aria-label": label });
    this.state = h("p.small.muted.flow", { role: "status" }, "Not connected");
    this.root = h(
      "div",
      {},
      this.trouble.root,
      this.box,
      h("div.tools", {}, this.state, h("span.muted.small", {}, "Tab stays in the terminal; Ctrl+Shift+M leaves it.")),
    );
  }

  async connect(query) {
    this.trouble.clear();
    this.opening ??= openScreen(this.box, {
      typed: (bytes) => this.line?.send(bytes),
      sized: (size) => this.size(size),
    });
    this.screen = await this.opening;
    if (this.stopped) {
      this.screen.stop();
      return;
    }
    this.close();
    this.screen.clear();
    this.tell("Connecting…", "");
    this.ended = null;
    this.line = dial(this.path, query, {
      opened: () => {
        this.tell("Connected", "live");
        this.opened();
        this.size(this.screen.size());
        this.screen.focus();
      },
      came: (data) => (typeof data === "string" ? this.control(JSON.parse(data)) : this.screen.write(new Uint8Array(data))),
      over: (event) => this.over(event),
    });
  }

  control(frame) {
    if (frame.type === "exit") this.ended = frame;
    else this.told(frame);
  }

  size({ cols, rows }) {
    this.line?.send(JSON.stringify({ type: "resize", cols, rows }));
  }

  /** The program ended, the session was ended, or the connection broke: tell which. */
  async over({ reason }) {
    this.line = null;
    const { ended } = this;
    if (ended && ended.code !== null) this.tell(`Ended with exit code ${ended.code}`, "");
    else if (ended) this.tell(`Ended: ${ended.detail || ended.reason}`, "lost");
    else this.tell(`Not connected${reason ? ` (${reason})` : ""}`, "lost");
    say(this.state.textContent);
    if (!ended) await this.why();
  }

  /** Show why the route would refuse; `true` when it would take us. */
  async why() {
    const problem = await refusal(this.path);
    if (problem && !isOver(problem) && !this.stopped) this.trouble.show(problem);
    return problem === null;
  }

  tell(text, kind) {
    write(this.state, text);
    this.state.dataset.kind = kind;
  }

  close() {
    this.line?.close();
    this.line = null;
  }

  stop() {
    this.stopped = true;
    this.close();
    this.screen?.stop();
    this.screen = null;
  }
}
