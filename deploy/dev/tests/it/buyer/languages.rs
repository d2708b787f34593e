//! The pages in the visitor's language.

use serde_json::{Value, json};
use time::macros::datetime;

use crate::{browser::Browser, shop::Shop, stack::Stack};

/// Words on the page that are in the English messages, and not in those of its own language.
/// A reference may spell anything.
const ENGLISH_WORDS: &str = r"const done = arguments[0];
    const load = (language) => import(`/assets/words/${language}.js`);
    const words = (it) => typeof it === 'string' ? it.toLowerCase().match(/\p{L}+/gu) ?? []
        : typeof it === 'function' ? words(it(5, 5)) : Object.values(it).flatMap(words);
    Promise.all([load('en'), load(document.documentElement.lang)]).then((files) => {
        const [english, own] = files.map((file) => new Set(words(file.default)));
        const reference = document.querySelector('#reference')?.textContent || ' ';
        const page = words(`${document.title} ${document.body.innerText}`.replaceAll(reference, ' '));
        done(page.filter((word) => english.has(word) && !own.has(word)));
    });";

async fn reads_no_english(browser: &Browser) {
    assert_eq!(
        browser.run_async(ENGLISH_WORDS).await,
        json!([]),
        "{}",
        browser.text().await
    );
}

struct Visitor {
    locale: &'static str,
    heading: &'static str,
    day: &'static str,
    mistake: &'static str,
    button: &'static str,
    not_paid: &'static str,
    go_on: &'static str,
    confirmed: &'static str,
}

