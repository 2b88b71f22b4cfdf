/** The domains of an app: whether DNS leads here, what it must say, and the certificate of each. */

import { post, remove } from "./api.js";
import { button, copyButton, h, say } from "./dom.js";
import { cancel, dialog, field, form } from "./forms.js";
import { time, words } from "./format.js";
import { entry, Listing, mark } from "./listing.js";

const CERTIFICATES = { active: "good", internal: "warn", pending: "warn", failed: "bad" };

export function domainsTab(root, page) {
  const path = `/apps/${page.app.id}/domains`;
  const may = page.may("maintainer");
  const add = button("Add domain", { symbol: "plus", hidden: !may, onclick: () => ask(path, list) });
  const row = (domain) => {
    const one = `${path}/${encodeURIComponent(domain.name)}`;
    const check = async () => {
      await post(`${one}/check`);
      say(`${domain.name} is checked.`);
    };
    const does = may && [
      list.does("Check now", check, { "aria-label": `Check ${domain.name} now` }),
      list.removes({ name: domain.name, sentences: ["It does not lead to the app any more, at once."], act: () => remove(one) }),
    ];
    const { certificate, dns } = domain;
    const beside = [
      mark(domain.status, domain.status === "active" ? "good" : "warn"),
      certificate.status !== "none" && mark(`certificate ${words(certificate.status)}`, CERTIFICATES[certificate.status]),
    ];
    return [entry(domain.name, beside, lines(domain), does), dns.ok || domain.status === "active" ? null : record(domain)];
  };
  const list = new Listing({
    title: "Domains",
    path,
    row,
    tools: [add],
    none: `No domains of its own yet. The app answers at ${page.app.url}.`,
  });
  root.append(list.root);
  return list;
}

function lines({ certificate, dns, checked_at }) {
  const found = dns.found.length ? `DNS has ${dns.found.join(", ")}` : (dns.error ?? "DNS has no address").replace(/\.$/, "");
  const meant = dns.ok ? "that is here" : `it should have ${dns.expected.join(" or ")}`;
  return [
    [`${found}; ${meant}. Checked `, time(checked_at), "."],
    certificate.expires_at && ["Certificate by ", certificate.issuer ?? "an unknown issuer", ", ends ", time(certificate.expires_at), "."],
    certificate.error && [certificate.error, certificate.retry_at && [" Tried again ", time(certificate.retry_at), "."]],
  ];
}

/** What DNS must say before the domain leads here. */
function record({ dns, verification, name }) {
  const addresses = dns.expected.map((address) => [address.includes(":") ? "AAAA" : "A", name, address]);
  const rows = [...addresses, [verification.type, verification.name, verification.value]];
  return h(
    "div.records",
    {},
    h("p.small", {}, "Set an address record, or the TXT record that proves whose the domain is:"),
    h(
      "div.scroll",
      { tabindex: "0", role: "group", "aria-label": "DNS records" },
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, ["Type", "Name", "Value", ""].map((text) => h("th", { scope: "col" }, text)))),
        h(
          "tbody",
          {},
          rows.map((row) =>
            h("tr", {}, row.map((text) => h("td", {}, h("code", {}, text))), h("td", {}, copyButton("Copy", () => row[2], { "aria-label": `Copy the ${row[0]} value` }))),
          ),
        ),
      ),
    ),
  );
}

function ask(path, list) {
  const name = field("name", "Domain", { placeholder: "www.example.com", autocapitalize: "none", spellcheck: "false" });
  dialog("Add a domain", (close) => {
    const send = async (body) => {
      const made = await post(path, body);
      close();
      say(`${made.name} is added.`);
      await list.refresh();
    };
    return [form({ fields: [name], label: "Add domain", send, after: cancel(close) })];
  });
}
