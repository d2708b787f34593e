// Where a buyer lands after paying: says where the booking stands until it is final.

import { pollConfirm } from "./confirm.js";
import { money, seats, whenExactly } from "./format.js";
import { forget, markReturned, recall } from "./open-checkout.js";

/** Most answers are there before anything has to be said. */
const FIRST_WORDS_MS = 1_000;
/** After this long, "a few seconds" is no longer true. */
const USUAL_MS = 30_000;
/** Longer than the server passes on that nothing is paid yet. */
const STALE_MS = 12_000;

const byId = (id) => document.getElementById(id);

const VIEWS = {
  confirmed: ["Your booking is confirmed", "Keep the reference. This page stays here: you can come back to it."],
  processing: ["Your booking is being completed", "Stripe has sent you back and we are fetching your payment. This takes a few seconds; the booking is made even if you close this page."],
  slow: ["This is taking longer than usual", "You need not pay again, and you need not wait: the booking is made as soon as your payment reaches us. This page goes on looking."],
  awaiting_payment: ["Not paid yet", "Stripe has no payment for this checkout so far. Nothing was charged."],
  payment_pending: ["Your payment is on its way", "Your bank takes longer with this payment method, up to a few days. Your seats are held until then. Come back to this page whenever you like."],
  payment_failed: ["Your payment did not arrive", "Your bank did not complete the payment. Nothing is booked, and your seats were released."],
  expired: ["This checkout has expired", "It was not paid in time. Nothing was charged, and nothing is booked."],
  refund_pending: ["Your payment is being refunded", "We could not book your seats. The whole amount goes back to the card or account you paid with; your bank may need 5 to 10 days."],
  refunded: ["Your payment was refunded", "The whole amount went back to the card or account you paid with; your bank may need 5 to 10 days. This booking is cancelled."],
  needs_attention: ["We have your payment", "Something about it needs a person: the shop will look into it and come back to you. You need not pay again."],
  offline: ["No connection", "The shop cannot be reached at the moment. This page goes on by itself as soon as it can; you need not pay again."],
  unknown: ["No such booking", "This link does not belong to a booking in this shop. Was it copied whole?"],
};
const WORKING = ["processing", "slow", "offline"];
/** The session may be paid: the shop must not offer to go on with it. */
const OPEN = ["processing", "awaiting_payment", "offline", "unknown"];

const opened = Date.now();
const since = () => Date.now() - opened;
let shown = "checking";

/** What to say about an answer, which may be older than this page. */
function viewOf(status) {
  // Stripe's word that nothing is paid yet is passed on for a while; the buyer has just paid.
  if (status === "awaiting_payment" && since() < STALE_MS) return "processing";
  // It is being asked again about something we know: no reason to flicker.
  if (status === "processing" && ["awaiting_payment", "payment_pending"].includes(shown)) return shown;
  if (status === "processing" && since() > USUAL_MS) return "slow";
  return status in VIEWS ? status : "processing";
}

function show({ status, booking, payment }) {
  if (!OPEN.includes(status)) forget(sessionId);
  const view = viewOf(status);
  if (view === shown) return;
  shown = view;
  markReturned(sessionId, view !== "awaiting_payment");
  const [title, text] = VIEWS[view];
  document.title = title;
  byId("title").textContent = title;
  byId("text").textContent = text;
  byId("text").classList.toggle("working", WORKING.includes(view));
  byId("done").hidden = view !== "confirmed";
  byId("quote").hidden = !["slow", "needs_attention", "refund_pending"].includes(view);
  const held = recall();
  byId("pay").hidden = view !== "awaiting_payment" || held?.session_id !== sessionId;
  byId("pay").href = held?.checkout_url ?? "/";
  byId("booking").hidden = !booking;
  if (!booking) return;
  byId("reference").textContent = booking.reference;
  byId("what").textContent = `${booking.offering}, ${seats(booking.quantity)}`;
  byId("when").textContent = whenExactly(booking.starts_at, booking.ends_at);
  byId("paid").textContent = money(payment.amount_total, payment.currency)
    + (payment.amount_refunded ? `, of which ${money(payment.amount_refunded, payment.currency)} went back` : "");
}

/** While the first answer waits for news, the page says what is going on. */
const stillWaiting = () => ["checking", "processing"].includes(shown) && show({ status: "processing" });

const sessionId = new URLSearchParams(location.search).get("session_id");
byId("quote-id").textContent = sessionId;
if (sessionId) {
  markReturned(sessionId, true);
  setTimeout(stillWaiting, FIRST_WORDS_MS);
  setTimeout(stillWaiting, USUAL_MS + 100);
  await pollConfirm(sessionId, show);
} else {
  show({ status: "unknown" });
}
