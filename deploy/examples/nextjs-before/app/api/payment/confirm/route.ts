import { book } from "@/lib/book";
import { stripe } from "@/lib/stripe";

/** The buyer is back: books if the webhook has not done it yet. */
export async function POST(request: Request) {
  const { session_id } = await request.json();
  const session = await stripe.checkout.sessions.retrieve(session_id);
  if (session.payment_status !== "paid") return Response.json({ status: session.status });
  const reference = await book(session);
  return Response.json(reference ? { status: "confirmed", booking: { reference } } : { status: "refunded" });
}
