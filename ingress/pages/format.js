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

const DAY = { weekday: "short", day: "numeric", month: "short" };

/** A slot among others: its day, when it starts and when it ends. `zone` is where it takes place. */
export const when = (startsAt, endsAt, zone) => write(startsAt, endsAt, DAY, zone);

/** The same for a reader next week or elsewhere: with year and time zone. */
export const whenExactly = (startsAt, endsAt, zone) =>
  write(startsAt, endsAt, { ...DAY, year: "numeric", timeZoneName: "short" }, zone);

/** One moment, such as the last by which something can be done. */
export const moment = (time) =>
  new Intl.DateTimeFormat(locale, { ...DAY, year: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short" })
    .format(Date.parse(time));

function write(startsAt, endsAt, fields, zone) {
  const [here, elsewhere] = [range(datesOf(startsAt, endsAt), fields), there(startsAt, endsAt, zone)];
  return elsewhere ? `${here} (${elsewhere})` : here;
}

/** What the clocks in `zone` show, with its name; nothing if it is what they show here. */
export function there(startsAt, endsAt, zone) {
  const dates = datesOf(startsAt, endsAt);
  try {
    if (!zone || dates.every((date) => offset(date, zone) === offset(date))) return "";
    const days = [...dates.map((date) => dayOf(date, zone)), dayOf(dates[1])];
    const sameDay = days.every((day) => day === dayOf(dates[0]));
    return `${zone} ${range(dates, sameDay ? {} : DAY, zone)}`;
  } catch {
    return ""; // a zone that this browser does not know
  }
}

const datesOf = (...times) => times.map((time) => new Date(Date.parse(time)));

function range([start, end], { timeZoneName, ...day }, timeZone) {
  const sameDay = dayOf(start, timeZone) === dayOf(end, timeZone);
  const time = { timeZone, hour: "numeric", minute: "2-digit", timeZoneName };
  if (offset(start, timeZone) === offset(end, timeZone) && !comesTwice(start, timeZone) && !comesTwice(end, timeZone)) {
    const text = new Intl.DateTimeFormat(locale, { ...day, ...time }).formatRange(start, end);
    // A line must not break inside "10:00–12:00", nor before what follows it, as in "10:00–12:00 Uhr".
    const whole = text.replaceAll("–", "\u2060–\u2060").replace(/(\d) (\S+)$/, "$1\u00a0$2");
    return sameDay ? whole.replaceAll("\u2009", "\u202f") : whole;
  }
  // The clocks are changed: 2:30 to 2:30 can be an hour, and only the zone tells which.
  const exactly = (date, fields) => new Intl.DateTimeFormat(locale, { ...fields, ...time, timeZoneName: "short" })
    .format(date).replace(/ (\S+)$/, "\u00a0$1");
  return `${exactly(start, day)} –\u00a0${exactly(end, sameDay ? {} : day)}`;
}

const dayOf = (date, timeZone) => new Intl.DateTimeFormat("en", { timeZone }).format(date);

/** Minutes to add to the clock on the wall for UTC; without `timeZone`, on the visitor's wall. */
function offset(date, timeZone) {
  if (!timeZone) return date.getTimezoneOffset();
  const parts = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" }).formatToParts(date);
  const [, sign, hours, minutes] = /([+-])(\d+):(\d+)/.exec(parts.find((it) => it.type === "timeZoneName").value) ?? [];
  if (!sign) return 0; // "GMT"
  return (sign === "+" ? -1 : 1) * (60 * hours + Number(minutes));
}

/** Whether the clock on the wall shows this time a second time, because it is put back. */
function comesTwice(date, timeZone) {
  return [-DAY_MS, DAY_MS].some((away) => {
    const other = offset(new Date(date.getTime() + away), timeZone);
    const again = new Date(date.getTime() + (other - offset(date, timeZone)) * 60_000);
    return other !== offset(date, timeZone) && offset(again, timeZone) === other;
  });
}

/** How long until `time` (in ms, by our clock), in words. */
export const minutesLeft = (time) => words.minutesLeft(Math.floor((time - Date.now()) / 60_000));
