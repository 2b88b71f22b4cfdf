/** The user's own key for the model's API, which coding sessions are paid with. */

import { get, put, remove } from "./api.js";
import { button, h, say } from "./dom.js";
import { confirm, field, form } from "./forms.js";
import { time } from "./format.js";

const PATH = "/auth/codex-key";

/** `done()` comes when it is stored. */
export function modelKeyForm(done) {
  const key = field("key", "Key", { type: "password", placeholder: "sk-…", autocomplete: "off", hint: "As the provider gave it." });
  const send = async (body) => {
    await put(PATH, body);
    key.fill("");
    say("Your key is stored.");
    await done();
  };
  return form({ fields: [key], label: "Store key", send });
}

/** A card with what is stored, to change and to forget. */
export function modelKeyCard(attempt) {
  const state = h("p.muted", {}, "Loading…");
  const forget = button("Forget it", { kind: "quiet", hidden: true, onclick: () => ask() });
  const read = () =>
    attempt(async () => {
      const { key, ends_with, updated_at } = await get(PATH);
      forget.hidden = key === null;
      state.replaceChildren(...(key === null ? ["None is stored."] : ["Stored ", time(updated_at), ", it ends with ", h("code", {}, ends_with), "."]));
    });
  const ask = () =>
    confirm({
      title: "Forget your key for the model?",
      sentences: ["New coding sessions need one. Those that are open go on."],
      label: "Forget key",
      act: () => remove(PATH),
      after: read,
    });
  read();
  return h(
    "section.card",
    { "aria-label": "Key for the model" },
    h("div.head.bar", {}, h("h2", {}, "Key for the model"), forget),
    h("div.pad", {}, h("p.muted.small", {}, "Coding sessions (Codex) are paid with it. It is never shown again, and no session gets to see it."), state, modelKeyForm(read)),
  );
}
