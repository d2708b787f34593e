import { db } from "@/lib/db";

import { BookForm } from "./book-form";

export const dynamic = "force-dynamic";

export type Room = { id: string; name: string; price_per_night: number };

export default async function Page() {
  const { rows } = await db.query<Room>("SELECT * FROM room ORDER BY id");
  return (
    <>
      <h1>Harbour rooms</h1>
      <BookForm rooms={rows} />
    </>
  );
}
