// The list of what can be booked: a card for each offering, with its next slots and a way to more.

import { money, there, when } from "./format.js";
import { words } from "./language.js";

/** Slots of an offering shown at first. */
const FIRST_SLOTS = 6;
const RELOAD_MS = 5_000;
/** Pages of slots to look through for one with enough seats. */
const PAGES_AHEAD = 4;

const list = document.getElementById("offerings");
const form = document.getElementById("order");

let offerings = [];
/** Ids of offerings that show all the slots they have. */
const unfolded = new Set();
const acts = {};

/**
 * - `choose(offering, slot)` is called when the buyer takes a slot.
 * - `renewed()` is called when the cards are new ones: the form has to find its place again.
 */
export const on = (event, act) => { acts[event] = act; };

export const say = (text) => { document.getElementById("notice").textContent = text; };

export const cardOf = (offering) => list.querySelector(`[data-offering="${offering.id}"]`);
export const slotButton = (id) => list.querySelector(`[data-slot="${id}"]`);

/** What is known by now of a slot: `{ offering, slot }`. */
export function latest(offeringId, slotId) {
  const offering = offerings.find((it) => it?.id === offeringId);
  return { offering, slot: offering?.slots?.find((it) => it?.id === slotId) };
}

// ---------------------------------------------------------------- from the server

/** Returns whether it could. Pages of slots that were there before are there again. */
export async function load() {
  try {
    const fresh = (await get("/api/offerings")).offerings;
    for (const offering of fresh) {
      const known = latest(offering?.id).offering?.slots?.length;
      while (offering?.more_slots && offering.slots?.length < known) await loadMore(offering);
    }
    offerings = fresh;
  } catch {
    setTimeout(load, RELOAD_MS);
    say(words.notLoaded);
    return false;
  }
  render();
  return true;
}

/** Fetches the next page of slots. */
export async function loadMore(offering) {
  const { slots, more_slots } = await get(`/api/offerings/${offering.id}/slots?after=${offering.slots.at(-1).id}`);
  offering.slots.push(...slots);
  offering.more_slots = more_slots && slots.length > 0;
}

/** A slot with so many seats: rather a later one, which may not be loaded yet. */
export async function findSeats(offering, asked, startsAt) {
  const enough = (slot) => slot?.seats_left >= asked;
  const later = () => offering.slots.find((slot) => enough(slot) && slot.starts_at > startsAt);
  try {
    for (let page = 0; page < PAGES_AHEAD && !later() && offering.more_slots; page += 1) await loadMore(offering);
  } catch {
    // Those that are here have to do.
  }
  render();
  return later() ?? offering.slots.find(enough);
}

async function get(path) {
  const response = await fetch(path, { signal: AbortSignal.timeout(15_000) });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`, { cause: response.status });
  return response.json();
}

// ---------------------------------------------------------------- on the page

export function render() {
  const focused = document.activeElement;
  const cards = each(offerings, showOffering);
  say(cards.length ? "" : words.nothing);
  list.after(form); // it must not go with the old cards
  list.replaceChildren(...cards);
  acts.renewed();
  const again = form.contains(focused) ? focused : slotButton(focused?.dataset.slot);
  if (again === focused || !focused?.isConnected) again?.focus({ preventScroll: true });
}

/** Shows each thing that can be shown: one with odd data must not cost the others. */
function each(things, show) {
  return things.flatMap((thing) => {
    try {
      return [show(thing)];
    } catch (error) {
      console.warn("Not shown:", thing, error);
      return [];
    }
  });
}

const fromTemplate = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

function showOffering(offering) {
  const { id, unit_amount, currency, slots } = offering;
  if (!Number.isInteger(unit_amount)) throw new TypeError("no price");
  const card = fromTemplate("offering-template");
  card.dataset.offering = id;
  card.querySelector("h2").textContent = offering.name;
  card.querySelector(".price").textContent = money(unit_amount, currency);
  card.querySelector("p").textContent = offering.description;
  const items = each(slots, (slot) => showSlot(offering, slot));
  const folded = unfolded.has(id) ? [] : items.slice(FIRST_SLOTS);
  folded.forEach((item) => { item.hidden = true; });
  card.querySelector("ul").append(...items);
  const more = card.querySelector(".more");
  more.hidden = !folded.length && !offering.more_slots;
  more.textContent = offering.more_slots ? words.moreTimes : words.allTimes(items.length);
  more.addEventListener("click", () => showMore(offering, card));
  return card;
}

function showSlot(offering, slot) {
  if (!Number.isInteger(slot.seats_left)) throw new TypeError("no number of seats");
  const item = fromTemplate("slot-template");
  const button = item.querySelector("button");
  button.dataset.slot = slot.id;
  button.querySelector(".when").textContent = when(slot.starts_at, slot.ends_at);
  button.querySelector(".there").textContent = there(slot.starts_at, slot.ends_at, offering.time_zone);
  button.querySelector(".left").textContent = slot.seats_left ? words.left(slot.seats_left) : words.full;
  button.disabled = slot.seats_left === 0;
  button.addEventListener("click", () => acts.choose(offering, slot));
  return item;
}

/** Unfolds what is there, or else fetches the next page. */
async function showMore(offering, card) {
  const more = card.querySelector(".more");
  if (more.ariaDisabled === "true") return;
  const shown = card.querySelectorAll("li:not([hidden])").length;
  if (!card.querySelector("li[hidden]")) {
    more.ariaDisabled = "true";
    card.querySelector(".problem").textContent = "";
    try {
      await loadMore(offering);
    } catch ({ cause }) {
      more.ariaDisabled = null;
      if (cause === 404) await load(); // the last of these slots is gone
      return sayNoMore(cardOf(offering));
    }
    if (!offerings.includes(offering)) return; // all were loaded anew meanwhile
  }
  unfold(offering);
  const items = cardOf(offering).querySelectorAll("li");
  const first = items[Math.min(shown, items.length - 1)];
  first.tabIndex = -1; // the button of a slot that is full takes no focus
  (first.querySelector("button:enabled") ?? first).focus();
}

export function unfold(offering) {
  unfolded.add(offering.id);
  render();
}

function sayNoMore(card) {
  if (!card) return;
  card.querySelector(".problem").textContent = words.noMoreTimes;
  card.querySelector(".more").focus();
}
