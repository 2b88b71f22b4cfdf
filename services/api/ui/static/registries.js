/** Logins for private registries: images there are pulled with them in all projects that the person owns. */

import { post, put, remove } from "./api.js";
import { button, h, say } from "./dom.js";
import { cancel, dialog, field, form } from "./forms.js";
import { time } from "./format.js";
import { entry, Listing } from "./listing.js";

const PATH = "/registries";
const plain = { autocapitalize: "none", spellcheck: "false" };

export function registries() {
  const add = button("Add registry", { symbol: "plus", onclick: () => ask(list) });
  const list = new Listing({
    title: "Registries",
    path: PATH,
    tools: [add],
    none: "None. With a login for a private registry, its images are pulled in all projects that you own.",
    row: (registry) => entry(registry.name, h("span.tag", {}, registry.server), [[`as ${registry.username}, since `, time(registry.created_at)]], does(registry, list)),
  });
  return list;
}

function does(registry, list) {
  const { id, name } = registry;
  const one = `${PATH}/${id}`;
  const check = async () => {
    const { ok, detail, code } = await post(`${one}/check`);
    say(ok ? `${name} takes the login.` : detail);
    dialog(ok ? "It works" : "It does not work", (close) => [
      h("p", {}, ok ? `${registry.server} takes the login.` : detail),
      code && h("p.muted.small", {}, h("code", {}, code)),
      h("div.actions", {}, button("Done", { kind: "primary", autofocus: true, onclick: close })),
    ].filter(Boolean));
  };
  return [
    list.does("Check", check, { "aria-label": `Check ${name}` }),
    button("Change password", { "aria-label": `Change the password of ${name}`, onclick: () => change(registry, one, list) }),
    list.removes({ name, sentences: ["Its private images are not pulled any more. What runs goes on."], act: () => remove(one) }),
  ];
}

const password = () => field("password", "Password or token", { type: "password", autocomplete: "off", hint: "Never shown again." });

function change({ name }, one, list) {
  dialog(`Password of ${name}`, (close) => {
    const send = async (body) => {
      await put(one, body);
      close();
      say("The password is saved.");
      await list.refresh();
    };
    return [form({ fields: [password()], label: "Save", send, after: cancel(close) })];
  });
}

function ask(list) {
  const fields = [
    field("name", "Name", { maxlength: 100 }),
    field("server", "Server", { ...plain, placeholder: "ghcr.io" }),
    field("username", "User name", { ...plain, hint: "AWS at ECR, your name at GHCR, _json_key at Google." }),
    password(),
  ];
  dialog("Add a registry", (close) => {
    const send = async (body) => {
      const made = await post(PATH, body);
      close();
      say(`${made.name} is added.`);
      await list.refresh();
    };
    return [form({ fields, label: "Add registry", send, after: cancel(close) })];
  });
}
