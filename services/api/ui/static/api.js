/** The HTTP API as every client has it, and the session of this tab. */

const ROOT = "/api/v1";
const KEPT = "dockup.session";
const PATIENCE = 30_000;
const PAGE = 200;
const AGAIN = [150, 500, 1500];

/** An answer that is no success: the members of RFC 9457 with `code`, `hint`, `errors`. */
export class Problem extends Error {
  constructor(body) {
    super(body.detail);
    Object.assign(this, { title: "", code: "", hint: "", errors: [], request_id: "" }, body);
  }
}

/** Whose tab this is: `{token, expires_at, user}`, or null. It lives as long as the tab, at most; when it
 * is over is the server's to say, whose clock may be another. */
export const session = {
  get current() {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  },
  begin(login) {
    sessionStorage.setItem(KEPT, JSON.stringify(login));
  },
  end() {
    sessionStorage.removeItem(KEPT);
  },
};

/** Go on after an error that the API gave; a fault of ours is thrown on. `true` when there is nobody to show it to. */
export function isOver(problem) {
  if (!(problem instanceof Problem)) throw problem;
  return problem.code === "unauthenticated";
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);
export const remove = (path) => call("DELETE", path);

/** Every item of a list, page by page. */
export async function all(path) {
  const items = [];
  let cursor = "";
  do {
    const page = await get(`${path}?limit=${PAGE}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return items;
}

async function call(method, path, body) {
  const token = session.current?.token;
  const answer = await ask(method, path, body, token);
  const text = await answer.text();
  if (answer.ok) return text ? JSON.parse(text) : null;
  const problem = read(text, answer.status);
  // A late answer to an earlier session's question must not end the present one.
  if (problem.code === "unauthenticated" && token && session.current?.token === token) {
    session.end();
    window.dispatchEvent(new Event("signed-out"));
  }
  throw problem;
}

/** A connection that breaks says nothing about what became of the request: reading repeats, and a POST has a key that makes it once. */
async function ask(method, path, body, token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method === "POST") headers["Idempotency-Key"] = randomKey();
  const tries = method === "DELETE" ? [] : AGAIN;
  for (const pause of [...tries, null]) {
    try {
      return await fetch(ROOT + path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE) });
    } catch (error) {
      if (pause === null || error.name === "TimeoutError") throw noAnswer();
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

/** Plain HTTP has no `crypto.randomUUID`. */
const randomKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16).padStart(8, "0")).join("");

const noAnswer = () =>
  new Problem({
    title: "No answer",
    code: "no_answer",
    detail: "The server did not answer.",
    hint: "Check the connection and try again; on the server, dockup status shows what is away.",
  });

function read(text, status) {
  try {
    return new Problem(JSON.parse(text));
  } catch {
    return new Problem({
      title: "Unexpected answer",
      code: "unexpected",
      detail: `The server answered ${status}.`,
      hint: "Try again in a few seconds.",
    });
  }
}
