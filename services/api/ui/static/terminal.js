/** A shell in a running replica. */

import { get, isOver } from "./api.js";
import { button, h, write } from "./dom.js";
import { place } from "./format.js";
import { TerminalSession } from "./terminal-session.js";

export function terminalTab(root, page) {
  if (!page.may("maintainer")) {
    root.append(h("p.muted", {}, "Who may change the project may open a terminal."));
    return {};
  }
  const tab = new TerminalTab(root, page);
  tab.begin();
  return tab;
}

class TerminalTab {
  constructor(root, page) {
    this.page = page;
    this.command = h("input.search", { "aria-label": "Command", value: "/bin/sh", spellcheck: "false", autocapitalize: "none" });
    this.replica = h("select.pick", { "aria-label": "Replica" }, h("option", { value: "" }, "Any replica"));
    this.go = button("Connect", { kind: "primary", type: "submit" });
    this.session = new TerminalSession({
      path: `/apps/${page.app.id}/exec`,
      label: "Terminal",
      opened: () => write(this.go.lastChild, "Connect again"),
    });
    const start = (event) => {
      event.preventDefault();
      this.connect();
    };
    root.append(h("form.tools", { onsubmit: start }, this.command, this.replica, this.go), this.session.root);
  }

  async begin() {
    await this.know();
    if (this.session.stopped) return;
    if (this.page.app.status === "running") await this.connect();
    else this.session.tell("The app does not run.", "");
  }

  async know() {
    try {
      const { replicas } = await get(`/apps/${this.page.app.id}/stats`);
      this.replica.append(...replicas.map((each) => h("option", { value: each.replica }, place(each))));
    } catch (problem) {
      isOver(problem); // the list is a help only
    }
  }

  connect() {
    return this.session.connect({ cmd: this.command.value, replica: this.replica.value || null });
  }

  stop() {
    this.session.stop();
  }
}
