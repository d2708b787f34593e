import { db } from "@/lib/db";

export const dynamic = "force-dynamic";

/** The site's own table, as it was written with the payment. For the merchant: put it behind your login. */
export default async function Page() {
  const { rows } = await db.query(
    `SELECT reference, guest, room_id, arrival::text, status, paid
     FROM bookings JOIN orders ON orders.id = order_id ORDER BY arrival`,
  );
  return (
    <>
      <h1>Bookings</h1>
      <ul>
        {rows.map((row) => (
          <li key={row.reference}>
            {row.reference}: {row.guest}, {row.room_id}, {row.arrival}, {row.status}, {row.paid / 100} €
          </li>
        ))}
      </ul>
    </>
  );
}
