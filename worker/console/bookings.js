// Bookings: what was searched for, or those of one status.

import { get, post } from "./api.js";
import { badge, command, counted, el, moment, show } from "./dom.js";

const STATUSES = ["needs_attention", "refund_pending", "confirmed", "cancelled"];

export async function bookings(main) {
  const [, asked] = location.hash.split("#find=");
  const word = decodeURIComponent(asked ?? "");
  if (word) {
    document.querySelector("#word").value = word;
    const found = await post("/bookings/search", { word });
    const number = found.bookings.length;
    const title = number ? `${counted(number, "order")} found` : "Nothing found";
    const nothing = "Nothing here has this in its name, e-mail address, reference or ids.";
    return show(main, title, number ? list(found.bookings) : el("p", {}, nothing), command(found.command));
  }
  const query = new URLSearchParams(location.search);
  const status = query.get("status");
  const found = await get(`/bookings?${query}`);
  return show(
    main,
    status ? `Bookings: ${status.replaceAll("_", " ")}` : "Bookings",
    filters(status),
    found.bookings.length ? list(found.bookings) : el("p", {}, "No booking is like that."),
    command(found.command),
  );
}

function filters(status) {
  const link = (name, query) => {
    const isHere = (query || null) === status;
    const href = query ? `/console/bookings?status=${query}` : "/console/bookings";
    return el("li", {}, el("a", { href, "aria-current": isHere && "true" }, name));
  };
  const links = STATUSES.map((it) => link(it.replaceAll("_", " "), it));
  return el("ul.filters", { "aria-label": "By status" }, link("all", ""), links);
}

function list(rows) {
  return el("ul.rows", {}, rows.map((row) => {
    const name = row.reference ?? row.checkout_id;
    const href = `/console/bookings/${encodeURIComponent(name)}`;
    const when = row.starts_at ? `, ${moment(row.starts_at)}` : "";
    return el("li", {},
      el("div.head", {},
        el("a.reference", { href }, name),
        badge(row.status ?? row.state),
        row.reason && el("span.soft", {}, row.reason)),
      el("div", {}, `${row.customer.name}, ${row.customer.email}`),
      el("div.soft", {}, `${row.quantity} × ${row.what}${when}, ${row.paid}`),
      row.status === "needs_attention" && el("a.button", { href: `${href}#decide` }, "Decide"));
  }));
}
