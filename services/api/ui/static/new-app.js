/** The form for a new app. */

import { post } from "./api.js";
import { say } from "./dom.js";
import { cancel, dialog, field, form } from "./forms.js";

const SLUG_LENGTH = 48;

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
  const image = field("image", "Image", {
    hint: "From any registry. It may stay empty until the first deploy.",
    placeholder: "nginx:alpine",
    autocapitalize: "none",
    spellcheck: "false",
    read: (text) => text.trim() || undefined,
  });
  const port = field("internal_port", "Port", {
    hint: "Where the app listens inside of its container.",
    inputmode: "numeric",
    value: "80",
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
    const send = async (body) => {
      const app = await post(`/projects/${project.id}/apps`, body);
      close();
      say(`The app ${app.name} is made. Deploy it to make it live.`);
      await done(app);
    };
    return [form({ fields: [name, slug, image, port], label: "Create app", send, after: cancel(close) })];
  });
}

/** A whole number as one; anything else goes as it is, and the API says what it takes. */
const number = (text) => (text.trim() === "" ? undefined : /^\d+$/.test(text.trim()) ? Number(text) : text);

function addressOf(status, slug) {
  const { protocol, port } = new URL(status.url);
  return `${protocol}//${slug}-app.${status.base_domain}${port && `:${port}`}`;
}
