// The shop: what can be booked, and the way to the payment page.

import { money, when } from "./format.js";

const list = document.querySelector("#offerings");
const notice = document.querySelector("#notice");

function fromTemplate(id) {
  return document.querySelector(`#${id}`).content.firstElementChild.cloneNode(true);
}

async function load() {
  try {
    const response = await fetch("/api/offerings");
    if (!response.ok) throw new Error(response.status);
    const { offerings } = await response.json();
    list.replaceChildren(...offerings.map(showOffering));
    notice.textContent = offerings.length ? "" : "There is nothing to book at the moment.";
  } catch {
    notice.textContent = "The offers could not be loaded. Please reload the page.";
  }
}

function showOffering(offering) {
  const card = fromTemplate("offering");
  card.querySelector("h2").textContent = offering.name;
  card.querySelector(".price").textContent = money(offering.unit_amount, offering.currency);
  card.querySelector("p").textContent = offering.description;
  card.querySelector("ul").append(...offering.slots.map((slot) => showSlot(card, offering, slot)));
  return card;
}

function showSlot(card, offering, slot) {
  const item = fromTemplate("slot");
  const button = item.querySelector("button");
  const left = slot.seats_left;
  button.querySelector(".when").textContent = when(slot.starts_at, slot.ends_at);
  button.querySelector(".left").textContent =
    left === 0 ? "full" : left === 1 ? "1 seat left" : `${left} seats left`;
  button.disabled = left === 0;
  button.addEventListener("click", () => choose(card, offering, slot));
  return item;
}

function choose(card, offering, slot) {
  document.querySelector("form")?.remove();
  const form = fromTemplate("booking");
  form.querySelector(".chosen").textContent = `${offering.name}, ${when(slot.starts_at, slot.ends_at)}`;
  form.elements.quantity.max = Math.min(20, slot.seats_left);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    book(form, slot);
  });
  card.append(form);
  form.elements.quantity.focus();
}

async function book(form, slot) {
  const button = form.querySelector("button");
  if (button.disabled) return;
  button.disabled = true;
  showErrors(form, []);
  const body = JSON.stringify({
    slot_id: slot.id,
    quantity: Number(form.elements.quantity.value),
    customer: { name: form.elements.name.value, email: form.elements.email.value },
  });
  try {
    const response = await fetch("/api/create-checkout-session", {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": keyFor(body) },
      body,
    });
    const answer = await response.json();
    if (response.ok) {
      location.assign(answer.checkout_url);
      return;
    }
    showErrors(form, answer.errors ?? [{ field: "form", message: answer.detail }]);
    if (answer.code === "slot_full" || answer.code === "slot_closed") await load();
    if (answer.code === "slot_full") notice.textContent = "That slot has just filled up. Here is what is left.";
  } catch {
    showErrors(form, [{ field: "form", message: "The shop could not be reached. Please try again." }]);
  }
  button.disabled = false;
}

/** One key for one wish: asking again for the same thing must not hold more seats. */
function keyFor(body) {
  const last = JSON.parse(sessionStorage.getItem("intent") ?? "{}");
  if (last.body === body && Date.now() - last.at < 20 * 60 * 1000) return last.key;
  const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  sessionStorage.setItem("intent", JSON.stringify({ body, key, at: Date.now() }));
  return key;
}

function showErrors(form, errors) {
  for (const place of form.querySelectorAll(".error")) {
    const error = errors.find((it) => it.field === place.dataset.field);
    place.textContent = error?.message ?? "";
    place.closest("label")?.querySelector("input")?.setAttribute("aria-invalid", String(Boolean(error)));
  }
  form.querySelector('[aria-invalid="true"]')?.focus();
}

load();
