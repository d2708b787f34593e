// Money, times and waits in the visitor's own language and time zone.

// How many digits Stripe's minor unit has, where it is not two. The browser's own table is
// another one: it leaves out, say, the Serbian dinar's, which Stripe counts.
// Source: https://docs.stripe.com/currencies#zero-decimal
const ZERO_DECIMAL = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(" ");
const THREE_DECIMAL = "bhd jod kwd omr tnd".split(" ");
/** Counted in hundredths at Stripe, and in whole units by everybody else. */
const SHOWN_WHOLE = ["isk", "ugx"];

/** `minorUnits` is Stripe's integer: 1099 usd is $10.99, 500 jpy is ¥500. */
export function money(minorUnits, currency) {
  const digits = ZERO_DECIMAL.includes(currency) ? 0 : THREE_DECIMAL.includes(currency) ? 3 : 2;
  const shown = SHOWN_WHOLE.includes(currency) ? 0 : digits;
  const format = new Intl.NumberFormat(undefined, {
    style: "currency", currency, minimumFractionDigits: shown, maximumFractionDigits: digits,
  });
  return format.format(minorUnits / 10 ** digits);
}

/** A slot among others: its day, when it starts and when it ends. */
export const when = (startsAt, endsAt) => range(startsAt, endsAt, {});

/** The same for somebody who reads it next week, or elsewhere: with year and time zone. */
export const whenExactly = (startsAt, endsAt) => range(startsAt, endsAt, { year: "numeric", timeZoneName: "short" });

function range(startsAt, endsAt, more) {
  const format = new Intl.DateTimeFormat(undefined, {
    weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit", ...more,
  });
  // A line must not break inside "10:00–12:00".
  return format.formatRange(new Date(startsAt), new Date(endsAt)).replaceAll("–", "\u2060–\u2060");
}

export function seats(quantity) {
  return quantity === 1 ? "1\u00a0seat" : `${quantity}\u00a0seats`;
}

/** How long until `time` (in ms, by our clock), in words. */
export function minutesLeft(time) {
  const minutes = Math.floor((time - Date.now()) / 60_000);
  return minutes < 1 ? "less than a minute" : minutes === 1 ? "1 more minute" : `${minutes} more minutes`;
}
