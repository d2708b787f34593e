// Money, times and waits in the visitor's own language and time zone.

import { locale, words } from "./language.js";

// How many digits Stripe's minor unit has, where it is not two. The browser's own table is
// another one: it leaves out, say, the Serbian dinar's, which Stripe counts.
// Source: https://docs.stripe.com/currencies#zero-decimal
const ZERO_DECIMAL = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(" ");
const THREE_DECIMAL = "bhd jod kwd omr tnd".split(" ");
/** Counted in hundredths at Stripe, and in whole units everywhere else. */
const SHOWN_WHOLE = ["isk", "ugx"];

const DAY_MS = 24 * 60 * 60_000;

/** `minorUnits` is Stripe's integer: 1099 usd is $10.99, 500 jpy is ¥500. */
export function money(minorUnits, currency, language = locale) {
  const code = String(currency ?? "").toLowerCase();
  const digits = ZERO_DECIMAL.includes(code) ? 0 : THREE_DECIMAL.includes(code) ? 3 : 2;
  const shown = SHOWN_WHOLE.includes(code) ? 0 : digits;
  try {
    const format = new Intl.NumberFormat(language, {
      style: "currency", currency: code, minimumFractionDigits: shown, maximumFractionDigits: digits,
    });
    return format.format(minorUnits / 10 ** digits);
  } catch {
    // Not a code that browsers know how to write: what the shop says is shown as it is.
    return `${minorUnits} ${code.toUpperCase()}`.trim();
  }
}

/** A slot among others: its day, when it starts and when it ends. */
export const when = (startsAt, endsAt) => range(startsAt, endsAt, {});

/** The same for a reader next week or elsewhere: with year and time zone. */
export const whenExactly = (startsAt, endsAt) => range(startsAt, endsAt, { year: "numeric", timeZoneName: "short" });

function range(startsAt, endsAt, more) {
  const [start, end] = [startsAt, endsAt].map((time) => new Date(Date.parse(time)));
  const day = { weekday: "short", day: "numeric", month: "short", year: more.year };
  const time = { hour: "numeric", minute: "2-digit", timeZoneName: more.timeZoneName };
  if (offset(start) === offset(end) && !comesTwice(start) && !comesTwice(end)) {
    const format = new Intl.DateTimeFormat(locale, { ...day, ...time });
    // A line must not break inside "10:00–12:00".
    return format.formatRange(start, end).replaceAll("–", "\u2060–\u2060");
  }
  // The clocks are changed: 2:30 to 2:30 can be an hour, and only the zone tells which.
  const write = (date, fields) => new Intl.DateTimeFormat(locale, { ...fields, ...time, timeZoneName: "short" })
    .format(date).replace(/ (\S+)$/, "\u00a0$1");
  const sameDay = start.toDateString() === end.toDateString();
  return `${write(start, day)} –\u00a0${write(end, sameDay ? {} : day)}`;
}

/** Minutes to add to the clock on the wall for UTC. */
const offset = (date) => date.getTimezoneOffset();

/** Whether the clock on the wall shows this time a second time, because it is put back. */
function comesTwice(date) {
  return [-DAY_MS, DAY_MS].some((away) => {
    const other = offset(new Date(date.getTime() + away));
    const again = new Date(date.getTime() + (other - offset(date)) * 60_000);
    return other !== offset(date) && offset(again) === other;
  });
}

/** How long until `time` (in ms, by our clock), in words. */
export const minutesLeft = (time) => words.minutesLeft(Math.floor((time - Date.now()) / 60_000));
