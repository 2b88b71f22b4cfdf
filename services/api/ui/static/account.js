/** A person's own: GitHub, registries, the key for the model, password and sign-ins. */

import { isOver, post, remove, session } from "./api.js";
import { h } from "./dom.js";
import { alert, field, form } from "./forms.js";
import { time } from "./format.js";
import { connectButton } from "./github.js";
import { entry, Listing, mark } from "./listing.js";
import { modelKeyCard } from "./model-key.js";
import { registries } from "./registries.js";

export function accountPage(root) {
  const trouble = alert();
  const attempt = async (work) => {
    try {
      await work();
      trouble.clear();
    } catch (problem) {
      if (!isOver(problem)) trouble.show(problem);
    }
  };
  const lists = [connections(trouble), registries(), signIns()];
  root.append(
    h("div.title", {}, h("div", {}, h("h1", {}, "Account"), h("p.muted.summary", {}, session.current.user.email))),
    trouble.root,
    h("div.stack", {}, lists[0].root, lists[1].root, modelKeyCard(attempt), password(), lists[2].root),
  );
  return () => {
    for (const each of lists) each.stop();
  };
}

function connections(trouble) {
  const path = "/git/connections";
  const list = new Listing({
    title: "Git connections",
    path,
    whole: true,
    tools: [connectButton("Connect GitHub", trouble)],
    called: ({ account }) => account,
    none: "None. With one, Dockup reads your private repositories and makes their webhooks, so that pushes deploy.",
    row: ({ id, provider, server, account, scopes, problem, created_at }) =>
      entry(
        account,
        [mark(problem ? "does not work" : "connected", problem ? "bad" : "good"), h("span.tag", {}, provider)],
        [problem, [`${server} · `, h("code", {}, scopes.join(", ") || "no scopes"), " · since ", time(created_at)]],
        list.removes({
          name: account,
          label: "Disconnect",
          sentences: ["Its token is revoked. Private repositories are not built any more, and Dockup makes no webhooks at it."],
          act: () => remove(`${path}/${id}`),
        }),
      ),
  });
  return list;
}

function password() {
  const fields = [
    field("current_password", "Current password", { type: "password", autocomplete: "current-password" }),
    field("new_password", "New password", { type: "password", autocomplete: "new-password", hint: "8 to 200 characters." }),
  ];
  const send = async (body) => {
    await post("/auth/password", body);
    session.end();
    window.dispatchEvent(new CustomEvent("signed-out", { detail: "Your password is changed. Sign in with the new one." }));
  };
  return h(
    "section.card.pad",
    { "aria-label": "Password" },
    h("h2", {}, "Password"),
    h("p.muted.small", {}, "Every sign-in of yours ends with it, this one too. API keys stay."),
    form({ fields, label: "Change password", send, columns: true }),
  );
}

/** Everything that is signed in as this person. */
function signIns() {
  const list = new Listing({
    title: "Sign-ins",
    path: "/auth/sessions",
    newest: true,
    none: "None.",
    row: ({ id, created_at, expires_at, address, agent, current }) =>
      entry(
        clientOf(agent ?? ""),
        current && h("span.tag", {}, "this one"),
        [[address ? `from ${address}, ` : "", time(created_at), ", ends ", time(expires_at)]],
        !current && list.removes({ name: "this sign-in", label: "End", sentences: [`${clientOf(agent ?? "")}, from ${address ?? "an unknown address"}. It is signed out at once.`], act: () => remove(`/auth/sessions/${id}`) }),
      ),
  });
  return list;
}

const PROGRAMS = [
  ["Edge", /\bEdg/],
  ["Firefox", /\bFirefox\//],
  ["Chrome", /Chrom(?:e|ium)\//],
  ["Safari", /\bSafari\//],
];
const SYSTEMS = [
  ["Android", /Android/],
  ["iPhone or iPad", /iPhone|iPad/],
  ["macOS", /Mac OS X/],
  ["Windows", /Windows/],
  ["Linux", /Linux/],
];

/** What a person would call the client that calls itself so. */
function clientOf(agent) {
  const found = (known) => known.find(([, pattern]) => pattern.test(agent))?.[0];
  const program = found(PROGRAMS) ?? (agent.split(/[\s/]/)[0] || "Unknown client");
  const system = found(SYSTEMS);
  return system ? `${program} on ${system}` : program;
}
