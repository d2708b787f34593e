// The shop: what can be booked, and the way to the payment page.

import { minutesLeft, money, seats, when } from "./format.js";
import { keyFor, recall, remember } from "./open-checkout.js";
import { errorsIn } from "./order.js";

/** Slots of an offering shown at first. */
const FIRST_SLOTS = 6;

const byId = (id) => document.getElementById(id);
const form = byId("order");
const { quantity, name, email } = form.elements;

/** What an error code means to a buyer. */
const WORDS = {
  slot_closed: "This time has already begun. Please choose another.",
  slot_not_found: "This time is no longer offered. Please choose another.",
  stripe_unavailable: "The payment page cannot be opened at the moment. Nothing is booked and nothing was charged. Please try again.",
  too_many_orders: "There were many orders from your network just now. Please try again in a moment.",
  checkout_conflict: "Your last click is still being worked on. Please try again in a moment.",
};
const TRY_AGAIN = "The shop could not be reached. Nothing is booked and nothing was charged. Please try again.";
const RELOAD_MS = 5_000;

let offerings = [];
/** An order is on its way, or the browser is. */
let busy = false;
/** What the buyer has chosen; the form belongs to it. */
let chosen = null;

// ---------------------------------------------------------------- offerings and slots

async function load() {
  try {
    const response = await fetch("/api/offerings", { signal: AbortSignal.timeout(15_000) });
    if (!response.ok) throw new Error(`offerings answered ${response.status}`);
    ({ offerings } = await response.json());
  } catch {
    setTimeout(load, RELOAD_MS);
    return say("The offers could not be loaded. Trying again…");
  }
  say(offerings.length ? "" : "There is nothing to book at the moment.");
  byId("offerings").replaceChildren(...offerings.map(showOffering));
  const place = chosen && document.querySelector(`[data-offering="${chosen.offering.id}"]`);
  if (place) place.append(form);
  else form.hidden = true;
}

const say = (text) => { byId("notice").textContent = text; };

const fromTemplate = (id) => byId(id).content.firstElementChild.cloneNode(true);

function showOffering(offering) {
  const card = fromTemplate("offering-template");
  card.dataset.offering = offering.id;
  card.querySelector("h2").textContent = offering.name;
  card.querySelector(".price").textContent = money(offering.unit_amount, offering.currency);
  card.querySelector("p").textContent = offering.description;
  const items = offering.slots.map((slot) => showSlot(offering, slot));
  items.slice(FIRST_SLOTS).forEach((item) => { item.hidden = true; });
  card.querySelector("ul").append(...items);
  const more = card.querySelector(".more");
  more.hidden = items.length <= FIRST_SLOTS;
  more.textContent = `Show all ${items.length} times`;
  more.addEventListener("click", () => {
    items.forEach((item) => { item.hidden = false; });
    more.hidden = true;
    items[FIRST_SLOTS].querySelector("button").focus();
  });
  return card;
}

function showSlot(offering, slot) {
  const item = fromTemplate("slot-template");
  const button = item.querySelector("button");
  button.dataset.slot = slot.id;
  button.querySelector(".when").textContent = when(slot.starts_at, slot.ends_at);
  button.querySelector(".left").textContent = slot.seats_left ? `${seats(slot.seats_left)} left` : "full";
  button.disabled = slot.seats_left === 0;
  button.setAttribute("aria-pressed", String(chosen?.slot.id === slot.id));
  button.addEventListener("click", () => choose(offering, slot));
  return item;
}

function choose(offering, slot) {
  chosen = { offering, slot };
  for (const button of document.querySelectorAll("[data-slot]")) {
    button.setAttribute("aria-pressed", String(button.dataset.slot === slot.id));
  }
  byId("chosen").textContent = `${offering.name}, ${when(slot.starts_at, slot.ends_at)}`;
  byId("next-slot").hidden = true;
  showErrors([]);
  form.hidden = false;
  document.querySelector(`[data-offering="${offering.id}"]`).append(form);
  showTotal();
  quantity.focus();
}

// ---------------------------------------------------------------- the order

const order = () => ({
  slot_id: chosen.slot.id,
  quantity: quantity.valueAsNumber,
  customer: { name: name.value.trim(), email: email.value.trim() },
});

function showTotal() {
  const total = chosen.offering.unit_amount * quantity.valueAsNumber;
  const known = errorsIn(order()).every((error) => error.field !== "quantity");
  byId("book").textContent = known ? `Book now, ${money(total, chosen.offering.currency)}` : "Book now";
}

function showErrors(errors) {
  for (const place of form.querySelectorAll(".error")) {
    const error = errors.find((it) => it.field === place.dataset.field);
    place.textContent = error?.message ?? "";
    const input = place.parentElement.querySelector("input");
    if (error) input?.setAttribute("aria-invalid", "true");
    else input?.removeAttribute("aria-invalid");
  }
}

