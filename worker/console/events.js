// The latest of Stripe's events that were acted on.

import { get } from "./api.js";
import { badge, el, show, time } from "./dom.js";

export async function events(main) {
  const found = await get("/events");
  const nothing = el("p", {}, "No event of Stripe's has come yet.");
  show(main, "Latest events", found.events.length ? list(found.events) : nothing);
}

export const list = (events) =>
  el("ul.rows", {}, events.map((it) => {
    const name = it.reference ?? it.checkout_id;
    return el("li", {},
      el("div.head", {},
        el("span", {}, it.kind), badge(it.outcome),
        el("a.reference", { href: `/console/bookings/${name}` }, it.reference ?? "not booked")),
      el("div.soft", {}, time(it.processed_at), ` ${it.id}`));
  }));
