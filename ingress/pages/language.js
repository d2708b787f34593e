// The visitor's language: what the pages say, and how times and amounts are written.

/** Those with a file in words/. Each also has its line in ingress/src/http/pages.rs. */
export const LANGUAGES = ["en", "de", "fr", "es"];
const RIGHT_TO_LEFT = ["ar", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"];

const primary = (tag) => tag.split("-")[0].toLowerCase();
const wish = navigator.languages.find((tag) => LANGUAGES.includes(primary(tag)) && isTag(tag));

export const { language, words } = await load(wish ? primary(wish) : "en").catch(() => load("en"));

/** For Intl: as the visitor's region writes it, but never in another language than the words. */
export const locale = wish && primary(wish) === language ? wish : language;

async function load(language) {
  const file = await import(`/assets/words/${language}.js`);
  return { language, words: file.default };
}

/** Some browsers name what Intl refuses, such as en-US@posix. */
function isTag(tag) {
  try {
    return Intl.getCanonicalLocales(tag).length > 0;
  } catch {
    return false;
  }
}

const shopName = document.querySelector("meta[name=application-name]")?.content;

/** Has the tab say where one is, and in whose shop. */
export function entitle(text) {
  document.title = shopName ? `${text} – ${shopName}` : text;
}

const page = document.documentElement;
page.lang = language;
page.dir = RIGHT_TO_LEFT.includes(language) ? "rtl" : "ltr";
// In English it is there already; written again it would be read out again.
if (language !== "en") {
  for (const element of document.querySelectorAll("[data-words]")) {
    element.textContent = words[element.dataset.words];
  }
}
entitle(document.title);
