/** Where an app's image comes from, and what pushes do. */

import { get, isOver } from "./api.js";
import { Build } from "./build.js";
import { button, copyButton, h, say, write } from "./dom.js";
import { deliveriesOf } from "./deliveries.js";
import { alert, area, check, field, number, select } from "./forms.js";
import { capital } from "./format.js";
import { connectButton, repositories } from "./github.js";
import { mark } from "./listing.js";
import { openTo, Sheet } from "./sheet.js";

const EVERY = 4000;
const plain = { autocapitalize: "none", spellcheck: "false" };
const orNull = (text) => text.trim() || null;
const lines = (text) => text.split("\n").map((each) => each.trim()).filter(Boolean);

export function sourceTab(root, page) {
  return new SourceTab(root, page);
}

class SourceTab {
  constructor(root, page) {
    this.page = page;
    this.path = `/apps/${page.app.id}`;
    this.may = page.may("maintainer");
    this.source = this.from(page.app);
    this.previews = this.ofPullRequests(page.app);
    root.append(
      h("section.card.pad", { "aria-label": "Source" }, h("h2", {}, "Source"), this.said(), openTo(this.may, this.source)),
      (this.pushes = h("div.stack", { hidden: !page.app.git_repo_url })),
    );
    this.trouble = alert();
    this.hook = h("section.card", { "aria-label": "Webhook", hidden: !this.may });
    this.deliveries = deliveriesOf(page);
    this.build = new Build(page);
    this.pushes.append(...this.build.roots, this.trouble.root, this.hook, this.deliveries.root, h("section.card.pad", { "aria-label": "Previews" }, h("h2", {}, "Previews"), h("p.muted.small", {}, "Each goes when its pull request is closed. In effect at once."), openTo(this.may, this.previews)));
    this.run();
  }

  said() {
    return h("p.muted.small", {}, "An image from a registry, or a repository that Dockup builds. Changes are in effect with the next deploy.");
  }

  from(app) {
    const kind = select("kind", "The app comes from", [
      ["image", "An image"],
      ["git", "A git repository"],
    ]);
    const image = field("image", "Image", { ...plain, placeholder: "nginx:alpine", read: orNull });
    const repo = field("git_repo_url", "Repository", { ...plain, placeholder: "owner/repo", read: orNull, hint: "owner/repo at GitHub, or an https address of any git server.", list: "repositories" });
    const branch = field("git_branch", "Branch", { ...plain, read: orNull, hint: "Empty: the repository’s default branch." });
    const folder = field("root_directory", "Root directory", { ...plain, read: orNull, hint: "Of the app in the repository. Empty: the top." });
    const dockerfile = field("dockerfile_path", "Dockerfile", { ...plain, read: orNull, placeholder: "Dockerfile", hint: "Without one, Dockup writes it." });
    const auto = check("auto_deploy", "Deploy every push to the branch");
    const paths = area("watch_paths", "Only pushes that change", { rows: 2, read: lines, write: (list) => (list ?? []).join("\n"), hint: "A path or glob a line. Empty: every push.", placeholder: "src/**" });
    const tags = field("deploy_tags", "Deploy tags too", { ...plain, read: orNull, placeholder: "v*", hint: "A glob. Empty: no tags." });
    const ofGit = [repo, branch, folder, dockerfile, auto, paths, tags];
    const show = () => {
      image.root.hidden = kind.text() === "git";
      for (const each of ofGit) each.root.hidden = kind.text() === "image";
      if (kind.text() === "git") repositories(repo);
    };
    this.kind = (now) => {
      this.built = Boolean(now.git_repo_url);
      kind.fill(now.git_repo_url ? "git" : "image");
      show();
    };
    kind.input.addEventListener("change", () => {
      // What is not shown is not sent, but for the repository, which goes when the app is to come from an image.
      if (kind.text() === "image") repo.fill("");
      for (const each of kind.text() === "image" ? ofGit.slice(1) : [image]) each.fill(sheet.base.get(each));
      if (kind.text() === "git") repo.fill(sheet.base.get(repo));
      show();
    });
    const saved = async (now) => {
      this.kind(now);
      say("The source is saved.");
      await this.page.refresh();
    };
    const sheet = new Sheet({ path: this.path, seen: app, fields: [image, ...ofGit], before: kind.root, columns: true, saved });
    sheet.root.append(h("datalist", { id: "repositories" }));
    this.kind(app);
    return sheet;
  }

  ofPullRequests(app) {
    const fields = [
      check("enabled", "An app of its own for each pull request into the branch"),
      field("ttl_hours", "Removed after, hours without a push", { inputmode: "numeric", read: number(undefined) }),
      check("forks", "Also of other people’s forks", { hint: "Their code then runs here with the app’s variables." }),
    ];
    const saved = async () => {
      say("Previews are saved.");
      await this.page.refresh();
    };
    const more = { part: ({ preview }) => preview, wrap: (preview) => ({ preview }), within: "/preview" };
    return new Sheet({ path: this.path, seen: app, fields, saved, ...more });
  }

  async run() {
    await this.refresh();
    if (!this.stopped) this.timer = setTimeout(() => this.run(), EVERY);
  }

  async refresh() {
    if (document.hidden || this.pushes.hidden || !this.may) return;
    try {
      const hook = await get(`${this.path}/webhook`);
      if (!this.stopped) this.show(hook);
      this.trouble.clear();
    } catch (problem) {
      if (!isOver(problem) && !this.stopped && problem.code !== "no_answer") this.trouble.show(problem);
    }
  }

  show(hook) {
    const text = JSON.stringify(hook);
    if (text === this.shown) return;
    this.shown = text;
    const { provider, active, detail, url, secret, events } = hook;
    const github = provider === "github" && !active;
    this.hook.replaceChildren(
      h("div.head.bar", {}, h("h2", {}, "Webhook"), mark(active ? "active" : "not made by Dockup", active ? "good" : ""), h("span.grow"), github && connectButton("Connect GitHub", this.trouble)),
      h(
        "div.pad",
        {},
        h("p.muted", {}, active ? `Dockup made it at ${provider} and keeps it so.` : `${capital(detail.replace(/\.$/, ""))}. Where it is made by hand, its content type is application/json:`),
        secretLine("Address", url),
        secretLine("Secret", secret, true),
        h("p.muted.small", {}, "Events: ", h("code", {}, events.join(", "))),
      ),
    );
  }

  update(app) {
    const came = this.pushes.hidden && app.git_repo_url;
    this.pushes.hidden = !app.git_repo_url;
    if (came) this.refresh();
    this.source.update(app);
    if (this.built !== Boolean(app.git_repo_url)) this.kind(app);
    this.previews.update(app);
    this.build.update(app);
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.deliveries.stop();
  }
}

/** A value to copy; a secret stays covered until somebody looks. */
function secretLine(label, value, covered = false) {
  const text = h("code", {}, covered ? "••••••••" : value);
  const look = button("Show", { symbol: "eye", "aria-pressed": "false", "aria-label": `Show the ${label.toLowerCase()}` });
  look.addEventListener("click", () => {
    const open = look.getAttribute("aria-pressed") === "false";
    look.setAttribute("aria-pressed", String(open));
    write(look.lastChild, open ? "Hide" : "Show");
    write(text, open ? value : "••••••••");
  });
  return h("div.secret", {}, h("span.muted.small", {}, label), text, covered && look, copyButton("Copy", () => value, { "aria-label": `Copy the ${label.toLowerCase()}` }));
}
