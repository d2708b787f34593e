// Money, times and waits in the visitor's own language and time zone.

// How many digits Stripe's minor unit has, where it is not two. The browser's own table is
// another one: it leaves out, say, the Serbian dinar's, which Stripe counts.
// Source: https://docs.stripe.com/currencies#zero-decimal
const ZERO_DECIMAL = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(" ");
const THREE_DECIMAL = "bhd jod kwd omr tnd".split(" ");

/** `minorUnits` is Stripe's integer: 1099 usd is $10.99, 500 jpy is ¥500. */
export function money(minorUnits, currency) {
  const digits = ZERO_DECIMAL.includes(currency) ? 0 : THREE_DECIMAL.includes(currency) ? 3 : 2;
  const format = new Intl.NumberFormat(undefined, {
    style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits,
  });
  return format.format(minorUnits / 10 ** digits);
}

/** A slot: its day, when it starts and when it ends. */
export function when(startsAt, endsAt) {
  const format = new Intl.DateTimeFormat(undefined, {
    weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit",
  });
  // A line must not break inside "10:00–12:00".
  return format.formatRange(new Date(startsAt), new Date(endsAt)).replace("–", "\u2060–\u2060");
}

export function seats(quantity) {
  return quantity === 1 ? "1\u00a0seat" : `${quantity}\u00a0seats`;
}

/** How long until `time`, in whole minutes and in words; `null` once it is past. */
export function minutesLeft(time) {
  const minutes = Math.floor((new Date(time) - Date.now()) / 60000);
  if (minutes < 0) return null;
  return minutes === 0 ? "less than a minute" : minutes === 1 ? "1 more minute" : `${minutes} more minutes`;
}
