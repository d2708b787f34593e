// The shop: the order of what was chosen, and the way to the payment page.

import { minutesLeft, money, when } from "./format.js";
import { words } from "./language.js";
import { cardOf, findSeats, latest, load, on, say, slotButton, unfold } from "./offerings.js";
import { isBooked, keyFor, recall, remember } from "./open-checkout.js";
import { errorsIn, inOurWords, MAX_SEATS } from "./order.js";

const byId = (id) => document.getElementById(id);
const form = byId("order");
const { quantity, name, email } = form.elements;

/** An order is on its way, or the browser is. */
let busy = false;
/** What the buyer has chosen; the form belongs to it. */
let chosen = null;
/** Seats the buyer asked for; a slot may have fewer. */
let wanted = quantity.valueAsNumber;

// ---------------------------------------------------------------- what is chosen

function choose(offering, slot) {
  chosen = { offering, slot };
  if (slotButton(slot.id)?.parentElement.hidden) unfold(offering);
  byId("chosen").textContent = words.named(offering.name, when(slot.starts_at, slot.ends_at, offering.time_zone));
  byId("next-slot").hidden = byId("again").hidden = true;
  showErrors([]);
  form.hidden = false;
  if (wanted >= 1) quantity.value = Math.min(wanted, Math.max(1, seatsLeft()));
  placeForm();
  // First what was chosen, then the fields: in a reader as on the screen.
  byId("chosen").focus({ preventScroll: true });
  const item = form.parentElement;
  item.scrollIntoView({ block: item.offsetHeight < innerHeight ? "nearest" : "start" });
}

/** Puts the form below what it is about, and has it know how many seats that has now. */
function placeForm() {
  if (!chosen) return;
  const { offering, slot } = latest(chosen.offering.id, chosen.slot.id);
  if (slot) chosen = { offering, slot };
  const place = slotButton(chosen.slot.id)?.parentElement ?? cardOf(chosen.offering);
  if (!place) {
    [chosen, form.hidden] = [null, true];
    return say(words.problems.slot_not_found);
  }
  place.append(form);
  place.hidden = false; // it may have come to stand among the folded ones
  for (const button of document.querySelectorAll("[data-slot]")) {
    button.setAttribute("aria-pressed", String(button.dataset.slot === chosen.slot.id));
  }
  quantity.max = Math.min(MAX_SEATS, Math.max(1, seatsLeft()));
  showTotal();
}

/** Seats of the chosen slot, with those on hold for this buyer: a new order takes their place. */
function seatsLeft() {
  const { id, capacity = MAX_SEATS, seats_left } = chosen.slot;
  const held = recall()?.order;
  return Math.min(capacity, seats_left + (held?.slot_id === id ? held.quantity : 0));
}

// ---------------------------------------------------------------- the order

/** Without `again` it is the wish of one person, in however many tabs. */
const order = (again) => ({
  slot_id: chosen.slot.id,
  quantity: quantity.valueAsNumber,
  customer: { name: name.value.trim(), email: email.value.trim() },
  ...(again ? {} : { once_per_email: true }),
});

const mistakes = () => errorsIn(order(), seatsLeft());

function showTotal() {
  const total = chosen.offering.unit_amount * quantity.valueAsNumber;
  const known = mistakes().every((error) => error.field !== "quantity");
  if (!busy) byId("book").textContent = known ? words.bookFor(money(total, chosen.offering.currency)) : words.book;
}

function showErrors(errors) {
  for (const place of form.querySelectorAll(".error")) showError(place, errors);
}

function showError(place, errors) {
  const error = errors.find((it) => it.field === place.dataset.field);
  place.textContent = error?.message ?? "";
  const input = place.parentElement.querySelector("input");
  if (error) input?.setAttribute("aria-invalid", "true");
  else input?.removeAttribute("aria-invalid");
}

/** While typing, a mistake that was pointed out goes away; a new one waits for the end. */
function recheck({ target, type }) {
  if (!chosen) return;
  if (target === quantity && type === "input") wanted = quantity.valueAsNumber;
  showTotal();
  const place = target.parentElement.querySelector(".error");
  if (type === "change" || place.textContent) showError(place, mistakes());
}

/** A press on the button ends the field before it. Words that appear there must not move the
 *  button from under the pointer: then no click follows. */
let pressed = false;
addEventListener("pointerdown", () => { pressed = true; });
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { pressed = false; });

function afterClick(event) {
  if (pressed) addEventListener("pointerup", () => setTimeout(recheck, 0, event), { once: true });
  else setTimeout(recheck, 0, event);
}

