/** A page of several parts, of which one is seen: links to them, and the place of the one. */

import { h } from "./dom.js";

export class Parts {
  /** `parts`: `{name: {title, show(root, page)}}`; `address` is that of the page, the part's name comes behind it. */
  constructor({ label, parts, address, page }) {
    Object.assign(this, { parts, address, page });
    this.links = h("nav.tabs", { "aria-label": label });
    this.part = h("section.part", { tabindex: "-1" });
    this.root = h("div.sided", {}, this.links, this.part);
  }

  go(name, of) {
    this.stop();
    document.title = `${this.parts[name].title} · ${of} · Dockup`;
    this.links.replaceChildren(
      ...Object.entries(this.parts).map(([each, { title }]) => h("a", { href: `${this.address}/${each}`, "aria-current": each === name && "page" }, title)),
    );
    this.links.querySelector("[aria-current]").scrollIntoView({ block: "nearest", inline: "center" });
    this.part.setAttribute("aria-label", this.parts[name].title);
    this.part.replaceChildren();
    this.shown = this.parts[name].show(this.part, this.page);
  }

  stop() {
    this.shown?.stop?.();
    this.shown = null;
  }
}
