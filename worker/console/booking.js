// The whole story of one booking, and what can be decided about it.

import { get, post } from "./api.js";
import { badge, command, el, field, moment, notice, operator, show, tell } from "./dom.js";

/** What the button says, where it goes, and what it asks besides who and why. */
const DECISIONS = {
  book: { label: "Book it", path: "resolve", body: () => ({ resolution: "book" }) },
  refund: { label: "Give the money back", path: "resolve", body: () => ({ resolution: "refund" }) },
  end: { label: "End it, settled outside", path: "resolve", body: () => ({ resolution: "end" }) },
  cancel: { label: "Cancel", path: "cancel", ask: askRefund },
  move: { label: "Move", path: "move", ask: askSlot },
};
/** What needs attention is resolved first. */
const ORDER = ["book", "refund", "end", "move", "cancel"];

export async function booking(main, name, said = "") {
  const found = await get(`/bookings/${encodeURIComponent(name)}`);
  const { buyer, story, lines } = found;
  const title = story.booking?.reference ?? story.checkout.id;
  const state = story.booking?.status ?? story.checkout.state;
  const result = notice();
  show(
    main,
    title,
    el("p.head", {}, badge(state), story.booking?.reason && el("span", {}, story.booking.reason),
      el("span", {}, `${buyer.name}, ${buyer.email}`)),
    result,
    decide(main, name, found),
    el("section.card", { "aria-labelledby": "story" },
      el("h2", { id: "story" }, "Story"),
      el("dl", {}, lines.flatMap((it) => [el("dt", {}, it.name), el("dd", {}, it.text)])),
      command(found.command)),
  );
  tell(result, said);
}

function decide(main, name, found) {
  const possible = ORDER.map((word) => found.decisions.find((it) => it.decision === word)).filter(Boolean);
  if (!possible.length) return null;
  const place = el("div");
  const buttons = possible.map((it) => {
    const button = el("button", {
      type: "button",
      "aria-expanded": "false",
      click: () => {
        for (const other of buttons) other.setAttribute("aria-expanded", String(other === button));
        place.replaceChildren(form(main, name, found, it));
        place.querySelector("input, select, textarea").focus();
      },
    }, DECISIONS[it.decision].label);
    return button;
  });
  return el("section.card", { id: "decide", "aria-labelledby": "decisions" },
    el("h2", { id: "decisions" }, "Decide"), el("div.choices", {}, buttons), place);
}

function form(main, name, found, { decision, command: line }) {
  const { label, path, body, ask } = DECISIONS[decision];
  const asked = ask?.(found);
  const by = el("input", { required: true, maxlength: 200, autocomplete: "name", value: operator.get() });
  const why = el("input", { required: true, maxlength: 2000, autocomplete: "off" });
  const seen = el("div");
  const said = notice();
  const send = (dryRun) =>
    post(`/bookings/${encodeURIComponent(name)}/${path}`, {
      ...(asked ? asked.body() : body()), by: by.value, why: why.value, dry_run: dryRun,
    });
  const confirm = el("button.main", {
    type: "button",
    click: async () => {
      confirm.disabled = true;
      try {
        const { text } = await send(false);
        await booking(main, name, text);
        main.focus();
      } catch (problem) {
        tell(said, problem.message, true);
        confirm.disabled = false;
      }
    },
  }, label);
  const look = async (event) => {
    event.preventDefault();
    operator.set(by.value);
    try {
      const { text, command: exact } = await send(true);
      seen.replaceChildren(el("p.notice", { role: "status" }, text), confirm, command(exact));
      tell(said, "");
      confirm.focus();
    } catch (problem) {
      seen.replaceChildren();
      tell(said, problem.message, true);
    }
  };
  // What was looked at is not what would be done any more.
  const forget = () => seen.replaceChildren(command(line));
  forget();
  return el("form", { submit: look, input: forget },
    asked?.fields, field("Who decides", by), field("Why", why, "Kept with the booking."),
    el("button", {}, "Look what would happen"), seen, said);
}

function askRefund() {
  const amount = el("input", { inputmode: "decimal", autocomplete: "off" });
  const amountField = field("Amount", amount, "Such as 12.50.");
  amountField.hidden = true;
  const share = el("select", {
    change: () => {
      amountField.hidden = share.value !== "amount";
      amount.required = share.value === "amount";
    },
  }, [
    ["full", "all of it"],
    ["policy", "what the offering's policy says now"],
    ["none", "nothing"],
    ["amount", "an amount"],
  ].map(([value, text]) => el("option", { value }, text)));
  return {
    fields: [field("What goes back", share), amountField],
    body: () => ({ refund: share.value === "amount" ? amount.value : share.value }),
  };
}

function askSlot({ slots, story }) {
  const others = slots.filter((it) => !it.closed && moment(it.starts_at) !== moment(story.checkout.starts_at));
  const slot = el("select", { required: true }, others.map((it) =>
    el("option", { value: it.id }, `${moment(it.starts_at)}, ${it.capacity - it.seats_taken} seats left`)));
  const hint = others.length ? "Nothing is paid, nothing goes back." : "The offering has no other slot to come.";
  return { fields: [field("To", slot, hint)], body: () => ({ slot_id: slot.value }) };
}
