// Where a buyer lands after paying: says where the booking stands until it is final.

import { pollConfirm } from "./confirm.js";
import { money, when } from "./format.js";

const element = (id) => document.getElementById(id);

const TEXTS = {
  confirmed: ["Your booking is confirmed", "Keep the reference; it is all you need."],
  processing: ["Your booking is being completed", "Your bank and the shop are talking. This usually takes a few seconds."],
  awaiting_payment: ["Not paid yet", "The payment page is still open. Nothing was charged so far."],
  payment_pending: ["Your payment is on its way", "Your bank takes longer with this payment method. Your seats are held; come back to this page later."],
  payment_failed: ["The payment did not arrive", "Your bank did not complete the payment. Nothing is booked and your seats were released."],
  expired: ["This checkout has expired", "It was not paid in time. Nothing was charged and nothing is booked."],
  problem: ["Still checking", "The shop cannot be reached at the moment. This page goes on trying by itself; there is no need to pay again."],
  unknown: ["No such booking", "This link does not belong to a booking in this shop."],
};
const WORKING = ["processing", "problem"];

function show(answer) {
  const [title, text] = TEXTS[answer.status] ?? TEXTS.processing;
  element("title").textContent = title;
  element("text").textContent = text;
  element("text").classList.toggle("working", WORKING.includes(answer.status));
  document.title = title;
  const { booking, payment } = answer;
  element("details").hidden = !booking;
  if (booking) {
    element("reference").textContent = booking.reference;
    element("what").textContent = `${booking.offering}, ${booking.quantity} ${booking.quantity === 1 ? "seat" : "seats"}`;
    element("when").textContent = when(booking.starts_at, booking.ends_at);
  }
  if (payment) element("paid").textContent = money(payment.amount_total, payment.currency);
}

const sessionId = new URLSearchParams(location.search).get("session_id");
if (sessionId) pollConfirm(sessionId, show);
else show({ status: "unknown" });