/** - `again`: the buyer was asked, and wants it in addition. */
async function book(again) {
  if (busy) return;
  byId("again").hidden = true;
  const errors = mistakes();
  showErrors(errors);
  form.querySelector('[aria-invalid="true"]')?.focus();
  if (errorsIn(order()).length) return;
  if (!again && isBooked(chosen.slot.id)) return ask();

  setBusy(errors.length ? words.lookingForSeats : words.openingPayment);
  // Too few seats, by numbers that may be old, need no order to be told.
  const next = await (errors.length ? offerNextSlot() : placeOrder(again)).catch(() => {
    showErrors([{ field: "order", message: words.tryAgain }]);
  });
  if (next) location.assign(next); // it stays busy
  else setBusy(null);
}

/** Whether a second booking is meant. */
function ask() {
  showErrors([{ field: "order", message: words.alreadyBooked }]);
  byId("again").hidden = false;
  byId("again").focus();
}

/** Returns where to go. */
async function placeOrder(again) {
  byId("next-slot").hidden = true;
  const { status, answer } = await send(order(again));
  if (status === 201) return answer.checkout_url;
  if (answer.code === "checkout_completed" && recall()) return `/payment-success?session_id=${recall().session_id}`;
  if (answer.code === "slot_full") return offerNextSlot();
  showErrors(inOurWords(answer.errors) ?? [{ field: "order", message: words.problems[answer.code] ?? words.tryAgain }]);
  form.querySelector('[aria-invalid="true"]')?.focus();
}

/** Not `disabled`, which would send a keyboard user to the top of the page. */
function setBusy(doing) {
  busy = Boolean(doing);
  byId("book").setAttribute("aria-disabled", String(busy));
  if (busy) byId("book").textContent = doing;
  else if (chosen) showTotal();
}

async function send(order) {
  const [held, key] = [recall(), keyFor(order)];
  const { offering: { name, time_zone }, slot: { starts_at, ends_at } } = chosen;
  const response = await fetch("/api/create-checkout-session", {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    // A changed mind gives the seats of the first one back.
    body: JSON.stringify(held && held.key !== key ? { ...order, replaces: held.session_id, replaces_key: held.key } : order),
    signal: AbortSignal.timeout(30_000),
  });
  const answer = await response.json();
  if (response.status === 201) {
    // By our own clock, which may be wrong.
    const left = Date.parse(answer.expires_at) - Date.parse(response.headers.get("date"));
    remember({ order, key, offering: name, starts_at, ends_at, time_zone, ...answer, ends: Date.now() + left });
  }
  return { status: response.status, answer };
}

async function offerNextSlot() {
  const [asked, { starts_at }] = [quantity.valueAsNumber, chosen.slot];
  byId("next-slot").hidden = true;
  const loaded = await load();
  if (!chosen) return;
  if (!loaded || seatsLeft() >= asked) {
    showErrors([{ field: "order", message: loaded ? words.enoughAgain : words.tryAgain }]);
    return byId("book").focus();
  }
  const { offering } = chosen;
  const next = await findSeats(offering, asked, starts_at);
  const none = offering.more_slots ? words.noneOfNext(offering.slots.length, asked) : words.noOther(asked);
  const offer = next ? words.nextWith(asked) : none;
  const some = seatsLeft() > 0;
  showErrors(some
    ? [...mistakes(), { field: "order", message: offer }]
    : [{ field: "order", message: words.filledUp(offer) }]);
  if (!next) return byId(some ? "quantity" : "book").focus();
  const button = byId("next-slot");
  button.hidden = false;
  button.textContent = words.take(when(next.starts_at, next.ends_at, offering.time_zone));
  button.onclick = () => {
    wanted = asked;
    choose(offering, next);
    byId("book").focus();
  };
  button.focus();
}

// ---------------------------------------------------------------- coming and coming back

/** Who comes back from the payment page sees that nothing is lost. */
function showHeld() {
  const held = recall();
  byId("held").hidden = !held;
  if (!held) return;
  const what = words.named(held.offering, when(held.starts_at, held.ends_at, held.time_zone));
  const seats = words.seatsOf(held.order.quantity, what);
  byId("held-text").textContent = held.returned ? words.lookedUp(seats) : words.held(seats, minutesLeft(held.ends));
  byId("held-link").textContent = held.returned ? words.lookedUpLink : words.heldLink;
  byId("held-link").href = held.returned ? `/payment-success?session_id=${held.session_id}` : "/payment-cancelled";
}

on("choose", choose);
on("renewed", placeForm);
form.addEventListener("submit", (event) => { event.preventDefault(); book(); });
byId("again").addEventListener("click", () => book(true));
form.addEventListener("input", recheck);
form.addEventListener("change", afterClick);
// The back button may show the page as it was left, busy and with old numbers.
addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  setBusy(null);
  showHeld();
  if (!recall()) [chosen, form.hidden] = [null, true]; // what it was about is booked
  load();
});
setInterval(showHeld, 15_000);
showHeld(); // the words may have come after pageshow
byId("time-zone").textContent = ` ${words.timesAreIn(Intl.DateTimeFormat().resolvedOptions().timeZone)}`;
await load();
