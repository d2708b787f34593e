// The checkout this tab has under way. It is about going back and forth between the shop and
// the payment page, not about being found again later: the browser forgets it with the tab. What it
// keeps for longer is which times are booked, without whose, so that another tab can ask.

const OPEN = "bookonce.open_checkout";
const ATTEMPT = "bookonce.attempt";
const BOOKED = "bookonce.booked";
/** More times than a person books. */
const MOST_BOOKED = 50;
/** Less than any hold, so that a key never leads to a session that has expired. */
const ATTEMPT_MS = 20 * 60_000;

/** The session that can still be paid, or `null`. */
export const recall = () => read(OPEN);

/** `checkout`: what was ordered, with the server's answer, and `ends`, by our own clock. */
export const remember = (checkout) => write(OPEN, checkout);

/** The session is paid or over. The same order would be a new one. */
export function forget(sessionId) {
  if (recall()?.session_id !== sessionId) return;
  write(OPEN, null);
  write(ATTEMPT, null);
}

/** The buyer has come back from the payment page and may have paid: say so, or take it back. */
export function markReturned(sessionId, returned) {
  const checkout = recall();
  if (checkout?.session_id === sessionId) remember({ ...checkout, returned });
}

/** Whether this browser has booked the slot, by whatever session but this one. */
export const isBooked = (slotId, sessionId) => booked().some((it) => it.slot_id === slotId && it.session_id !== sessionId);

/** Keeps in mind that the session booked the slot, until it is over; or that it did not after all. */
export function markBooked(sessionId, slotId, endsAt) {
  const others = booked().filter((it) => it.session_id !== sessionId);
  const mine = slotId ? [{ slot_id: slotId, session_id: sessionId, ends: Date.parse(endsAt) }] : [];
  try {
    localStorage.setItem(BOOKED, JSON.stringify([...mine, ...others].slice(0, MOST_BOOKED)));
  } catch {
    // Storage is switched off: a second payment goes back all the same.
  }
}

function booked() {
  try {
    return JSON.parse(localStorage.getItem(BOOKED)).filter((it) => it.ends > Date.now());
  } catch {
    return []; // nothing is booked, or storage is switched off
  }
}

/** The `Idempotency-Key` of an order. Asking again for the same must not hold seats twice. */
export function keyFor(order) {
  const wanted = JSON.stringify(order);
  const earlier = [recall(), read(ATTEMPT)].find((it) => JSON.stringify(it?.order) === wanted);
  if (earlier) return earlier.key;
  // Browsers offer randomUUID to pages on https and on localhost only.
  const key = crypto.randomUUID?.() ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
  write(ATTEMPT, { order, key, ends: Date.now() + ATTEMPT_MS });
  return key;
}

function read(item) {
  try {
    const value = JSON.parse(sessionStorage.getItem(item));
    return value?.ends > Date.now() ? value : null;
  } catch {
    return null; // storage is switched off
  }
}

function write(item, value) {
  try {
    sessionStorage.setItem(item, JSON.stringify(value));
  } catch {
    // Storage is switched off: booking works, there is only nothing to come back to.
  }
}
