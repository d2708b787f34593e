// Where a buyer lands who turned back on the payment page: the seats are still held, and the
// same session can still be paid. Whether it is paid already is Stripe's to say, not ours.

import { pollConfirm } from "./confirm.js";
import { minutesLeft, money, whenExactly } from "./format.js";
import { entitle, words } from "./language.js";
import { forget, recall } from "./open-checkout.js";

const byId = (id) => document.getElementById(id);
const held = recall();
let asking = new AbortController();

function say(title, text) {
  entitle(title);
  byId("title").textContent = title;
  byId("text").textContent = text;
}

function show({ status }) {
  if (status === "awaiting_payment") {
    asking.abort(); // asked again when the buyer looks again
    say(words.notPaid, words.onHold);
    byId("held").hidden = byId("pay").hidden = false;
  } else if (status === "processing" || status === "offline") {
    say(words.oneMoment, words.asking);
    byId("held").hidden = byId("pay").hidden = true;
  } else {
    // Paid after all, in another tab perhaps, or over: there is a page that says so.
    location.replace(`/payment-success?session_id=${held.session_id}`);
  }
}

function ask() {
  asking.abort();
  asking = new AbortController();
  pollConfirm(held.session_id, show, { signal: asking.signal });
}

function showMinutes() {
  byId("minutes").textContent = minutesLeft(held.ends);
  if (recall() || byId("pay").hidden) return;
  forget(held.session_id);
  ask();
}

if (held) {
  byId("what").textContent = words.named(held.offering, words.seats(held.order.quantity));
  byId("when").textContent = whenExactly(held.starts_at, held.ends_at, held.time_zone);
  byId("amount").textContent = money(held.amount_total, held.currency);
  byId("pay").href = held.checkout_url;
  setInterval(showMinutes, 10_000);
  showMinutes();
  ask();
  addEventListener("pageshow", ({ persisted }) => persisted && ask());
  document.addEventListener("visibilitychange", () => document.hidden || ask());
}
