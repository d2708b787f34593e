// Elements made of what they are, and the few shapes that every page has.

/** `tag` may carry classes, as in "p.soft". Properties become attributes, functions listeners. */
export function el(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  set(element, properties);
  element.append(...children.flat().filter((it) => it != null && it !== false));
  return element;
}

/** The same in a drawing. */
export function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  set(element, attributes);
  element.append(...children);
  return element;
}

function set(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value != null && value !== false) element.setAttribute(name, value);
  }
}

/** As commands and logs write it, in UTC. */
export const moment = (iso) => (iso ? iso.replace("T", " ").replace(/\.\d+/, "") : "never");

export const time = (iso) => el("time", { datetime: iso ?? "" }, moment(iso));

/** How long, in one unit. */
export function duration(seconds) {
  const units = [[86400, "d"], [3600, "h"], [60, "min"]];
  const unit = units.find(([size]) => seconds >= 2 * size);
  return unit ? `${Math.floor(seconds / unit[0])} ${unit[1]}` : `${Math.round(seconds)} s`;
}

export const counted = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;

const TONES = {
  confirmed: "good", booked: "good", ok: "good", clean: "good",
  needs_attention: "bad", failed: "bad", found: "bad", FAILED: "bad",
  refund_pending: "warn", warning: "warn", payment_pending: "warn",
};

/** A state in a word. */
export const badge = (word) => el(`span.badge.${TONES[word] ?? "plain"}`, {}, word.replaceAll("_", " "));

/** The command that does the same. */
export function command(line) {
  const copy = el("button.small", {
    type: "button",
    "aria-label": `Copy: ${line}`,
    click: async () => {
      await navigator.clipboard.writeText(line);
      copy.textContent = "Copied";
    },
  }, "Copy");
  return el("p.command", {}, el("code", {}, line), copy);
}

let number = 0;

/** A control with its label. */
export function field(label, control, hint) {
  number += 1;
  control.id = `field-${number}`;
  const about = hint && el("span.soft", { id: `hint-${number}` }, hint);
  if (about) control.setAttribute("aria-describedby", about.id);
  return el("div.field", {}, el("label", { for: control.id }, label), control, about);
}

/** Where a page tells what came of something, also to who cannot see it. */
export const notice = () => el("p.notice", { role: "status", hidden: true });

export function tell(notice, text, isBad = false) {
  notice.textContent = text;
  notice.classList.toggle("bad", isBad);
  notice.hidden = !text;
}

/** Shows a page: its heading is its title, too. */
export function show(main, title, ...children) {
  document.title = `${title} – Bookonce console`;
  main.replaceChildren(el("h1", {}, title), ...children.flat().filter(Boolean));
}

/** Who decides is asked once in a browser. */
export const operator = {
  get: () => localStorage.getItem("bookonce-operator") ?? "",
  set: (name) => localStorage.setItem("bookonce-operator", name),
};
