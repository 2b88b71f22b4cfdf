/** A coding session: Codex in the app's source. It costs its user's quota, so that none begins by itself. */

import { isOver, refusal } from "./api.js";
import { button, busy, h, write } from "./dom.js";
import { alert, area, check, field } from "./forms.js";
import { time } from "./format.js";
import { modelKeyForm } from "./model-key.js";
import { TerminalSession } from "./terminal-session.js";

export function codexTab(root, page) {
  if (!page.may("maintainer")) {
    root.append(h("p.muted", {}, "Who may change the project may open coding sessions."));
    return {};
  }
  const tab = new CodexTab(root, page);
  tab.look();
  return tab;
}

class CodexTab {
  constructor(root, page) {
    Object.assign(this, { root, page, path: `/apps/${page.app.id}/codex` });
    this.trouble = alert();
    this.wait = h("p.muted", {}, "Loading…");
    root.append(this.trouble.root, this.wait);
  }

  /** Whether a session could begin now, and else what is missing. */
  async look() {
    this.trouble.clear();
    const problem = await refusal(this.path);
    if (this.stopped || (problem && isOver(problem))) return;
    this.wait.remove();
    this.need?.remove();
    if (problem?.code === "codex_key_missing") this.root.append((this.need = this.askForKey(problem)));
    else if (problem) this.trouble.show(problem);
    else this.begin();
  }

  askForKey(problem) {
    return h(
      "section.card.pad.slim",
      { "aria-label": "Your key for the model" },
      h("h2", {}, "Your key for the model"),
      h("p.muted", {}, `${problem.detail} Sessions that you open are paid with it; none of them gets to see it, and nobody is shown it again.`),
      modelKeyForm(() => this.look()),
    );
  }

  begin() {
    const { git_repo_url, git_branch } = this.page.app;
    this.prompt = area("prompt", "Task", { rows: 3, hint: "Codex works on it without asking, and ends. Empty: a terminal to talk in." });
    this.model = field("model", "Model", { hint: "Empty: the tool’s own choice.", spellcheck: "false", autocapitalize: "none" });
    this.preview = check("preview", "Deploy each push as a preview", { hint: "It runs what the model wrote, with the app’s variables." });
    this.preview.root.hidden = !git_repo_url;
    this.go = button("Start", { kind: "primary", type: "submit" });
    this.end = button("End", { hidden: true, onclick: () => this.close() });
    this.pushes = h("ol.rows.events");
    this.pushed = h("section.card", { "aria-label": "Pushes", hidden: true }, h("div.head.bar", {}, h("h2", {}, "Pushes")), this.pushes);
    this.session = new TerminalSession({ path: this.path, label: "Codex", opened: () => this.opened(), told: (frame) => this.told(frame) });
    const start = (event) => {
      event.preventDefault();
      busy(this.go, () => this.connect());
    };
    const source = git_repo_url ? `a checkout of ${git_repo_url}${git_branch ? `, ${git_branch}` : ""}` : "an empty folder, for the app has no repository";
    this.root.append(
      h(
        "section.card.pad",
        { "aria-label": "New session" },
        h("h2", {}, "Codex"),
        h("p.muted", {}, `A container of its own with ${source}. It pushes to a branch of its own and reaches nothing else. It ends when you leave this page.`),
        h(
          "form",
          { onsubmit: start, novalidate: true },
          this.prompt.root,
          h("div.pair", {}, this.model.root, this.preview.root),
          h("div.actions", {}, this.end, this.go),
        ),
      ),
      h("div.below", {}, this.session.root),
      this.pushed,
    );
  }

  connect() {
    return this.session.connect({
      prompt: this.prompt.text().trim() || null,
      model: this.model.text().trim() || null,
      preview: this.preview.value() || null,
    });
  }

  opened() {
    write(this.go.lastChild, "Start another");
    this.end.hidden = false;
  }

  close() {
    this.session.close();
    this.session.tell("Ended by you", "");
    this.end.hidden = true;
    this.go.focus();
  }

  told(frame) {
    if (frame.type !== "pushed") return;
    this.pushed.hidden = false;
    this.pushes.prepend(
      h(
        "li",
        {},
        h("span", {}, h("code", {}, frame.commit.slice(0, 7)), " to ", h("code", {}, frame.branch), frame.detail && `. ${frame.detail}`),
        frame.app && h("a", { href: `#/apps/${frame.app}` }, frame.app),
        h("span.muted.small", {}, time(new Date().toISOString())),
      ),
    );
  }

  stop() {
    this.stopped = true;
    this.session?.stop();
  }
}
