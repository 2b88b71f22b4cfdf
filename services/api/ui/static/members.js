/** Who may work in a project. */

import { put, remove, session } from "./api.js";
import { button, h, say } from "./dom.js";
import { cancel, dialog, field, form, select } from "./forms.js";
import { time } from "./format.js";
import { entry, Listing } from "./listing.js";
import { ROLES } from "./roles.js";

export function membersTab(root, page) {
  const path = `/projects/${page.id}/members`;
  const may = page.may("owner");
  const add = button("Add member", { symbol: "plus", hidden: !may, onclick: () => ask(path, list) });
  const list = new Listing({
    title: "Members",
    path,
    tools: [add],
    called: ({ email }) => email,
    none: "Nobody but its owner works in this project.",
    row: (member) => entry(member.email, h("span.tag", {}, member.role), [["since ", time(member.created_at)]], does(member, path, list, may)),
  });
  root.append(list.root, h("p.muted.small.below", {}, "The owner is not in the list; admins of the server may do everything. A change holds at once, for open logs and terminals too."));
  return list;
}

function does({ user_id, email, role }, path, list, may) {
  const one = `${path}/${user_id}`;
  if (!may) {
    const leave = list.removes({ name: "this project", label: "Leave", sentences: ["You do not see it any more, at once."], act: () => left(one) });
    return user_id === session.current?.user.id && leave;
  }
  const change = () =>
    dialog(`Role of ${email}`, (close) => {
      const chosen = select("role", "Role", ROLES);
      chosen.fill(role);
      const send = async (body) => {
        await put(one, body);
        close();
        say(`${email} is ${body.role} now.`);
        await list.refresh();
      };
      return [form({ fields: [chosen], label: "Save", send, after: cancel(close) })];
    });
  return [
    button("Change role", { "aria-label": `Change the role of ${email}`, onclick: change }),
    list.removes({ name: email, sentences: ["They do not see the project any more, at once."], act: () => remove(one) }),
  ];
}

async function left(one) {
  await remove(one);
  location.hash = "#/projects";
}

function ask(path, list) {
  const email = field("email", "Email", { type: "email", inputmode: "email", autocapitalize: "none", spellcheck: "false", hint: "Of somebody who has an account on this server." });
  const role = select("role", "Role", ROLES);
  role.fill("deployer");
  dialog("Add a member", (close) => {
    const send = async (body) => {
      const made = await put(`${path}/${encodeURIComponent(body.email.trim())}`, { role: body.role });
      close();
      say(`${made.email} is ${made.role} now.`);
      await list.refresh();
    };
    return [form({ fields: [email, role], label: "Add member", send, after: cancel(close) })];
  });
}
