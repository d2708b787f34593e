// Messages that were set aside: all of them by reason, one with its body; replayed or discarded.

import { get, post } from "./api.js";
import { badge, command, counted, el, field, notice, operator, show, tell, time } from "./dom.js";

export async function deadLetters(main, said = "") {
  const query = new URLSearchParams(location.search);
  const found = await get(`/dead-letters?${query}`);
  const result = notice();
  const reasons = Map.groupBy(found.letters, (it) => it.reason);
  const isAll = query.get("all") === "true";
  show(
    main,
    "Dead letters",
    result,
    el("ul.filters", { "aria-label": "Which" },
      el("li", {}, el("a", { href: "/console/dead-letters", "aria-current": !isAll && "true" }, "open")),
      el("li", {}, el("a", { href: "?all=true", "aria-current": isAll && "true" }, "all"))),
    found.letters.length ? null : el("p", {}, "Nothing waits."),
    [...reasons].map(([reason, letters]) => group(main, reason, letters, query)),
    command(found.command),
  );
  tell(result, said);
}

function group(main, reason, letters, query) {
  const open = letters.filter((it) => !it.resolution);
  const shown = el("ul.rows", {}, letters.slice(0, 100).map(row));
  const more = letters.length > 100 && el("p.soft", {}, `and ${letters.length - 100} more`);
  const done = (text) => deadLetters(main, text);
  const word = (verb) => `${verb} ${open.length}`;
  const which = { reason, number: open.length, kind: query.get("kind"), since: query.get("since") };
  return el("section.card", {},
    el("h2", {}, reason), el("p", {}, `${counted(letters.length, "letter")}: ${letters[0].advice}`),
    shown, more,
    open.length > 1 && decide(which, word, done, `all ${open.length}`));
}

const row = (it) =>
  el("li", {},
    el("div.head", {},
      el("a", { href: `/console/dead-letters/${it.id}` }, it.message_id ?? it.id),
      badge(it.resolution ?? "open")),
    el("div.soft", {}, time(it.dead_at), ` ${it.kind ?? "no type"}, set aside ${counted(it.times, "time")}`));

export async function deadLetter(main, id, said = "") {
  const found = await get(`/dead-letters/${encodeURIComponent(id)}`);
  const { letter } = found;
  const result = notice();
  const facts = [
    ["reason", letter.reason],
    ["what to do", letter.advice],
    ["detail", letter.detail],
    ["set aside", `${letter.dead_at.slice(0, 19).replace("T", " ")}Z, ${counted(letter.times, "time")}`],
    ["failures", String(letter.attempt)],
    ["message", letter.message_id],
    ["type", letter.kind],
    ["lane", letter.lane],
    ["source", letter.source],
    ["traceparent", letter.traceparent],
    ["resolved", letter.resolution && `${letter.resolution} by ${letter.resolved_by}: ${letter.resolved_why}`],
  ].filter(([, text]) => text);
  show(
    main,
    "Dead letter",
    el("p.head", {}, badge(letter.resolution ?? "open"), el("code", {}, letter.id)),
    result,
    found.is_open &&
      el("section.card", {}, el("h2", {}, "Decide"),
        decide({ ids: [letter.id] }, (verb) => verb, (text) => deadLetter(main, id, text), "")),
    el("section.card", {},
      el("h2", {}, "Message"),
      el("dl", {}, facts.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)])),
      el("h3", {}, "Body, as far as it is no person's"),
      found.body
        ? el("pre", { tabindex: 0, role: "region", "aria-label": "Body" }, found.body)
        : el("p", {}, `${counted(found.bytes, "byte")} that are no JSON`),
      command(found.command)),
  );
  tell(result, said);
}

/** Two forms. `word`: what has to be typed to confirm. */
function decide(which, word, done, all) {
  const place = el("div");
  const buttons = ["replay", "discard"].map((verb) => {
    const button = el("button", {
      type: "button",
      "aria-expanded": "false",
      click: () => {
        for (const other of buttons) other.setAttribute("aria-expanded", String(other === button));
        place.replaceChildren(form(verb, which, word(verb), done));
        place.querySelector("input").focus();
      },
    }, `${verb === "replay" ? "Replay" : "Discard"} ${all}`.trim());
    return button;
  });
  return el("div", {}, el("div.choices", {}, buttons), place);
}

function form(verb, which, word, done) {
  const by = el("input", { required: true, maxlength: 200, autocomplete: "name", value: operator.get() });
  const why = el("input", { required: true, maxlength: 2000, autocomplete: "off" });
  const typed = el("input", { required: true, autocomplete: "off", spellcheck: "false" });
  const button = el("button.main", { disabled: true }, verb === "replay" ? "Replay" : "Discard");
  const said = notice();
  const line = el("div");
  const wish = (dryRun) => ({ ...which, by: by.value, why: why.value, dry_run: dryRun });
  const check = async () => {
    button.disabled = typed.value.trim() !== word;
    if (button.disabled || !by.value || !why.value) return line.replaceChildren();
    try {
      const { command: exact } = await post(`/dead-letters/${verb}`, wish(true));
      line.replaceChildren(command(exact));
    } catch (problem) {
      tell(said, problem.message, true);
    }
  };
  return el("form", {
    input: check,
    submit: async (event) => {
      event.preventDefault();
      operator.set(by.value);
      button.disabled = true;
      try {
        const { text } = await post(`/dead-letters/${verb}`, wish(false));
        await done(text);
      } catch (problem) {
        tell(said, problem.message, true);
        button.disabled = false;
      }
    },
  },
  field("Who decides", by), field("Why", why, "Kept with each."),
  field(`Type “${word}” to confirm`, typed), button, line, said);
}
