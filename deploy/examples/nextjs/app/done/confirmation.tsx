"use client";

import { useConfirm } from "bookonce/react";
import { useEffect } from "react";

import { EARLIER } from "../book-form";

const WORDS: Record<string, string> = {
  confirmed: "Your room is booked",
  awaiting_payment: "Not paid yet",
  payment_pending: "Your payment is on its way",
  payment_failed: "Your payment did not arrive",
  expired: "This checkout has expired",
  refund_pending: "Your payment goes back",
  refunded: "Your payment went back",
  cancelled: "This booking is cancelled",
  needs_attention: "We have your payment and will write to you",
  unknown: "There is no such booking",
};

export function Confirmation({ sessionId, api }: { sessionId?: string; api: string }) {
  const confirmation = useConfirm(sessionId, { api });
  // The next order is a new one.
  useEffect(() => sessionStorage.removeItem(EARLIER), []);
  const booking = "booking" in confirmation ? confirmation.booking : undefined;
  return (
    <>
      <h1>{WORDS[confirmation.status] ?? "One moment, please"}</h1>
      {booking && <p>Reference {booking.reference}</p>}
      <p><a href="/bookings">All bookings</a></p>
    </>
  );
}
