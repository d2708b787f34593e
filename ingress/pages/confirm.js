// Where does a Checkout Session stand? Asks until there is nothing left to wait for. This is
// all a page of yours needs; copy it. In React: call it in an effect, abort in its cleanup.

/**
 * Calls `show(answer)` with each answer of POST /api/payment/confirm. Its `status` is one of the
 * API's words, or `unknown` (no session of this shop), or `offline` (no answer; it goes on).
 */
export async function pollConfirm(sessionId, show, { api = "", signal } = {}) {
  for (let failures = 0; !signal?.aborted; ) {
    let pause;
    try {
      const response = await fetch(`${api}/api/payment/confirm`, {
        method: "POST",
        headers: { "content-type": "application/json", prefer: "wait=15" }, // answers once there is news
        body: JSON.stringify({ session_id: sessionId }),
        signal: AbortSignal.timeout(30_000),
      });
      if (response.status === 400 || response.status === 404) return show({ status: "unknown" });
      if (!response.ok) throw new Error(`confirm answered ${response.status}`);
      const answer = await response.json();
      if (!signal?.aborted) show(answer);
      if (!answer.retry_after_ms) return; // final
      [failures, pause] = [0, answer.retry_after_ms];
    } catch {
      if (!signal?.aborted) show({ status: "offline" });
      pause = Math.min(1000 * 2 ** failures++, 15_000);
    }
    await new Promise((resume) => {
      setTimeout(resume, pause);
      addEventListener("online", resume, { once: true });
    });
  }
}
