/** The events of an app, as far as they are known. */

import { get } from "./api.js";

const PAGE = 200;

export class Feed {
  constructor(app) {
    this.path = `/apps/${app.id}/events?limit=${PAGE}`;
    this.after = 0;
    this.items = [];
  }

  /** Ask for what came since; of `types` the newest `most` stay. */
  async more(types, most) {
    for (;;) {
      const { items, next_after } = await get(`${this.path}&after=${this.after}`);
      this.after = next_after;
      this.items = [...this.items, ...items.filter(({ type }) => types.has(type))].slice(-most);
      if (items.length < PAGE) return this.items;
    }
  }
}
