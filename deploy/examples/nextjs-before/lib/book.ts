import { randomBytes } from "node:crypto";

import type Stripe from "stripe";

import { db } from "./db";
import { stripe } from "./stripe";

/** Called by the webhook and by the confirm route, whichever comes first. */
export async function book(session: Stripe.Checkout.Session) {
  const orderId = session.client_reference_id!;
  const known = await db.query("SELECT reference FROM bookings WHERE order_id = $1", [orderId]);
  if (known.rows.length > 0) return known.rows[0].reference as string;

  const order = (await db.query("SELECT * FROM orders WHERE id = $1", [orderId])).rows[0];
  if (await isTaken(order.room_id, order.arrival, order.departure)) {
    await stripe.refunds.create({ payment_intent: session.payment_intent as string });
    await db.query("INSERT INTO bookings VALUES ($1, $2, 'cancelled', $3)", [reference(), orderId, session.amount_total]);
    return null;
  }
  const mine = reference();
  await db.query("INSERT INTO payments VALUES ($1, $2, $3, $4)", [
    session.id, orderId, session.payment_intent, session.amount_total,
  ]);
  await db.query("INSERT INTO bookings VALUES ($1, $2, 'confirmed', $3)", [mine, orderId, session.amount_total]);
  return mine;
}

export async function isTaken(room: string, arrival: string, departure: string) {
  const { rows } = await db.query(
    `SELECT 1 FROM bookings JOIN orders ON orders.id = order_id
     WHERE status = 'confirmed' AND room_id = $1 AND arrival < $3 AND departure > $2`,
    [room, arrival, departure],
  );
  return rows.length > 0;
}

const reference = () => randomBytes(5).toString("hex").toUpperCase();
