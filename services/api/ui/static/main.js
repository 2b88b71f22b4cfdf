/** What is shown: the page that the address names, or the way in. */

import { isOver, post, session } from "./api.js";
import { button, h, logo } from "./dom.js";
import { age } from "./format.js";
import { keysPage } from "./keys.js";
import { projectsPage } from "./projects.js";
import { signInPage } from "./sign-in.js";

const PAGES = {
  "#/projects": { title: "Projects", show: projectsPage },
  "#/api-keys": { title: "API Keys", show: keysPage },
};
const FIRST = "#/projects";
const AGE = 10_000;
const ENDED = "Your session has ended. Sign in again.";

const main = document.getElementById("main");
const bar = document.getElementById("bar");
let leave = () => {};

function show(notice = "") {
  leave();
  for (const open of document.querySelectorAll("dialog")) open.close();
  const current = session.current;
  const address = location.hash in PAGES ? location.hash : FIRST;
  bar.hidden = !current;
  bar.replaceChildren(...(current ? top(current, address) : []));
  const page = current ? PAGES[address] : { title: "Sign in", show: (root) => signInPage(root, { notice, done: () => show() }) };
  document.title = `${page.title} · Dockup`;
  main.replaceChildren();
  leave = page.show(main, current) ?? (() => {});
}

function top(current, address) {
  const links = Object.entries(PAGES).map(([to, { title }]) => h("a", { href: to, "aria-current": to === address && "page" }, title));
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

window.addEventListener("signed-out", () => show(ENDED));
window.addEventListener("hashchange", () => {
  show();
  main.focus();
});
setInterval(age, AGE);
show();
