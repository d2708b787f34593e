// Which page an address means, the search that every page has, and the way in.

import { Problem, closeSession, openSession, post } from "./api.js";
import { booking } from "./booking.js";
import { bookings } from "./bookings.js";
import { checks } from "./checks.js";
import { deadLetter, deadLetters } from "./dead-letters.js";
import { el, field, notice, show, tell } from "./dom.js";
import { events } from "./events.js";
import { overview } from "./overview.js";
import { slots } from "./slots.js";

const PAGES = [
  [/^\/console\/?$/, overview],
  [/^\/console\/bookings\/([^/]+)$/, booking],
  [/^\/console\/bookings\/?$/, bookings],
  [/^\/console\/events$/, events],
  [/^\/console\/dead-letters\/([^/]+)$/, deadLetter],
  [/^\/console\/dead-letters$/, deadLetters],
  [/^\/console\/slots$/, slots],
  [/^\/console\/checks$/, checks],
];

const main = document.querySelector("main");
const find = document.querySelector("#find");
const nav = document.querySelector("nav");
const signOut = document.querySelector("#sign-out");

/** Remembered, since a session without a token cannot be ended. */
let hasToken = sessionStorage.getItem("bookonce-token") === "yes";

async function open() {
  try {
    await openSession();
  } catch (problem) {
    if (problem.status === 401) return askForToken();
    throw problem;
  }
  return enter();
}

async function enter() {
  find.hidden = nav.hidden = false;
  signOut.hidden = !hasToken;
  for (const link of nav.querySelectorAll("a")) {
    const path = link.getAttribute("href");
    const isHere = path === "/console" ? location.pathname === path : location.pathname.startsWith(path);
    if (isHere) link.setAttribute("aria-current", "page");
  }
  for (const [pattern, page] of PAGES) {
    const found = pattern.exec(location.pathname);
    if (found) return page(main, ...found.slice(1).map(decodeURIComponent));
  }
  return show(main, "Not here", el("p", {}, "The console has no such page."));
}

function askForToken() {
  const token = el("input", { type: "password", autocomplete: "current-password", required: true });
  const said = notice();
  const form = el("form.card", {
    submit: async (event) => {
      event.preventDefault();
      try {
        await openSession(token.value);
        hasToken = true;
        sessionStorage.setItem("bookonce-token", "yes");
        await enter();
      } catch (problem) {
        tell(said, problem.status === 401 ? "This is not the token." : problem.message, true);
        token.select();
      }
    },
  }, field("Token", token, "What the worker has as ADMIN_TOKEN."), el("button.main", {}, "Sign in"), said);
  show(main, "Sign in", form);
  token.focus();
}

find.addEventListener("submit", async (event) => {
  event.preventDefault();
  const word = document.querySelector("#word").value.trim();
  try {
    const { bookings } = await post("/bookings/search", { word });
    const only = bookings.length === 1 && (bookings[0].reference ?? bookings[0].checkout_id);
    // Behind the #, what is looked for stays in this browser.
    location.assign(only ? `/console/bookings/${only}` : `/console/bookings#find=${encodeURIComponent(word)}`);
  } catch (problem) {
    fail(problem);
  }
});

signOut.addEventListener("click", async () => {
  await closeSession();
  sessionStorage.removeItem("bookonce-token");
  location.assign("/console");
});

function fail(problem) {
  if (!(problem instanceof Problem)) throw problem;
  show(main, "That did not work", el("p.notice.bad", { role: "alert" }, problem.message));
}

window.addEventListener("hashchange", () => location.hash.startsWith("#find=") && open().catch(fail));
open().catch(fail);
