// Where does a Checkout Session stand? Asks until there is nothing left to wait for. This is
// all a page of yours needs; copy it. In React: call it in an effect, abort in its cleanup.

/**
 * Calls `show(answer)` with each answer of POST /api/payment/confirm. Its `status` is one of the
 * API's words, or `unknown` (no session of this shop), or `offline` (no answer; it goes on).
 */
export async function pollConfirm(sessionId, show, { api = "", signal } = {}) {
  for (let failures = 0; !signal?.aborted; ) {
    let [answer, asked] = [{ status: "offline" }, 0];
    try {
      const response = await fetch(`${api}/api/payment/confirm`, {
        method: "POST",
        headers: { "content-type": "application/json", prefer: "wait=15" }, // answers once there is news
        body: JSON.stringify({ session_id: sessionId }),
        signal: AbortSignal.timeout(30_000),
      });
      if (response.ok) answer = await response.json();
      else if (response.status === 400 || response.status === 404) answer = { status: "unknown" };
      else asked = 1000 * response.headers.get("retry-after") || 0; // it may be a date
    } catch {
      // no network, no server, no answer in time
    }
    if (signal?.aborted) return;
    show(answer);
    if (answer.status !== "offline" && !answer.retry_after_ms) return; // final
    const backoff = Math.max(asked, Math.min(1000 * 2 ** failures, 15_000));
    failures = answer.status === "offline" ? failures + 1 : 0;
    await pause((answer.retry_after_ms ?? backoff) * (1 + Math.random() / 5)); // not all at once
  }
}

/** Ends early when the network comes back. */
async function pause(ms) {
  const over = new AbortController();
  await new Promise((resume) => {
    setTimeout(resume, ms);
    addEventListener("online", resume, { signal: over.signal });
  });
  over.abort();
}
