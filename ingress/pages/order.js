// What can be wrong with an order, in words for the buyer. What needs no server is checked here,
// in the server's own words; the server has the last one: ingress/src/order.rs.

export const MAX_SEATS = 20;
/** Letters by Unicode's reckoning, and blank. */
const FILLERS = /[\u115f\u1160\u3164\uffa0]/g;
/** Control characters, and those that turn the direction of what stands around them. */
const SPOILS_A_LINE = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u;

/**
 * `errors` as POST /api/create-checkout-session would answer.
 *
 * - `seatsLeft`: what can be had of the chosen time.
 */
export function errorsIn({ quantity, customer }, seatsLeft = MAX_SEATS) {
  const errors = [];
  const wrong = (field, message) => errors.push({ field, message });
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > MAX_SEATS) wrong("quantity", "Choose 1 to 20 seats.");
  else if (quantity > seatsLeft) wrong("quantity", tooFew(seatsLeft));
  const [name, email] = [customer.name.trim(), customer.email.trim()];
  if (!/[\p{Alphabetic}\p{N}]/u.test(name.replace(FILLERS, ""))) wrong("customer.name", "Tell us your name.");
  else if ([...name].length > 200 || SPOILS_A_LINE.test(name)) wrong("customer.name", "Use at most 200 characters, in one line.");
  if (!email) wrong("customer.email", "Tell us your e-mail address.");
  else if (/\P{ASCII}/u.test(email)) wrong("customer.email", "Use an e-mail address without accents or other special letters.");
  else if (!/^[^\s@<>]+@[^\s@]+\.[^\s@.]{2,}$/.test(email)) {
    wrong("customer.email", "This does not look like an e-mail address.");
  }
  return errors;
}

function tooFew(seatsLeft) {
  if (seatsLeft < 1) return "No seat is left at this time.";
  return seatsLeft === 1 ? "Only 1 seat is left at this time." : `Only ${seatsLeft} seats are left at this time.`;
}

export const TRY_AGAIN = "The shop could not be reached. Nothing is booked and nothing was charged. Please try again.";

/** What an error code means to a buyer. */
export const WORDS = {
  slot_closed: "This time has already begun. Please choose another.",
  slot_not_found: "This time is no longer offered. Please choose another.",
  offering_unavailable: "This offer cannot be booked at the moment. Please choose another.",
  stripe_refused: "The payment page cannot be opened for this order. Nothing is booked and nothing was charged. Please tell the shop.",
  stripe_unavailable: "The payment page cannot be opened at the moment. Nothing is booked and nothing was charged. Please try again.",
  too_many_orders: "There were many orders from your network just now. Please try again in a moment.",
  checkout_conflict: "Your last click is still being worked on. Please try again in a moment.",
};
