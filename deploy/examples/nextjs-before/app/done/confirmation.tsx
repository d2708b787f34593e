"use client";

import { useEffect, useState } from "react";

const WORDS: Record<string, string> = {
  confirmed: "Your room is booked",
  open: "Not paid yet",
  complete: "Your payment is on its way",
  expired: "This checkout has expired",
  refunded: "Your payment went back",
};

type Answer = { status: string; booking?: { reference: string } };

export function Confirmation({ sessionId }: { sessionId?: string }) {
  const [confirmation, setConfirmation] = useState<Answer>({ status: "checking" });
  useEffect(() => {
    let over = false;
    async function ask(tries: number) {
      const response = await fetch("/api/payment/confirm", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ session_id: sessionId }),
      });
      if (over) return;
      const answer: Answer = await response.json();
      setConfirmation(answer);
      if (answer.status === "complete" && tries < 20) setTimeout(ask, 3000, tries + 1);
    }
    ask(0);
    return () => {
      over = true;
    };
  }, [sessionId]);
  const booking = confirmation.booking;
  return (
    <>
      <h1>{WORDS[confirmation.status] ?? "One moment, please"}</h1>
      {booking && <p>Reference {booking.reference}</p>}
      <p><a href="/bookings">All bookings</a></p>
    </>
  );
}
