/** The HTTP API as every client has it, and the session of this tab. */

const ROOT = "/api/v1";
const KEPT = "dockup.session";
const PATIENCE = 30_000;
const PAGE = 200;
const AGAIN = [150, 500, 1500];

/** The version of each answer, for those that have one. */
const TAGS = new WeakMap();

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
/** With `seen`, an answer that a route gave before: only when it is still as it was then (`412 precondition_failed`). */
export const put = (path, body, seen = null) => call("PUT", path, body, TAGS.get(seen));
export const remove = (path) => call("DELETE", path);

/** Save what a route gives as a file of that name. */
export async function download(path, name) {
  const answer = await fetch(ROOT + path, { headers: { Authorization: `Bearer ${session.current?.token}` } }).catch(() => null);
  if (!answer) throw noAnswer();
  if (!answer.ok) throw read(await answer.text(), answer.status);
  const address = URL.createObjectURL(await answer.blob());
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), PATIENCE);
}

/** Send a file as the body, however long that takes. */
export async function upload(path, file) {
  const headers = { Authorization: `Bearer ${session.current?.token}`, "Content-Type": "application/x-tar" };
  const answer = await fetch(ROOT + path, { method: "PUT", headers, body: file }).catch(() => null);
  if (!answer) throw noAnswer();
  if (!answer.ok) throw read(await answer.text(), answer.status);
}

/**
 * A WebSocket route, with the token where browsers can put it; null values of `query` are left out. `came(data)` gets each frame,
 * `over(event)` its end; after `close()` nothing comes any more.
 */
export function dial(path, query, { opened, came, over }) {
  const url = new URL(ROOT + path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const given = Object.entries({ ...query, token: session.current?.token }).filter(([, value]) => value !== null && value !== undefined);
  url.search = new URLSearchParams(given);
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  Object.assign(socket, { onopen: opened, onmessage: ({ data }) => came(data), onclose: over });
  return {
    send: (data) => socket.readyState === WebSocket.OPEN && socket.send(data),
    close() {
      Object.assign(socket, { onopen: null, onmessage: null, onclose: null });
      socket.close();
    },
  };
}

/** Why a WebSocket route was refused, which browsers do not show: asked without the upgrade. Null when it would be taken now. */
export async function refusal(path) {
  try {
    await get(path);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return problem.code === "upgrade_required" ? null : problem;
  }
  return null;
}

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

async function call(method, path, body, tag) {
  const token = session.current?.token;
  const answer = await ask(method, path, body, token, tag);
  const text = await answer.text();
  if (answer.ok) return tagged(text ? JSON.parse(text) : null, answer.headers.get("ETag"));
  const problem = read(text, answer.status);
  // A late answer to an earlier session's question must not end the present one.
  if (problem.code === "unauthenticated" && token && session.current?.token === token) {
    session.end();
    window.dispatchEvent(new Event("signed-out"));
  }
  throw problem;
}

function tagged(body, tag) {
  if (tag && body) TAGS.set(body, tag);
  return body;
}

/** A connection that breaks says nothing about what became of the request: reading repeats, and a POST has a key that makes it once. */
async function ask(method, path, body, token, tag) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (tag) headers["If-Match"] = tag;
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
