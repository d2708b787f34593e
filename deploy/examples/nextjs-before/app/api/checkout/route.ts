import { isTaken } from "@/lib/book";
import { db } from "@/lib/db";
import { stripe } from "@/lib/stripe";

/** Writes the site's order down, and opens a checkout at the site's price. */
export async function POST(request: Request) {
  const { id, room, arrival, departure, guest, email } = await request.json();
  const wanted = "SELECT name, price_per_night, $2::date - $1::date AS nights FROM room WHERE id = $3";
  const { rows } = await db.query(wanted, [arrival, departure, room]);
  const [{ name, price_per_night, nights }] = rows;
  if (await isTaken(room, arrival, departure)) {
    return Response.json({ message: "The room is taken at that time." }, { status: 409 });
  }
  const insert = "INSERT INTO orders VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
  await db.query(insert, [id, room, arrival, departure, guest, email]);
  const site = process.env.SITE_URL;
  const product_data = { name: `${name}, a night` };
  const session = await stripe.checkout.sessions.create(
    {
      mode: "payment",
      line_items: [{ price_data: { currency: "eur", unit_amount: price_per_night, product_data }, quantity: nights }],
      customer_email: email,
      client_reference_id: id,
      success_url: `${site}/done?session_id={CHECKOUT_SESSION_ID}`,
      cancel_url: `${site}/`,
    },
    { idempotencyKey: id },
  );
  return Response.json({ checkout_url: session.url });
}
