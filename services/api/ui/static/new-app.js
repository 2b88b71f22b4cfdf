/** The form for a new app. */

import { post } from "./api.js";
import { h, say } from "./dom.js";
import { cancel, check, dialog, field, form, select } from "./forms.js";
import { repositories } from "./github.js";

const SLUG_LENGTH = 48;
const KINDS = [
  ["image", "An image"],
  ["git", "A git repository"],
];

/** What the API would make of the name, as far as a person wants to see it while typing. */
const slugOf = (name) =>
  name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, SLUG_LENGTH)
    .replace(/^-+|-+$/g, "");

export function newApp(project, status, done) {
  const name = field("name", "Name", { maxlength: 100 });
  const slug = field("slug", "Slug", { read: (text) => text || undefined, autocapitalize: "none", spellcheck: "false" });
  const plain = { autocapitalize: "none", spellcheck: "false", read: (text) => text.trim() || undefined };
  const kind = select("kind", "Comes from", KINDS, { read: () => undefined });
  const image = field("image", "Image", { ...plain, hint: "From any registry. It may stay empty until the first deploy.", placeholder: "nginx:alpine" });
  const repo = field("git_repo_url", "Repository", { ...plain, hint: "owner/repo at GitHub, or an https address.", placeholder: "owner/repo", list: "repositories-new" });
  const branch = field("git_branch", "Branch", { ...plain, hint: "Empty: the repository’s default branch." });
  const auto = check("auto_deploy", "Deploy every push");
  const ofGit = [repo, branch, auto];
  const choose = () => {
    const git = kind.text() === "git";
    image.root.hidden = git;
    for (const each of ofGit) each.root.hidden = !git;
    if (git) repositories(repo);
  };
  kind.input.addEventListener("change", choose);
  choose();
  const port = field("internal_port", "Port", {
    hint: "Where the app listens inside of its container. Empty: what the image exposes, else 80.",
    inputmode: "numeric",
    read: number,
  });
  let own = false;
  const preview = () => (slug.hinted.textContent = `Its address: ${addressOf(status, slug.input.value || "my-app")}`);
  name.input.addEventListener("input", () => {
    if (!own) slug.input.value = slugOf(name.input.value);
    preview();
  });
  slug.input.addEventListener("input", () => {
    own = slug.input.value !== "";
    preview();
  });
  preview();
  dialog(`New app in ${project.name}`, (close) => {
    const send = async (given) => {
      const { image: from, git_repo_url, git_branch, auto_deploy, ...body } = given;
      const source = kind.text() === "git" ? { git_repo_url: git_repo_url ?? "", git_branch, auto_deploy } : { image: from };
      const app = await post(`/projects/${project.id}/apps`, { ...body, ...source });
      close();
      say(`The app ${app.name} is made. Deploy it to make it live.`);
      await done(app);
    };
    const offered = h("datalist", { id: "repositories-new" });
    return [offered, form({ fields: [name, slug, kind, image, ...ofGit, port], label: "Create app", send, after: cancel(close) })];
  });
}

/** A whole number as one; anything else goes as it is, and the API says what it takes. */
const number = (text) => (text.trim() === "" ? undefined : /^\d+$/.test(text.trim()) ? Number(text) : text);

function addressOf(status, slug) {
  const { protocol, port } = new URL(status.url);
  return `${protocol}//${slug}-app.${status.base_domain}${port && `:${port}`}`;
}
