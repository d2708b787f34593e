// Polling POST /api/payment/confirm: all a shop's own page needs. Copy it freely.

const FINAL = ["confirmed", "payment_failed", "expired", "refunded"];

/** Calls `onAnswer` with each answer ({ status, … }) until a final one. `problem` means: not now. */
export async function pollConfirm(sessionId, onAnswer, base = "") {
  for (let failures = 0; ; ) {
    let pause = 1000;
    try {
      const response = await fetch(`${base}/api/payment/confirm`, {
        method: "POST",
        headers: { "content-type": "application/json", prefer: "wait=15" },
        body: JSON.stringify({ session_id: sessionId }),
      });
      if (response.status === 400 || response.status === 404) return onAnswer({ status: "unknown" });
      if (!response.ok) throw new Error(response.status);
      const answer = await response.json();
      onAnswer(answer);
      if (FINAL.includes(answer.status)) return;
      failures = 0;
      pause = answer.retry_after_ms ?? 5000;
    } catch {
      onAnswer({ status: "problem" });
      pause = Math.min(1000 * 2 ** failures++, 15000);
    }
    await new Promise((resume) => setTimeout(resume, pause));
  }
}
