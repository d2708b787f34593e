import { createSiteCheckout, OrderError } from "bookonce";

import { db } from "@/lib/db";

/** Writes the site's order down, and opens a checkout at the site's price. */
export async function POST(request: Request) {
  const { id, room, arrival, departure, guest, email } = await request.json();
  const wanted = "SELECT name, price_per_night, $2::date - $1::date AS nights FROM room WHERE id = $3";
  const { rows } = await db.query(wanted, [arrival, departure, room]);
  const [{ name, price_per_night, nights }] = rows;
  const insert = "INSERT INTO orders VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
  await db.query(insert, [id, room, arrival, departure, guest, email]);
  const site = process.env.SITE_URL;
  try {
    const checkout = await createSiteCheckout(
      {
        currency: "eur",
        line_items: [{ name: `${name}, a night`, unit_amount: price_per_night, quantity: nights }],
        customer: { name: guest, email },
        client_reference: id,
        once_per_reference: true,
        resource: room,
        capacity: 1,
        starts_at: `${arrival}T15:00:00Z`,
        ends_at: `${departure}T11:00:00Z`,
        success_url: `${site}/done?session_id={CHECKOUT_SESSION_ID}`,
        cancel_url: `${site}/`,
      },
      { api: process.env.BOOKONCE_URL!, apiKey: process.env.BOOKONCE_API_KEY!, key: id },
    );
    return Response.json(checkout);
  } catch (error) {
    if (!(error instanceof OrderError)) throw error;
    const taken = error.code === "slot_full";
    const message = taken ? "The room is taken at that time." : (error.errors[0]?.message ?? error.message);
    return Response.json({ message }, { status: error.status || 502 });
  }
}
