/** What stands in front of an app at the proxy: HTTPS, maintenance, redirects and passwords. All of it is in effect at once. */

import { h, say } from "./dom.js";
import { Entries } from "./entries.js";
import { check, field, number, select } from "./forms.js";
import { openTo, Sheet } from "./sheet.js";

const plain = { autocapitalize: "none", spellcheck: "false" };
/** By their numbers, as `PUT` takes them. */
const STATUSES = [
  ["308", "308, for good"],
  ["307", "307, for now"],
  ["301", "301, for good; a POST may become a GET"],
  ["302", "302, for now; a POST may become a GET"],
];

export function accessTab(root, page) {
  const may = page.may("maintainer");
  const sheets = [https(page), maintenance(page)];
  const lists = [redirects(page), passwords(page)];
  const card = (title, hint, content) => h("section.card.pad", { "aria-label": title }, h("h2", {}, title), h("p.muted.small", {}, hint), content);
  root.append(
    h("p.muted.small.above", {}, "What happens to a request before it gets to the app. Changes are in effect at once, without a deploy."),
    h(
      "div.halves",
      {},
      card("HTTPS", "Browsers that came by plain HTTP.", openTo(may, sheets[0])),
      card("Maintenance", "What runs goes on; nobody gets to it.", openTo(may, sheets[1])),
    ),
    ...lists.map((each) => each.root),
  );
  return {
    update: (app) => {
      for (const each of [...sheets, ...lists]) each.update(app);
    },
  };
}

const sheet = (page, fields, said, more = {}) =>
  new Sheet({
    path: `/apps/${page.app.id}`,
    seen: page.app,
    fields,
    saved: async () => {
      say(said);
      await page.refresh();
    },
    ...more,
  });

const https = (page) => sheet(page, [check("https_redirect", "Send plain HTTP on to HTTPS")], "HTTPS is saved.");

const maintenance = (page) =>
  sheet(
    page,
    [
      check("enabled", "Answer every request with 503"),
      field("retry_after_seconds", "Try again after, in seconds", { inputmode: "numeric", read: number(undefined), hint: "What clients are told: Retry-After." }),
    ],
    "Maintenance is saved.",
    { part: (app) => app.maintenance, wrap: (sent) => ({ maintenance: sent }), whole: true, within: "/maintenance" },
  );

function redirects(page) {
  return new Entries(page, {
    title: "Redirects",
    noun: "redirect",
    none: "None. A redirect sends those who ask for one of the app’s hosts on to another, path and query kept.",
    of: (app) => app.redirects.toSorted((one, other) => (one.from < other.from ? -1 : 1)),
    as: (items) => ({ redirects: items }),
    // A circle is told of where it begins: with the first.
    joined: (item, others) => [item, ...others],
    within: () => "/redirects/0",
    called: ({ from }) => from,
    said: ({ to, status }) => [["to ", h("code", {}, to), `, ${status}`]],
    fields: (item) => fields(page.app, item),
    gone: ({ from }) => `${from} leads to the app itself then, at once.`,
  });
}

/** From one of the app's hosts that is not sent on yet. */
function fields(app, item) {
  const taken = new Set(app.redirects.map(({ from }) => from));
  const hosts = [new URL(app.url).hostname, ...app.domains].filter((host) => host === item?.from || !taken.has(host));
  const from = select("from", "From", hosts.map((host) => [host, host]), { hint: hosts.length ? "" : "Every host of the app is sent on already." });
  const to = field("to", "To", { ...plain, placeholder: "www.example.com", hint: "A host, with nothing before or after it.", value: item?.to });
  const status = select("status", "How", STATUSES, { read: Number });
  if (item) {
    from.fill(item.from);
    status.fill(String(item.status));
  }
  return [from, to, status];
}

function passwords(page) {
  return new Entries(page, {
    title: "Password protection",
    noun: "user",
    none: "Everybody may see the app. With a user here, browsers ask for name and password.",
    of: (app) => app.basic_auth,
    as: (items) => ({ basic_auth: items }),
    within: (others) => `/basic_auth/${others.length}`,
    called: ({ username }) => username,
    said: () => [],
    fields: (item) => [
      ...(item ? [] : [field("username", "Name", plain)]),
      field("password", "Password", { type: "password", autocomplete: "new-password", hint: "8 to 128 characters. It is not shown again." }),
    ],
    gone: (_, others) => (others.length ? "This name does not open the app any more, at once." : "It is the last one: everybody may see the app then."),
  });
}