/** While typing, a mistake that was pointed out goes away; a new one waits for the end. */
function recheck({ target, type }) {
  showTotal();
  const place = target.parentElement.querySelector(".error");
  if (type === "input" && !place.textContent) return;
  const error = errorsIn(order()).find((it) => it.field === place.dataset.field);
  place.textContent = error?.message ?? "";
  if (error) target.setAttribute("aria-invalid", "true");
  else target.removeAttribute("aria-invalid");
}

async function book() {
  if (busy) return;
  const errors = errorsIn(order());
  showErrors(errors);
  form.querySelector('[aria-invalid="true"]')?.focus();
  if (errors.length) return;

  setBusy(true);
  byId("next-slot").hidden = true;
  try {
    const { status, answer } = await send(order());
    if (status === 201) return location.assign(answer.checkout_url); // it stays busy
    setBusy(false);
    if (answer.code === "slot_full") await offerNextSlot();
    else if (answer.code === "checkout_completed" && recall()) {
      return location.assign(`/payment-success?session_id=${recall().session_id}`);
    }
    else showErrors(answer.errors ?? [{ field: "order", message: WORDS[answer.code] ?? TRY_AGAIN }]);
  } catch {
    setBusy(false);
    showErrors([{ field: "order", message: TRY_AGAIN }]);
  }
  form.querySelector('[aria-invalid="true"]')?.focus();
}

/** Not `disabled`, which would throw whoever uses the keyboard to the top of the page. */
function setBusy(now) {
  busy = now;
  byId("book").setAttribute("aria-disabled", String(now));
  if (now) byId("book").textContent = "Opening the payment page…";
  else if (chosen) showTotal();
}

async function send(order) {
  const [held, key] = [recall(), keyFor(order)];
  const { offering: { name }, slot: { starts_at, ends_at } } = chosen;
  const response = await fetch("/api/create-checkout-session", {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    // A changed mind gives the seats of the first one back.
    body: JSON.stringify(held && held.key !== key ? { ...order, replaces: held.session_id } : order),
    signal: AbortSignal.timeout(30_000),
  });
  const answer = await response.json();
  if (response.status === 201) {
    // By our own clock, which may be wrong.
    const left = Date.parse(answer.expires_at) - Date.parse(response.headers.get("date"));
    remember({ order, key, offering: name, starts_at, ends_at, ...answer, ends: Date.now() + left });
  }
  return { status: response.status, answer };
}

async function offerNextSlot() {
  const wanted = quantity.valueAsNumber;
  const { offering: { id }, slot } = chosen;
  await load();
  const offering = offerings.find((it) => it.id === id);
  const slots = offering?.slots ?? [];
  const left = slots.find((it) => it.id === slot.id)?.seats_left ?? 0;
  const next = slots.find((it) => it.starts_at > slot.starts_at && it.seats_left >= wanted)
    ?? slots.find((it) => it.seats_left >= wanted);
  const full = left ? `Only ${seats(left)} left at this time.` : "This time has just filled up.";
  const message = next ? `${full} The next one with ${seats(wanted)}:` : `${full} No other time has ${seats(wanted)}.`;
  showErrors([{ field: "order", message }]);
  const button = byId("next-slot");
  button.hidden = !next;
  byId(next ? "next-slot" : "book").focus();
  if (!next) return;
  button.textContent = `Take ${when(next.starts_at, next.ends_at)}`;
  button.onclick = () => {
    choose(offering, next);
    quantity.value = wanted;
    showTotal();
    byId("book").focus();
  };
}

// ---------------------------------------------------------------- coming and coming back

/** Who comes back from the payment page sees that nothing is lost. */
function showHeld() {
  const held = recall();
  byId("held").hidden = !held;
  if (!held) return;
  const what = `${seats(held.order.quantity)}: ${held.offering}, ${when(held.starts_at, held.ends_at)}`;
  byId("held-text").textContent = held.returned
    ? `Your payment for ${what} is being looked up.`
    : `On hold for you, for ${minutesLeft(held.ends)}: ${what}.`;
  byId("held-link").textContent = held.returned ? "See how it stands" : "Go on with it";
  byId("held-link").href = held.returned ? `/payment-success?session_id=${held.session_id}` : "/payment-cancelled";
}

form.addEventListener("submit", (event) => { event.preventDefault(); book(); });
form.addEventListener("input", recheck);
form.addEventListener("change", recheck);
// The back button may show the page as it was left, busy and with old numbers.
addEventListener("pageshow", ({ persisted }) => {
  setBusy(false);
  showHeld();
  if (!persisted) return;
  if (!recall()) [chosen, form.hidden] = [null, true]; // what it was about is booked
  load();
});
setInterval(showHeld, 15_000);
byId("time-zone").textContent = ` Times are in your time zone, ${Intl.DateTimeFormat().resolvedOptions().timeZone}.`;
await load();
