/** An app's status as a word with a dot. */

import { write } from "./dom.js";
import { capital, words } from "./format.js";

const BAD = new Set(["deploy_failed", "crash_loop", "unhealthy", "engine_unreachable"]);
/** Reasons that the word before them says already. */
const PLAIN = new Set(["stopped_by_user"]);

/** `element` is a `span.state` with its dot and its text. */
export function showState(element, { status, status_reason }) {
  element.dataset.kind = BAD.has(status_reason) ? "failed" : status;
  write(element.lastChild, capital(status) + (status_reason && !PLAIN.has(status_reason) ? ` · ${words(status_reason)}` : ""));
}