const VISITORS: [Visitor; 3] = [
    Visitor {
        locale: "de-DE",
        heading: "Platz buchen",
        day: "Sa., 28. Nov., 10:00–11:00 Uhr",
        mistake: "Das sieht nicht nach einer E-Mail-Adresse aus.",
        button: "Jetzt buchen, 49,00 €",
        not_paid: "Noch nicht bezahlt",
        go_on: "Weiter zur Zahlung",
        confirmed: "Ihre Buchung ist bestätigt",
    },
    Visitor {
        locale: "fr-FR",
        heading: "Réserver une place",
        day: "sam. 28 nov., 10:00",
        mistake: "Cela ne ressemble pas à une adresse e-mail.",
        button: "Réserver maintenant, 49,00 €",
        not_paid: "Pas encore payé",
        go_on: "Continuer vers le paiement",
        confirmed: "Votre réservation est confirmée",
    },
    Visitor {
        locale: "es-ES",
        heading: "Reservar una plaza",
        day: "sáb, 28 nov, 10:00–11:00",
        mistake: "Esto no parece una dirección de correo electrónico.",
        button: "Reservar ahora, 49,00 €",
        not_paid: "Aún no se ha pagado",
        go_on: "Continuar con el pago",
        confirmed: "Su reserva está confirmada",
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn from_the_shop_to_the_booking_a_visitor_reads_one_language() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let starts_at = datetime!(2099-11-28 09:00 UTC);
    shop.stack.slot_at(5, starts_at).await;
    for visitor in VISITORS {
        let browser = Browser::speaking(visitor.locale).await;
        browser.like_a_phone().await;

        browser.goto(&shop.url).await;
        browser.read_heading(visitor.heading).await;
        browser.click(".slots button", visitor.day).await;
        let language = browser.run("return document.documentElement.lang").await;
        assert!(visitor.locale.starts_with(language.as_str().unwrap()));
        browser.fill("#name", "Ada Lovelace").await;
        browser.fill("#email", "ada").await;
        browser.click("#book", visitor.button).await;
        browser.find("#email-error", visitor.mistake).await;
        reads_no_english(&browser).await;
        browser.assert_accessible().await;

        let email = format!("ada@{}.example.com", visitor.locale);
        browser.fill("#email", &email).await;
        browser.click("#book", visitor.button).await;
        browser.click("button", "Back to the shop").await;
        browser.read_heading(visitor.not_paid).await;
        reads_no_english(&browser).await;
        browser.assert_accessible().await;

        browser.goto(&shop.url).await;
        browser.find("#held", "Harbour kayak tour").await;
        reads_no_english(&browser).await;
        browser.driver.back().await.unwrap();
        browser.click("#pay", visitor.go_on).await;
        browser.click("button", "Pay").await;
        browser.read_heading(visitor.confirmed).await;
        reads_no_english(&browser).await;
        browser.assert_accessible().await;
        browser.close(&[]).await;
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_language_has_what_english_has() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let browser = Browser::open().await;
    browser.goto(&shop.url).await;

    // Each message by its key: whether it is a text, or how much it is told.
    let shapes = browser
        .run_async(
            "const done = arguments[0]; \
             const shape = (it) => typeof it === 'object' \
                ? Object.fromEntries(Object.entries(it).map(([key, value]) => [key, shape(value)])) \
                : typeof it === 'function' ? it.length : Boolean(it.trim()); \
             import('/assets/language.js') \
                .then(({ LANGUAGES }) => Promise.all(LANGUAGES.map((it) => import(`/assets/words/${it}.js`)))) \
                .then((files) => done(files.map((file) => shape(file.default))));",
        )
        .await;
    let shapes = shapes.as_array().unwrap();
    assert!(shapes.len() >= 4, "{shapes:?}");
    for shape in shapes {
        assert_eq!(*shape, shapes[0]);
    }

    // What is read before the scripts have run is the same English.
    for page in ["/", "/payment-success", "/payment-cancelled"] {
        let script = "const done = arguments[0]; \
            Promise.all([import('/assets/words/en.js'), fetch('PAGE').then((it) => it.text())]) \
            .then(([{ default: words }, html]) => { \
                const page = new DOMParser().parseFromString(html, 'text/html'); \
                const said = [...page.querySelectorAll('[data-words]')]; \
                const other = said.filter((it) => it.textContent !== words[it.dataset.words]); \
                done([said.length, other.map((it) => it.outerHTML)]); \
            });";
        let said = browser.run_async(&script.replace("PAGE", page)).await;
        assert!(said[0].as_u64().unwrap() > 5, "{page}: {said}");
        assert_eq!(said[1], json!([]), "{page}");
    }
    browser.close(&[]).await;
    shop.close().await;
}

/// Who reads from right to left gets the same pages, the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn the_pages_fit_a_phone_from_right_to_left_too() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    shop.slot(5).await;
    let browser = Browser::open().await;
    browser.like_a_phone().await;

    browser.goto(&shop.url).await;
    browser.click(".slots button", "left").await;
    browser.run("document.documentElement.dir = 'rtl'").await;

    browser.assert_accessible().await;
    let sides = browser
        .run(
            "const x = (css) => document.querySelector(css).getBoundingClientRect().x; \
             return [x('.slots .left') < x('.slots .times'), x('.price') < x('h2')]",
        )
        .await;
    assert_eq!(sides, json!([true, true]));
    browser.close(&[]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_is_another_one_where_it_takes_place_is_shown_there_too() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let browser = Browser::open().await;
    browser.goto(&shop.url).await;

    let script = "const done = arguments[0]; import('/assets/format.js').then(({ when }) => \
        done([[9, 'America/New_York'], [20, 'Asia/Tokyo'], [9, 'Europe/Paris'], [9, 'Nowhere/City'], [9]] \
            .map(([hour, zone]) => [hour, hour + 2].map((it) => new Date(Date.UTC(2099, 10, 28, it)).toISOString()) \
                .concat(zone)).map((it) => when(...it).replaceAll('\u{2060}', ''))));";
    let shown: Value = browser.run_async(script).await;

    let in_berlin = "Sat 28 Nov, 10:00–12:00";
    let expected = [
        "Sat 28 Nov, 10:00–12:00 (America/New_York 04:00–06:00)",
        "Sat 28 Nov, 21:00–23:00 (Asia/Tokyo Sun 29 Nov, 05:00–07:00)",
        in_berlin,
        in_berlin,
        in_berlin,
    ];
    assert_eq!(shown, json!(expected));
    browser.close(&[]).await;
    shop.close().await;
}
