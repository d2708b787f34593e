// Where a buyer lands who turned back on the payment page: the seats are still held, and the
// same session can still be paid.

import { pollConfirm } from "./confirm.js";
import { minutesLeft, money, seats, when } from "./format.js";
import { recall } from "./open-checkout.js";

const byId = (id) => document.getElementById(id);
const held = recall();
const asking = new AbortController();

function show({ status }) {
  // Paid after all, in another tab perhaps, or over: there is a page that says so.
  const open = ["awaiting_payment", "processing", "offline"].includes(status);
  if (!open) location.replace(`/payment-success?session_id=${held.session_id}`);
}

function showMinutes() {
  const minutes = minutesLeft(held.expires_at);
  if (minutes) return void (byId("minutes").textContent = minutes);
  asking.abort();
  clearInterval(clock);
  byId("text").textContent = "Nothing was charged. The time to pay is over, and your seats are free again.";
  byId("held").hidden = byId("pay").hidden = true;
}

let clock;
if (held) {
  byId("text").textContent = "Nothing was charged. Your seats are still on hold for you.";
  byId("what").textContent = `${held.offering}, ${seats(held.order.quantity)}`;
  byId("when").textContent = when(held.starts_at, held.ends_at);
  byId("amount").textContent = money(held.amount_total, held.currency);
  byId("pay").href = held.checkout_url;
  byId("held").hidden = byId("pay").hidden = false;
  clock = setInterval(showMinutes, 10_000);
  showMinutes();
  await pollConfirm(held.session_id, show, { signal: asking.signal });
}
