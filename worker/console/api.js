// The Admin API, in the session of this browser.

let csrfToken = "";

/** What the worker answered in place of what was asked for. */
export class Problem extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `The worker answered ${status}.`);
    this.status = status;
    this.code = problem.code;
  }
}

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(`/api/admin${path}`, {
      method,
      headers: { "X-CSRF-Token": csrfToken, ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, { detail: "The worker does not answer. Does it run?", code: "unreachable" });
  }
  if (response.status === 204) return undefined;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, answer);
  return answer;
}

export const get = (path) => call("GET", path);

/** Another worker on this machine, or this one after a restart, has given this browser another session. */
export async function post(path, body) {
  try {
    return await call("POST", path, body);
  } catch (problem) {
    if (problem.code !== "csrf_token_invalid") throw problem;
    await openSession();
    return call("POST", path, body);
  }
}

/** Fails with 401 if a token is needed. */
export async function openSession(token) {
  const session = await (token === undefined ? get("/session") : post("/session", { token }));
  csrfToken = session.csrf_token;
}

export const closeSession = () => call("DELETE", "/session");
