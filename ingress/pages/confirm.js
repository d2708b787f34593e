// Where does a Checkout Session stand? Asks until there is nothing left to wait for. This is
// all a page of yours needs; copy it. In React: call it in an effect, abort in its cleanup.

/**
 * Calls `show(answer)` with each answer of POST /api/payment/confirm. Its `status` is one of the
 * API's words, or `unknown` (no session of this shop), or `offline` (no answer; it goes on).
 */
export async function pollConfirm(sessionId, show, { api = "", signal } = {}) {
  for (let failures = 0; !signal?.aborted; ) {
    let [answer, pause] = [{ status: "offline" }, Math.min(1000 * 2 ** failures, 15_000)];
    try {
      const response = await fetch(`${api}/api/payment/confirm`, {
        method: "POST",
        headers: { "content-type": "application/json", prefer: "wait=15" }, // answers once there is news
        body: JSON.stringify({ session_id: sessionId }),
        signal: AbortSignal.timeout(30_000),
      });
      if (response.ok) [answer, failures] = [await response.json(), 0];
      else if (response.status === 400 || response.status === 404) answer = { status: "unknown" };
      else pause = Math.max(pause, 1000 * response.headers.get("retry-after"));
    } catch {
      failures += 1; // no network, no server, no answer in time
    }
    if (signal?.aborted) return;
    show(answer);
    if (answer.status !== "offline" && !answer.retry_after_ms) return; // final
    await new Promise((resume) => {
      const timer = setTimeout(resume, answer.retry_after_ms ?? pause);
      addEventListener("online", () => resume(clearTimeout(timer)), { once: true });
    });
  }
}
