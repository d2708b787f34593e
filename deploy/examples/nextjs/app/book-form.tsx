"use client";

import { useEffect, useState, type FormEvent } from "react";

import type { Room } from "./page";

/** What this tab ordered last. */
export const EARLIER = "order";

export function BookForm({ rooms }: { rooms: Room[] }) {
  // Until the page is alive, and after a click.
  const [busy, setBusy] = useState(true);
  const [error, setError] = useState("");

  useEffect(() => {
    setBusy(false);
    // The back button may show the page as it was left.
    const show = () => setBusy(false);
    addEventListener("pageshow", show);
    return () => removeEventListener("pageshow", show);
  }, []);

  async function book(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    setBusy(true);
    setError("");
    const order = Object.fromEntries(new FormData(event.currentTarget));
    try {
      location.assign(await checkoutUrl(order));
    } catch (error) {
      setError(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  }

  return (
    <form onSubmit={book}>
      <label>
        Room
        <select name="room">
          {rooms.map((room) => (
            <option key={room.id} value={room.id}>
              {room.name}, {room.price_per_night / 100} € a night
            </option>
          ))}
        </select>
      </label>
      <label>Arrival <input name="arrival" type="date" required /></label>
      <label>Departure <input name="departure" type="date" required /></label>
      <label>Name <input name="guest" required /></label>
      <label>E-mail <input name="email" type="email" required /></label>
      <button disabled={busy}>Book</button>
      <p role="alert">{error}</p>
    </form>
  );
}

/** The same order is the same id and key, in this tab; another one takes the place of what it still holds, which
 *  only this tab can: it alone knows the key. */
async function checkoutUrl(order: object): Promise<string> {
  const content = JSON.stringify(order);
  const earlier = JSON.parse(sessionStorage.getItem(EARLIER) ?? "{}");
  const fresh = { id: crypto.randomUUID(), key: crypto.randomUUID() };
  const { id, key } = earlier.content === content ? earlier : fresh;
  const held = earlier.held?.key === key ? undefined : earlier.held;
  sessionStorage.setItem(EARLIER, JSON.stringify({ ...earlier, content, id, key }));
  const response = await fetch("/api/checkout", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...order, id, key, replaces: held?.session_id, replaces_key: held?.key }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  const now = { session_id: answer.session_id, key };
  sessionStorage.setItem(EARLIER, JSON.stringify({ content, id, key, held: now }));
  return answer.checkout_url;
}
