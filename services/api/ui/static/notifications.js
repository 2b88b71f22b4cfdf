/** Who is told when something happens: the hooks of the app's project. */

import { all, isOver, post, put, remove } from "./api.js";
import { button, copyButton, h, say } from "./dom.js";
import { alert, cancel, check, dialog, field, form, select } from "./forms.js";
import { time } from "./format.js";
import { entry, Listing, mark } from "./listing.js";

const KINDS = { delivered: "good", pending: "warn", failed: "bad" };

export function notificationsTab(root, page) {
  if (!page.may("maintainer")) {
    root.append(h("p.muted", {}, "Who may change the project sees its notifications."));
    return {};
  }
  const path = `/projects/${page.app.project_id}/notifications`;
  const add = button("Add hook", { symbol: "plus", onclick: () => ask(path, page.app, list) });
  const list = new Listing({
    title: "Notifications",
    path,
    tools: [add],
    none: "Nobody is told yet. A hook is sent the events of the project, to any address or to Slack.",
    row: (hook) => entry(hook.name, beside(hook), lines(hook, page.app), does(hook, `${path}/${hook.id}`, list)),
  });
  root.append(list.root);
  return list;
}

const beside = ({ active, kind }) => [mark(active ? "on" : "off", active ? "good" : ""), h("span.tag", {}, kind)];

const lines = ({ url, events, apps, problem }, app) => [
  h("code", {}, url),
  [h("code", {}, events.join(", ")), apps === null ? " of every app of the project" : apps.includes(app.id) ? ` of ${apps.length === 1 ? "this app" : `this app and ${apps.length - 1} more`}` : " of other apps"],
  problem,
];

function does(hook, one, list) {
  const test = async () => {
    await post(`${one}/test`);
    say("A test is sent.");
    deliveries(hook, one);
  };
  return [
    list.does("Send a test", test, { "aria-label": `Send a test to ${hook.name}` }),
    button("Deliveries", { "aria-label": `Deliveries of ${hook.name}`, onclick: () => deliveries(hook, one) }),
    hook.secret && copyButton("Copy secret", () => hook.secret, { "aria-label": `Copy the secret of ${hook.name}` }),
    list.does(hook.active ? "Turn off" : "Turn on", () => put(one, { active: !hook.active }), { "aria-label": `Turn ${hook.name} ${hook.active ? "off" : "on"}` }),
    list.removes({ name: hook.name, sentences: ["Nothing is sent there any more."], act: () => remove(one) }),
  ];
}

function deliveries(hook, one) {
  const top = alert();
  const rows = h("ul.rows");
  const root = dialog(`Deliveries of ${hook.name}`, () => [top.root, rows]);
  const row = (delivery) =>
    h(
      "li.item",
      {},
      h(
        "div.what",
        {},
        h("div.named", {}, h("code", {}, delivery.event), mark(delivery.status, KINDS[delivery.status])),
        h("p.muted.small", {}, time(delivery.created_at), delivery.detail && ` · ${delivery.detail}`),
      ),
      delivery.status === "failed" &&
        button("Send again", { onclick: () => attempt(() => post(`${one}/deliveries/${delivery.id}/redeliver`)) }),
    );
  const attempt = async (work) => {
    try {
      await work();
      const found = await all(`${one}/deliveries`);
      rows.replaceChildren(...(found.length ? found.map(row) : [h("li.none.muted", {}, "Nothing was sent yet.")]));
    } catch (problem) {
      if (!isOver(problem)) top.show(problem);
    }
  };
  const again = async () => {
    if (!root.open) return;
    await attempt(async () => {});
    setTimeout(again, 3000);
  };
  again();
}

function ask(path, app, list) {
  const fields = [
    field("name", "Name", { maxlength: 100 }),
    select("kind", "Kind", [
      ["webhook", "Webhook, signed"],
      ["slack", "Slack"],
    ]),
    field("url", "Address", { placeholder: "https://…", inputmode: "url", autocapitalize: "none", spellcheck: "false" }),
    field("events", "Events", {
      value: "deployment.*",
      hint: "Separated by commas: deployment.failed, deployment.* or *.",
      read: (text) => text.split(",").map((each) => each.trim()),
    }),
    check("apps", "Only of this app", { checked: true }),
  ];
  dialog("Add a hook", (close) => {
    const send = async (body) => {
      const made = await post(path, { ...body, apps: body.apps ? [app.id] : null });
      close();
      say(`The hook ${made.name} is made.`);
      await list.refresh();
    };
    return [form({ fields, label: "Add hook", send, after: cancel(close) })];
  });
}
