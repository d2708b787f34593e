// Where a buyer lands after paying: says where the booking stands until it is final.

import { pollConfirm } from "./confirm.js";
import { money, whenExactly } from "./format.js";
import { entitle, words } from "./language.js";
import { forget, isBooked, markBooked, markReturned, recall } from "./open-checkout.js";

/** Most answers are there before anything has to be said. */
const FIRST_WORDS_MS = 1_000;
/** After this long, "a few seconds" is no longer true. */
const USUAL_MS = 30_000;
/** Longer than the server passes on that nothing is paid yet: payment_status.rs has 10 s. */
const STALE_MS = 11_000;

const byId = (id) => document.getElementById(id);

const WORKING = ["processing", "slow", "offline"];
/** The session may be paid: the shop must not offer to go on with it. */
const OPEN = ["processing", "awaiting_payment", "offline", "unknown"];
/** What the buyer may write to the shop about. */
const QUOTED = ["slow", "payment_pending", "needs_attention", "refund_pending", "second_payment"];

const params = new URLSearchParams(location.search);
const held = recall();
const sessionId = named(params.get("session_id")) ?? held?.session_id;
/** The checkout, if it is this tab that opened it. */
const own = held?.session_id === sessionId ? held : null;

const opened = Date.now();
const since = () => Date.now() - opened;
/** When this tab came back from the payment page; the buyer may have paid just before. */
const cameBack = own && performance.getEntriesByType("navigation")[0]?.type === "navigate" ? opened : own?.returned || 0;
/** What the server says of a payment may be from before that. */
let stale = cameBack + STALE_MS > opened;
let asking = new AbortController();
let shown = "checking";
/** What is booked or was ordered, and what was paid, as far as it is known. */
let known = own && { ...own, quantity: own.order.quantity };
let paid = null;
/** A payment that goes back because the buyer has booked the same by another. */
let second = false;

/** The session in the address, unless that has what Stripe should have put an id in place of. */
function named(session) {
  const id = session?.trim();
  return !id || /^(\{|%7B)CHECKOUT_SESSION_ID(\}|%7D)$/i.test(id) ? null : id;
}

/** What to say about an answer, which may be older than this page. */
function viewOf(status) {
  if (status === "awaiting_payment" && stale) return "processing";
  // It is being asked again about something we know: no reason to flicker.
  if (status === "processing" && ["awaiting_payment", "payment_pending"].includes(shown)) return shown;
  if (status === "processing" && since() > USUAL_MS) return "slow";
  if (second && ["refund_pending", "refunded"].includes(status)) return "second_payment";
  return status in words.outcomes ? status : "processing";
}

function show({ status, booking, payment, order }) {
  if (!OPEN.includes(status)) forget(sessionId);
  second ||= booking?.reason === "duplicate_payment" || (status === "refunded" && isBookedElsewhere());
  keepInMind(status);
  const view = viewOf(status);
  if (view !== shown) showView(view);
  if (booking || order) known = { ...order, ...booking };
  paid = payment ?? paid;
  try {
    showOrder(view);
  } catch (error) {
    console.warn("Not all shown:", known, error);
  }
}

/** What this browser knows of the slot: the shop asks before it is booked again. */
function keepInMind(status) {
  const isBooked = status === "confirmed" || second;
  if (isBooked && own) markBooked(sessionId, own.order.slot_id, own.ends_at);
  else if (!isBooked && !OPEN.includes(status)) markBooked(sessionId); // it is not, or not any more
}

/** Whether another session of this browser has booked what this one was to book once. */
const isBookedElsewhere = () => Boolean(own?.order.once_per_email) && isBooked(own.order.slot_id, sessionId);

function showView(view) {
  shown = view;
  markReturned(sessionId, view !== "awaiting_payment" && (cameBack || opened));
  const [title, text] = words.outcomes[view];
  entitle(title);
  byId("title").textContent = title;
  byId("text").textContent = text;
  byId("text").classList.toggle("working", WORKING.includes(view));
  byId("done").hidden = view !== "confirmed";
  byId("quote").hidden = !QUOTED.includes(view);
  const open = recall();
  byId("pay").hidden = view !== "awaiting_payment" || open?.session_id !== sessionId;
  byId("pay").href = open?.checkout_url ?? "/";
}

function showOrder(view) {
  byId("booking").hidden = !known || view === "unknown";
  if (byId("booking").hidden) return;
  const { reference, offering, quantity, starts_at, ends_at, time_zone } = known;
  byId("reference").hidden = byId("reference-label").hidden = !reference;
  write("reference", reference ?? "");
  // Without a time there are no seats either.
  write("what", starts_at ? words.named(offering, words.seats(quantity)) : offering);
  write("paid-label", paid ? words.paid : words.price);
  const { amount_total, amount_refunded, currency } = paid ?? known;
  const amount = money(amount_total, currency);
  write("paid", amount_refunded ? words.partlyBack(amount, money(amount_refunded, currency)) : amount);
  byId("when").hidden = byId("when-label").hidden = !starts_at;
  byId("calendar").hidden = view !== "confirmed" || !starts_at;
  if (starts_at) write("when", whenExactly(starts_at, ends_at, time_zone ?? own?.time_zone));
}

/** The same again is not written again: a screen reader would read all of it again. */
function write(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

/** While the first answer waits for news, the page says what is going on. */
const stillWaiting = () => ["checking", "processing"].includes(shown) && show({ status: "processing" });

function ask() {
  asking.abort();
  asking = new AbortController();
  return pollConfirm(sessionId, show, { signal: asking.signal });
}

/** By now the server's word is from after the buyer came back, whatever it is. */
function askAgain() {
  stale = false;
  if (["checking", ...WORKING].includes(shown)) ask();
}

byId("quote-id").textContent = sessionId;
byId("calendar").href = `/api/booking/calendar?session_id=${encodeURIComponent(sessionId ?? "")}`;
if (sessionId) {
  if (sessionId !== params.get("session_id")) {
    params.set("session_id", sessionId);
    history.replaceState(null, "", `?${params}`); // an address to come back to
  }
  markReturned(sessionId, cameBack || opened);
  setTimeout(stillWaiting, FIRST_WORDS_MS);
  setTimeout(stillWaiting, USUAL_MS + 100);
  if (stale) setTimeout(askAgain, cameBack + STALE_MS - opened);
  await ask();
} else {
  show({ status: "unknown" });
}
