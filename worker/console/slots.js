// Slots to come, with their seats.

import { get } from "./api.js";
import { badge, command, el, show, time } from "./dom.js";

export async function slots(main) {
  const query = new URLSearchParams(location.search);
  const found = await get(`/slots?${query}`);
  show(
    main,
    "Slots to come",
    found.slots.length ? list(found.slots) : el("p", {}, "No slot is to come."),
    command(found.command),
  );
}

const list = (slots) =>
  el("ul.rows", {}, slots.map((it) => {
    const seats = `${it.seats_taken} of ${it.capacity} taken`;
    const verb = it.closed ? "open" : "close";
    return el("li", {},
      el("div.head", {},
        el("strong", {}, it.offering ?? "?"), time(it.starts_at),
        it.closed && badge("closed"), it.seats_taken >= it.capacity && badge("full")),
      el("div.head", {},
        el("meter", { min: 0, max: Math.max(it.capacity, 1), value: it.seats_taken, "aria-label": seats }),
        el("span", {}, seats),
        el("a", { href: `/console/bookings?slot=${it.id}` }, "Bookings")),
      el("details", {},
        el("summary", {}, it.closed ? "Sell it again" : "Sell no more of it"),
        command(`worker slot ${verb} ${it.id}`)));
  }));
