// Money and times in the visitor's own language and time zone.

/** `minorUnits` is an integer in the currency's minor unit: 1099 usd is $10.99, 500 jpy is ¥500. */
export function money(minorUnits, currency) {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  const digits = format.resolvedOptions().maximumFractionDigits;
  return format.format(minorUnits / 10 ** digits);
}

/** A slot: its day and time, and when it ends. */
export function when(startsAt, endsAt) {
  const format = new Intl.DateTimeFormat(undefined, {
    weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit",
  });
  return format.formatRange(new Date(startsAt), new Date(endsAt));
}
