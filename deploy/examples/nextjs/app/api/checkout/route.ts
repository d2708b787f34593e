import { createSiteCheckout, OrderError } from "bookonce";

import { db } from "@/lib/db";

const WORDS: Record<string, string> = {
  departure: "Choose a departure after the arrival.",
  slot_full: "The room is taken at that time.",
  slot_closed: "That time has begun.",
  checkout_completed: "This is booked already.",
  unreachable: "Rooms cannot be booked at the moment. Please try again.",
};

/** Writes the site's order down, and opens a checkout at the site's price. */
export async function POST(request: Request) {
  const { id, key, room, arrival, departure, guest, email, replaces, replaces_key } = await request.json();
  const insert = "INSERT INTO orders VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
  await db.query(insert, [id, room, arrival, departure, guest, email]);
  // What is written down is sold, whatever this request says: it may be the second with this id.
  const written = `SELECT orders.*, arrival::text, departure::text, departure - arrival AS nights, name, price_per_night
    FROM orders JOIN room ON room.id = room_id WHERE orders.id = $1`;
  const [order] = (await db.query(written, [id])).rows;
  if (order.nights < 1) return Response.json({ message: WORDS.departure }, { status: 422 });
  const site = process.env.SITE_URL;
  try {
    const checkout = await createSiteCheckout(
      {
        currency: "eur",
        line_items: [{ name: `${order.name}, a night`, unit_amount: order.price_per_night, quantity: order.nights }],
        customer: { name: order.guest, email: order.email },
        client_reference: id,
        once_per_reference: true,
        resource: order.room_id,
        capacity: 1,
        starts_at: `${order.arrival}T15:00:00Z`,
        ends_at: `${order.departure}T11:00:00Z`,
        success_url: `${site}/done?session_id={CHECKOUT_SESSION_ID}`,
        cancel_url: `${site}/`,
        // Without the key it may be another buyer's.
        replaces: replaces_key ? replaces : undefined,
        replaces_key,
      },
      { api: process.env.BOOKONCE_URL!, apiKey: process.env.BOOKONCE_API_KEY!, key },
    );
    return Response.json(checkout);
  } catch (error) {
    if (!(error instanceof OrderError)) throw error;
    const message = WORDS[error.code] ?? error.errors[0]?.message ?? error.message;
    return Response.json({ message }, { status: error.status || 502 });
  }
}
