/** The way in. */

import { post, session } from "./api.js";
import { h, logo } from "./dom.js";
import { field, form } from "./forms.js";

export function signInPage(root, { notice, done }) {
  const email = field("email", "Email", {
    type: "email",
    autocomplete: "username",
    inputmode: "email",
    autocapitalize: "none",
    spellcheck: "false",
  });
  const password = field("password", "Password", { type: "password", autocomplete: "current-password" });
  const send = async (body) => {
    session.begin(await post("/auth/login", body));
    done();
  };
  root.append(
    h(
      "div.narrow",
      {},
      h("div.hello", {}, logo(), h("h1", {}, "Sign in to Dockup"), h("p.muted", {}, location.host)),
      notice && h("p.notice", { role: "status" }, notice),
      h("div.card", {}, form({ fields: [email, password], label: "Sign in", send })),
      h(
        "p.small.muted.centre",
        {},
        "First time here? The admin’s email and password are in ",
        h("code", {}, "credentials.json"),
        " in the server’s state folder.",
      ),
    ),
  );
  email.input.focus();
}
