/** Who has an account on this server; an admin's page. */

import { post, put, remove, session } from "./api.js";
import { button, copyButton, h, say } from "./dom.js";
import { cancel, dialog, field, form, select } from "./forms.js";
import { time } from "./format.js";
import { entry, Listing, mark } from "./listing.js";

const PATH = "/users";
const ROLES = [
  ["member", "Member: has projects, and those where they are a member"],
  ["admin", "Admin: may do everything, everywhere"],
];

export function usersPage(root) {
  const add = button("New user", { kind: "primary", symbol: "plus", onclick: () => ask(list) });
  const list = new Listing({ title: "Everybody", path: PATH, called: ({ email }) => email, none: "Nobody.", row: (user) => row(user, list) });
  root.append(h("div.title", {}, h("div", {}, h("h1", {}, "Users"), h("p.muted.summary", {}, "Who may sign in to this server.")), add), list.root);
  return () => list.stop();
}

function row(user, list) {
  const { id, email, role, disabled, created_at } = user;
  const one = `${PATH}/${id}`;
  const mine = id === session.current?.user.id;
  const turn = () => put(one, { disabled: !disabled });
  return entry(
    email,
    [disabled && mark("disabled", "bad"), h("span.tag", {}, role), mine && h("span.tag", {}, "you")],
    [["since ", time(created_at)]],
    !mine && [
      button("Change", { "aria-label": `Change ${email}`, onclick: () => change(user, one, list) }),
      list.does(disabled ? "Enable" : "Disable", turn, { "aria-label": `${disabled ? "Enable" : "Disable"} ${email}` }),
      list.removes({ name: email, label: "Remove", sentences: ["Their sign-ins and API keys end at once. Who owns projects cannot be removed: delete those first, or disable the user."], act: () => remove(one) }),
    ],
  );
}

function change(user, one, list) {
  const role = select("role", "Role", ROLES);
  role.fill(user.role);
  const password = field("password", "New password", {
    type: "password",
    autocomplete: "new-password",
    read: (text) => text || undefined,
    hint: "Empty: it stays. A new one ends all of their sign-ins.",
  });
  dialog(`Change ${user.email}`, (close) => {
    const send = async (body) => {
      await put(one, body);
      close();
      say(`${user.email} is changed.`);
      await list.refresh();
    };
    return [form({ fields: [role, password], label: "Save", send, after: cancel(close) })];
  });
}

function ask(list) {
  const fields = [
    field("email", "Email", { type: "email", inputmode: "email", autocapitalize: "none", spellcheck: "false" }),
    select("role", "Role", ROLES),
    field("password", "Password", { type: "password", autocomplete: "new-password", read: (text) => text || undefined, hint: "Empty: one is made and shown once." }),
  ];
  dialog("New user", (close) => {
    const send = async (body) => {
      const made = await post(PATH, body);
      close();
      say(`${made.email} may sign in.`);
      await list.refresh();
      if (made.password) present(made);
    };
    return [form({ fields, label: "Create user", send, after: cancel(close) })];
  });
}

const present = ({ email, password }) =>
  dialog("Their password", (close) => [
    h("p", {}, `${email} signs in with it. It is shown this once.`),
    h("div.secret", {}, h("code", {}, password), copyButton("Copy", () => password, { autofocus: true, "aria-label": "Copy the password" })),
    h("div.actions", {}, button("Done", { kind: "primary", onclick: close })),
  ]);
