// How it stands, live: the queues as plots, what waits for a person, the latest events.

import { get } from "./api.js";
import { counted, duration, el, moment, notice, show, svg, tell } from "./dom.js";
import { list } from "./events.js";

const LOOK_AGAIN_MS = 3000;
const EVENTS = 8;
const WIDTH = 240;
const HEIGHT = 48;

export async function overview(main) {
  const [state, waiting, queues, latest] = [notice(), el("ul.numbers"), el("div.queues"), el("div")];
  show(
    main, "Overview", state, waiting,
    el("h2", {}, "Queues"), el("p.soft", {}, "The last quarter of an hour, as this worker has seen it."), queues,
    el("h2", {}, "Latest events"), latest, el("p", {}, el("a", { href: "/console/events" }, "More events")),
  );
  for (;;) {
    try {
      const [now, { events }] = await Promise.all([get("/overview"), get(`/events?limit=${EVENTS}`)]);
      tell(state, now.down.length ? `Does not answer: ${now.down.join(", ")}. Work that needs it waits.` : "", true);
      update(waiting, numbers(now));
      queues.replaceChildren(...plots(now.samples));
      update(latest, [list(events)]);
    } catch (problem) {
      if (problem.status === 401) return location.reload();
      tell(state, `${problem.message} What is shown is of before.`, true);
    }
    do {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    } while (document.hidden);
  }
}

/** Leaves what is the same alone: a link keeps its focus. */
function update(place, children) {
  const next = el("div", {}, children);
  if (next.innerHTML !== place.innerHTML) place.replaceChildren(...next.childNodes);
}

function numbers({ now, waiting, outbox, deliveries, reconcile, audit }) {
  const one = (value, name, href, isBad) =>
    el("li", {}, el(href ? "a" : "div", { href, class: isBad ? "bad" : null }, el("strong", {}, String(value)), el("span", {}, name)));
  const age = (it) => (it.number ? `, oldest ${duration(it.oldest_seconds)}` : "");
  const ago = (it) => {
    if (it.running) return "running";
    return it.last_success_at ? `${duration((Date.parse(now) - Date.parse(it.last_success_at)) / 1000)} ago` : "never";
  };
  return [
    one(waiting.needs_attention, "need attention", "/console/bookings?status=needs_attention", waiting.needs_attention > 0),
    one(waiting.dead_letters, "dead letters", "/console/dead-letters", waiting.dead_letters > 0),
    one(waiting.refunds_owed, "refunds owed", "/console/bookings?status=refund_pending"),
    one(waiting.disputes_to_answer, "disputes to answer", null, waiting.disputes_to_answer > 0),
    one(waiting.charged_back, "charged back", null, waiting.charged_back > 0),
    one(outbox.number, `to be handed on${age(outbox)}`),
    one(deliveries.number, `to be delivered${age(deliveries)}`),
    one(ago(reconcile), "last reconcile", "/console/checks"),
    one(ago(audit), "last clean audit", "/console/checks"),
  ];
}

/** A card for each queue: what waits, how old it is, how much is done. */
function plots(samples) {
  if (!samples.length) return [el("p", {}, "The first look is on its way.")];
  const names = samples.at(-1).queues.map((it) => it.queue);
  return names.map((name) => {
    const of = samples.map(({ at, queues }) => ({ at: Date.parse(at), ...queues.find((it) => it.queue === name) }));
    const rates = of.slice(1).map((it, index) => ({
      at: it.at,
      value: Math.max(0, it.answered - of[index].answered) / Math.max(0.001, (it.at - of[index].at) / 1000),
    }));
    const values = (read) => of.map((it) => ({ at: it.at, value: read(it) ?? 0 }));
    const charts = [plot("waiting", values((it) => it.ready), String)];
    if (name !== "retry") {
      const seconds = (value) => (value < 10 ? `${value.toFixed(1)} s` : duration(value));
      charts.push(plot("oldest", values((it) => it.oldest_ms / 1000), seconds));
      charts.push(plot("done", rates, (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)}/s`));
    }
    const { unacked } = of.at(-1);
    return el("section.card", {},
      el("h3", {}, name, unacked ? el("span.soft", {}, ` ${counted(unacked, "message")} in work`) : ""),
      el("div.plots", {}, charts));
  });
}

function plot(name, points, write) {
  const last = points.at(-1)?.value ?? 0;
  const most = Math.max(...points.map((it) => it.value), 0);
  const [from, to] = [points[0]?.at ?? 0, points.at(-1)?.at ?? 1];
  const x = (at) => ((at - from) / Math.max(1, to - from)) * WIDTH;
  const y = (value) => HEIGHT - 2 - (most ? (value / most) * (HEIGHT - 6) : 0);
  const line = points.map((it) => `${x(it.at).toFixed(1)},${y(it.value).toFixed(1)}`).join(" ");
  const said = `${name}: ${write(last)} now, at most ${write(most)} since ${moment(new Date(from).toISOString())}`;
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": said },
    svg("polygon", { class: "area", points: `0,${HEIGHT} ${line} ${WIDTH},${HEIGHT}` }),
    svg("polyline", { points: line, "vector-effect": "non-scaling-stroke" }));
  return el("figure", {},
    el("figcaption", {}, el("span", {}, name), el("strong", {}, write(last)), el("span.soft", {}, `max ${write(most)}`)),
    drawing);
}
