// Reconcile, audit and doctor: started here, and watched.

import { get, post } from "./api.js";
import { badge, command, el, field, notice, show, tell, time } from "./dom.js";

const LOOK_AGAIN_MS = 1000;

export async function checks(main) {
  const runs = el("div");
  const findings = el("div", { "aria-live": "polite" });
  show(
    main,
    "Checks",
    el("div.columns", {},
      starter("Reconcile", "Looks for payments, refunds and disputes that never arrived, and has Stripe asked about them.",
        "/reconcile", "72h", runs, true),
      starter("Audit", "Compares Stripe's books with ours, both ways, and the seats.",
        "/audit", "30d", runs, false),
      doctor(findings)),
    findings,
    el("h2", {}, "Started here"),
    el("p.soft", {}, "By this worker, since it began. Reconcile also runs by itself, every quarter of an hour."),
    runs,
  );
  await watch(runs);
}

function starter(name, about, path, since, runs, canLook) {
  const back = el("input", { required: true, value: since, autocomplete: "off" });
  const [dry, restored] = canLook ? [el("input", { type: "checkbox" }), el("input", { type: "checkbox" })] : [];
  const said = notice();
  const form = el("form", {
    submit: async (event) => {
      event.preventDefault();
      try {
        await post(path, { since: back.value, ...(canLook && { dry_run: dry.checked, restored: restored.checked }) });
        tell(said, "");
        await watch(runs);
      } catch (problem) {
        tell(said, problem.message, true);
      }
    },
  },
  field("How far back", back, "Such as 72h or 30d."),
  dry && field("Only count", dry),
  restored && field("The database was restored", restored),
  el("button", {}, name), said);
  return el("section.card", {}, el("h2", {}, name), el("p", {}, about), form);
}

function doctor(findings) {
  const said = notice();
  const button = el("button", {
    type: "button",
    click: async () => {
      button.disabled = true;
      tell(said, "Looking at everything …");
      try {
        const found = await get("/doctor");
        findings.replaceChildren(el("h2", {}, "Doctor"), list(found.findings), command(found.command));
        tell(said, "");
      } catch (problem) {
        tell(said, problem.message, true);
      }
      button.disabled = false;
    },
  }, "Doctor");
  return el("section.card", {}, el("h2", {}, "Doctor"),
    el("p", {}, "Checks everything the services need, and says what to do."), button, said);
}

const list = (findings) =>
  el("ul.rows", {}, findings.map((it) =>
    el("li", {},
      el("div.head", {}, badge(it.status), el("strong", {}, it.check), el("span", {}, it.detail)),
      it.remedy && el("div", {}, `→ ${it.remedy}`))));

let watching = false;

/** Looks again and again, as long as one runs. */
async function watch(place) {
  if (watching) return;
  watching = true;
  try {
    for (;;) {
      const { runs } = await get("/runs");
      place.replaceChildren(runs.length ? el("ul.rows", {}, runs.map(row)) : el("p", {}, "Nothing yet."));
      if (runs.every((it) => it.ended_at)) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  } finally {
    watching = false;
  }
}

const row = (it) =>
  el("li", {},
    el("div.head", {}, el("strong", {}, it.kind), badge(it.outcome ?? "running"), time(it.started_at)),
    it.ended_at ? null : el("progress", { "aria-label": `${it.kind} runs` }),
    el("div", {}, it.progress && `${it.progress} looked at`),
    it.text && el("pre", { tabindex: 0, role: "region", "aria-label": `What ${it.kind} says` }, it.text.trim()),
    command(it.command));
