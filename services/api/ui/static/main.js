/** What is shown: the page that the address names, or the way in. */

import { accountPage } from "./account.js";
import { get, isOver, post, session } from "./api.js";
import { appPage, TABS } from "./app-page.js";
import { auditPage } from "./audit.js";
import { button, h, logo, say } from "./dom.js";
import { age } from "./format.js";
import { whereFrom } from "./github.js";
import { keysPage } from "./keys.js";
import { PROJECT_PARTS, projectPage } from "./project-page.js";
import { projectsPage } from "./projects.js";
import { signInPage } from "./sign-in.js";
import { usersPage } from "./users.js";

const PAGES = {
  "#/projects": { title: "Projects", show: projectsPage },
  "#/api-keys": { title: "API Keys", show: keysPage },
  "#/account": { title: "Account", show: accountPage },
  "#/audit": { title: "Audit", show: auditPage },
  "#/users": { title: "Users", show: usersPage, admin: true },
};
const FIRST = "#/projects";
/** Pages of one thing and its parts. */
const OF_ONE = [
  { address: /^#\/apps\/([a-z0-9-]{1,64}|app_[a-z0-9]{1,36})(?:\/([a-z]+))?$/, parts: TABS, show: appPage },
  { address: /^#\/projects\/(prj_[a-z0-9]{1,36})(?:\/([a-z]+))?$/, parts: PROJECT_PARTS, show: projectPage },
];
const AGE = 10_000;
const ENDED = "Your session has ended. Sign in again.";

const main = document.getElementById("main");
const bar = document.getElementById("bar");
let leave = () => {};
/** The page of one thing that is open: it changes its part without being made anew. */
let open = null;

function show(notice = "") {
  const current = session.current;
  const one = current && find(location.hash);
  if (one && open?.key === one.key) {
    for (const each of document.querySelectorAll("dialog")) each.close();
    open.page.go(one.part);
    return;
  }
  leave();
  open = null;
  for (const each of document.querySelectorAll("dialog")) each.close();
  const address = pageAt(location.hash, current);
  bar.hidden = !current;
  bar.replaceChildren(...(current ? top(current, one ? null : address) : []));
  main.replaceChildren();
  window.scrollTo(0, 0);
  if (one) {
    const page = one.show(main, one.id, one.part);
    open = { key: one.key, page };
    leave = () => page.stop();
    return;
  }
  const page = current ? PAGES[address] : { title: "Sign in", show: (root) => signInPage(root, { notice, done: () => show() }) };
  document.title = `${page.title} · Dockup`;
  leave = page.show(main, current) ?? (() => {});
}

function find(hash) {
  for (const { address, parts, show: of } of OF_ONE) {
    const found = address.exec(hash);
    if (found) return { key: `${address}${found[1]}`, id: found[1], part: found[2] in parts ? found[2] : Object.keys(parts)[0], show: of };
  }
  return null;
}

const may = (page, current) => !page.admin || current?.user.role === "admin";
const pageAt = (hash, current) => (hash in PAGES && may(PAGES[hash], current) ? hash : FIRST);

function top(current, address) {
  const links = Object.entries(PAGES)
    .filter(([, page]) => may(page, current))
    .map(([to, { title }]) => h("a", { href: to, "aria-current": to === address && "page" }, title));
  return [
    h("a.brand", { href: FIRST }, logo(), "Dockup"),
    h("nav", { "aria-label": "Main" }, links),
    h("span.who", { title: current.user.email }, current.user.email),
    button("Sign out", { kind: "quiet", symbol: "out", onclick: signOut }),
  ];
}

async function signOut() {
  let notice = "You are signed out.";
  try {
    await post("/auth/logout");
  } catch (problem) {
    if (isOver(problem)) return;
    notice = `You are signed out in this tab. ${problem.detail} The session itself may go on until it expires.`;
  }
  session.end();
  show(notice);
}

/** GitHub sent the browser back here, with a code of ours where it did not go well. */
async function comeBack() {
  const said = new URLSearchParams(location.search).get("git");
  if (!said) return;
  history.replaceState(null, "", `/${session.current ? whereFrom() : location.hash}`);
  show();
  if (said === "connected") {
    inform("GitHub is connected.");
    return;
  }
  try {
    const { title, hint } = await get(`/errors/${encodeURIComponent(said)}`);
    inform(`GitHub is not connected: ${title}. ${hint} (${said})`, "warn");
  } catch (problem) {
    if (!isOver(problem)) inform(`GitHub is not connected. (${said})`, "warn");
  }
}

function inform(text, kind = "") {
  main.prepend(h(kind ? "p.notice.warn" : "p.notice", { role: "status" }, text));
  say(text);
}

window.addEventListener("signed-out", ({ detail }) => show(detail || ENDED));
window.addEventListener("hashchange", () => {
  const before = open;
  show();
  if (!open || open !== before) main.focus();
});
setInterval(age, AGE);
show();
comeBack();
