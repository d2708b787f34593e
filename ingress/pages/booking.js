// A booking, to who has the link from the mail or knows the reference and the e-mail address; and its
// cancellation, which says what comes back before anything is clicked.

import { moment, money, whenExactly } from "./format.js";
import { entitle, words } from "./language.js";

const ASK_AGAIN_MS = 1_000;
/** Longer than a worker takes, unless something is wrong. */
const LONGEST_MS = 60_000;

const byId = (id) => document.getElementById(id);

/** `#REFERENCE.TOKEN`: browsers send none of it to the server by themselves. */
const [reference, token] = location.hash.slice(1).split(".");
let whose = token ? { reference, token } : null;
let shown = null;

/** The answer's JSON; throws what to tell the visitor. */
async function call(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
  } catch {
    throw new Error(words.bookingProblems.offline);
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Error(words.bookingProblems[answer.code] ?? words.bookingProblems.offline);
}

function show(answer) {
  shown = answer;
  const { status, booking, payment, cancellation } = answer;
  const isSecond = booking.reason === "duplicate_payment" && ["refund_pending", "refunded"].includes(status);
  const [title, text] = words.outcomes[isSecond ? "second_payment" : status] ?? words.outcomes.processing;
  entitle(title);
  byId("title").textContent = title;
  byId("text").textContent = status === "confirmed" && !whose.token ? words.findAgain : text;
  byId("find").hidden = true;
  byId("booking").hidden = false;
  byId("reference").textContent = booking.reference;
  const { offering, quantity, starts_at, ends_at, time_zone } = booking;
  byId("what").textContent = starts_at ? words.named(offering, words.seats(quantity)) : offering;
  byId("when").hidden = byId("when-label").hidden = !starts_at;
  if (starts_at) byId("when").textContent = whenExactly(starts_at, ends_at, time_zone);
  byId("paid").hidden = byId("paid-label").hidden = !payment;
  if (payment) byId("paid").textContent = paidOf(payment);
  byId("cancellation").hidden = !cancellation;
  if (cancellation) byId("cancel-back").textContent = backOf(cancellation);
}

function paidOf({ amount_total, amount_refunded, currency }) {
  const amount = money(amount_total, currency);
  return amount_refunded ? words.partlyBack(amount, money(amount_refunded, currency)) : amount;
}

function backOf({ refund_amount, currency, free_until }) {
  if (refund_amount === 0) return words.cancelNothingBack;
  const back = words.cancelBack(money(refund_amount, currency));
  return free_until ? `${back} ${words.cancelFreeUntil(moment(free_until))}` : back;
}

/** Runs `action`; what it fails with is told, and read out. Says whether it went well. */
async function attempt(action) {
  const problem = byId("problem");
  problem.textContent = "";
  try {
    await action();
    return true;
  } catch (error) {
    problem.textContent = error.message;
    return false;
  }
}

async function look() {
  show(await call("/api/booking", whose));
}

async function cancel() {
  const { refund_amount } = shown.cancellation;
  await call("/api/booking/cancel", { ...whose, refund_amount });
  byId("cancellation").hidden = true;
  [byId("title").textContent, byId("text").textContent] = words.cancelling;
  for (const end = Date.now() + LONGEST_MS; Date.now() < end; ) {
    await new Promise((resume) => setTimeout(resume, ASK_AGAIN_MS));
    const answer = await call("/api/booking", whose).catch(() => null); // it goes on
    if (!answer || answer.status === "confirmed") continue;
    show(answer);
    if (!refund_amount || answer.payment?.amount_refunded) return;
  }
}

byId("find").addEventListener("submit", async (event) => {
  event.preventDefault();
  whose = { reference: byId("find-reference").value, email: byId("find-email").value };
  await attempt(look);
});

byId("cancel").addEventListener("click", async () => {
  byId("cancel").disabled = true;
  const isDone = await attempt(cancel);
  byId("cancel").disabled = false;
  // Another amount comes back by now, or nothing is known of it: show how it stands.
  if (!isDone) await look().catch(() => {});
});

// Another link pasted into this tab.
addEventListener("hashchange", () => location.reload());

if (whose) await attempt(look);
byId("find").hidden = Boolean(shown);
