// What can be wrong with an order, in words for the buyer. What needs no server is checked here,
// in the server's own words, if those are English; the server has the last one: ingress/src/order.rs.

import { language, words } from "./language.js";

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
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > MAX_SEATS) wrong("quantity", words.quantityWrong(MAX_SEATS));
  else if (quantity > seatsLeft) wrong("quantity", words.fewLeft(seatsLeft));
  const [name, email] = [customer.name.trim(), customer.email.trim()];
  if (!/[\p{Alphabetic}\p{N}]/u.test(name.replace(FILLERS, ""))) wrong("customer.name", words.nameMissing);
  else if ([...name].length > 200 || SPOILS_A_LINE.test(name)) wrong("customer.name", words.nameWrong);
  if (!email) wrong("customer.email", words.emailMissing);
  else if (/\P{ASCII}/u.test(email)) wrong("customer.email", words.emailSpecial);
  else if (!/^[^\s@<>]+@[^\s@]+\.[^\s@.]{2,}$/.test(email)) wrong("customer.email", words.emailWrong);
  return errors;
}

/** What to say of an error field that only the server found wrong. */
const FIELDS = {
  quantity: words.quantityWrong(MAX_SEATS),
  "customer.name": words.nameMissing,
  "customer.email": words.emailWrong,
};

/** The server's `errors` in the visitor's language: it speaks English, and says it more exactly. */
export const inOurWords = (errors) => (language === "en" ? errors
  : errors?.map(({ field, message }) => ({ field, message: FIELDS[field] ?? message })));
