"use client";

import { useState, type FormEvent } from "react";

import type { Room } from "./page";

export function BookForm({ rooms }: { rooms: Room[] }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");

  async function book(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    setBusy(true);
    setError("");
    const order = Object.fromEntries(new FormData(event.currentTarget));
    const response = await fetch("/api/checkout", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...order, id: crypto.randomUUID() }),
    });
    const answer = await response.json();
    if (response.ok) return location.assign(answer.checkout_url);
    setError(answer.message);
    setBusy(false);
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
