import type Stripe from "stripe";

import { book } from "@/lib/book";
import { db } from "@/lib/db";
import { stripe } from "@/lib/stripe";

/** Stripe says that something was paid, or went back. */
export async function POST(request: Request) {
  let event: Stripe.Event;
  try {
    const signature = request.headers.get("stripe-signature")!;
    event = stripe.webhooks.constructEvent(await request.text(), signature, process.env.STRIPE_WEBHOOK_SECRET!);
  } catch {
    return new Response("bad signature", { status: 400 });
  }
  switch (event.type) {
    case "checkout.session.completed":
    case "checkout.session.async_payment_succeeded":
      if (event.data.object.payment_status === "paid") await book(event.data.object);
      break;
    case "charge.refunded": {
      const charge = event.data.object;
      if (!charge.refunded) break;
      await db.query(
        `UPDATE bookings SET status = 'cancelled' FROM payments
         WHERE payments.order_id = bookings.order_id AND payment_intent_id = $1`,
        [charge.payment_intent],
      );
      break;
    }
  }
  return Response.json({ received: true });
}
