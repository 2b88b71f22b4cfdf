/** Connecting an account at GitHub, and what it sees there. */

import { get, isOver } from "./api.js";
import { button, busy, h } from "./dom.js";

const BACK = "dockup.back";
const SOON = 250;

/** A button that leads to GitHub and, when the user agreed there, back to this page. */
export function connectButton(label, trouble) {
  const made = button(label, {
    onclick: () =>
      busy(made, async () => {
        try {
          const { authorize_url } = await get("/git/authorize/github");
          sessionStorage.setItem(BACK, location.hash);
          location.assign(authorize_url);
        } catch (problem) {
          if (!isOver(problem)) trouble.show(problem);
        }
      }),
  });
  return made;
}

/** Where somebody was who went to GitHub; once. */
export function whereFrom() {
  const found = sessionStorage.getItem(BACK);
  sessionStorage.removeItem(BACK);
  return found ?? "#/account";
}

/** Offer repositories while somebody types in the field; without a connection there is nothing to offer. */
export function repositories(repo) {
  if (repo.offers) return;
  repo.offers = true;
  let timer = 0;
  const offer = async () => {
    try {
      const { items } = await get(`/git/repos?limit=30&search=${encodeURIComponent(repo.text())}`);
      repo.input.list?.replaceChildren(...items.map(({ full_name, description }) => h("option", { value: full_name }, description ?? "")));
    } catch (problem) {
      if (isOver(problem)) return;
      repo.input.removeEventListener("input", soon);
    }
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(offer, SOON);
  };
  repo.input.addEventListener("input", soon);
  repo.input.addEventListener("focus", offer, { once: true });
}
