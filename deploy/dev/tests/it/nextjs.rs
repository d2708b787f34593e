//! The npm package, packed and installed, and the example site that was built with it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use shared::{clock, config::Env};
use stripe_sim::Faults;
use testkit::{Process, free_port};
use uuid::Uuid;

use crate::{
    browser::Browser,
    shop::{Shop, eventually, undelivered},
    stack::Stack,
};

const KEY: &str = "the-key-of-the-example-site-0123456789";
/// The site's tables, and its function.
const SITE: &str = include_str!("../../../examples/nextjs/schema.sql");

fn arrival() -> time::Date {
    clock::system().date() + time::Duration::days(90)
}

/// What `deploy/test` built.
fn built() -> PathBuf {
    let hint = "run the tests with deploy/test, which builds it";
    let env = Env::from_process();
    let folder = env.required("TEST_NEXTJS", hint);
    folder.unwrap_or_else(|error| panic!("{error}")).into()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The example site, and our services behind it.
struct Site {
    shop: Shop,
    url: String,
    next: Process,
}

impl Site {
    async fn open() -> Self {
        let url = format!("http://localhost:{}", free_port().unwrap());
        let mut stack = Stack::postgres_within(SITE).await;
        stack.variables.insert("SITE_API_KEYS", KEY.to_owned());
        for origins in ["RETURN_ORIGINS", "CORS_ORIGINS"] {
            stack.variables.insert(origins, url.clone());
        }
        let database = stack.admin["DATABASE_URL"].clone();
        let shop = Shop::open(stack).await;
        let folder = built().join("site");
        let mut next = Command::new("node");
        next.arg(folder.join("node_modules/next/dist/bin/next"))
            .args(["start", "--port", url.rsplit(':').next().unwrap()])
            .current_dir(&folder)
            .env("DATABASE_URL", database)
            .env("SITE_URL", &url)
            .env("BOOKONCE_URL", &shop.url)
            .env("BOOKONCE_API_KEY", KEY)
            .env("NEXT_TELEMETRY_DISABLED", "1");
        let next = Process::start(&mut next).unwrap();
        let answers = async || {
            shop.http
                .get(&url)
                .send()
                .await
                .is_ok_and(|it| it.status() == 200)
        };
        eventually("the site serves", answers).await;
        Self { shop, url, next }
    }

    /// Chooses two nights and fills the form, up to the button.
    async fn fill_in(&self, browser: &Browser, room: &str, guest: &str) {
        browser.goto(&self.url).await;
        browser.find("button", "Book").await;
        let days = [0, 2].map(|days| (arrival() + time::Duration::days(days)).to_string());
        let values = json!({ "room": room, "arrival": days[0], "departure": days[1] });
        let fill = format!(
            "for (const [name, value] of Object.entries({values})) \
             document.querySelector(`[name=${{name}}]`).value = value"
        );
        browser.run(&fill).await;
        browser.fill("[name=guest]", guest).await;
        browser.fill("[name=email]", "ada@example.com").await;
        browser.click("button", "Book").await;
    }

    /// The site's own bookings.
    async fn bookings(&self) -> Value {
        let sql = "SELECT coalesce(jsonb_agg(jsonb_build_array(guest, room_id, status, paid) ORDER BY guest), '[]') \
                   AS rows FROM public.bookings JOIN public.orders ON orders.id = order_id";
        let query = Statement::from_string(DbBackend::Postgres, sql);
        let row = self.shop.stack.patient_db.query_one_raw(query).await;
        row.unwrap().unwrap().try_get("", "rows").unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_site_books_into_its_own_table() {
    let site = Site::open().await;
    let browser = Browser::open().await;

    site.fill_in(&browser, "harbour", "Ada").await;
    browser.find("h1", "Pay 240.00 EUR").await;
    browser.click("button", "Pay").await;
    browser.read_heading("Your room is booked").await;
    let ada = json!(["Ada", "harbour", "confirmed", 24000]);
    assert_eq!(site.bookings().await, json!([ada]));

    // Who turns back can take the same room, or another time of it: their own hold is not in the way.
    for guest in ["Joan", "Joan", "Joan of Arc"] {
        site.fill_in(&browser, "garden", guest).await;
        browser.find("h1", "Pay 180.00 EUR").await;
        browser.click("button", "Back to the shop").await;
        browser.read_heading("Harbour rooms").await;
    }
    let ledger = site.shop.stripe.ledger();
    let with = |status: &str| ledger.iter().filter(|it| it.status == status).count();
    assert_eq!((with("open"), with("expired")), (1, 1));
    let open = ledger.iter().find(|it| it.status == "open").unwrap();
    site.shop.stripe.expire(&open.session_id).unwrap();

    // The room is taken now, and the site's page says so.
    site.fill_in(&browser, "harbour", "Grace").await;
    browser.find("[role=alert]", "The room is taken").await;

    // Confirm alone, without a webhook.
    site.shop.stripe.set_faults(undelivered());
    site.fill_in(&browser, "garden", "Grace").await;
    browser.click("button", "Pay").await;
    browser.read_heading("Your room is booked").await;
    let grace = json!(["Grace", "garden", "confirmed", 18000]);
    assert_eq!(site.bookings().await, json!([ada, grace]));
    browser.click("a", "All bookings").await;
    let listed = format!("Grace, garden, {}, confirmed, 180", arrival());
    browser.find("li", &listed).await;
    browser.assert_accessible().await;

    // An order stays what was written down first: a dear one is not had at the price of a cheap one.
    let checkout = async |room: &str, email: &str| {
        let order = json!({ "id": Uuid::from_u128(7), "room": room, "guest": "Eve", "email": email,
            "arrival": arrival().to_string(), "departure": (arrival() + time::Duration::days(9)).to_string() });
        let request = site.shop.http.post(format!("{}/api/checkout", site.url));
        request.json(&order).send().await.unwrap().status()
    };
    assert_eq!(checkout("harbour", "no address").await, 422);
    assert_eq!(checkout("garden", "eve@example.com").await, 422);

    // What happens later reaches the site's table as well.
    site.shop.stripe.set_faults(Faults::default());
    let ledger = site.shop.stripe.ledger();
    let of_ada = ledger.iter().find(|it| it.amount_total == 24000).unwrap();
    site.shop.stripe.refund(&of_ada.session_id, None).unwrap();
    let cancelled = json!(["Ada", "harbour", "cancelled", 24000]);
    eventually("the site's row is cancelled", async || {
        site.bookings().await == json!([cancelled, grace])
    })
    .await;
    browser.close(&["409 (Conflict)"]).await;
    let Site { shop, next, .. } = site;
    drop(next);
    shop.close().await;
}

/// An API that changed has to be generated anew: `npm run generate -- URL/api/openapi.json`.
#[tokio::test(flavor = "multi_thread")]
async fn the_types_of_the_package_are_those_of_the_api() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let client = built().join("deploy/client");
    let folder = tempfile::TempDir::new().unwrap();
    let generated = folder.path().join("schema.d.ts");
    let script = std::fs::read_to_string(client.join("package.json")).unwrap();
    let script: Value = serde_json::from_str(&script).unwrap();
    let generate = script["scripts"]["generate"].as_str().unwrap();
    let generate = generate.replace("src/schema.d.ts", generated.to_str().unwrap());

    let openapi = format!("{}/api/openapi.json", shop.url);
    let command = format!("node_modules/.bin/{generate} {openapi}");
    run(Command::new("sh")
        .args(["-c", &command])
        .current_dir(&client));

    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let committed = read(&client.join("src/schema.d.ts"));
    assert_eq!(read(&generated), committed, "generate it anew");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_package_tries_again_with_one_key_and_tells_what_is_wrong() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(5).await;
    // The answer to the first try is lost on the way, the second try gets through.
    let script = r"
        import { createServer, request } from 'node:http';
        import { createCheckout, OrderError } from 'bookonce';
        const [api, slot_id] = process.argv.slice(1);
        const customer = { name: 'Ada', email: 'ada@example.com' };
        const keys = [];
        const lossy = createServer((asked, answer) => {
          keys.push(asked.headers['idempotency-key']);
          const on = request(api + asked.url, { method: asked.method, headers: asked.headers }, (answered) => {
            if (keys.length === 1) return asked.socket.destroy();
            answer.writeHead(answered.statusCode, answered.headers);
            answered.pipe(answer);
          });
          asked.pipe(on);
        }).listen(0, '127.0.0.1');
        await new Promise((resolve) => lossy.on('listening', resolve));
        const way = `http://127.0.0.1:${lossy.address().port}`;
        const created = await createCheckout({ slot_id, customer }, { api: way });
        const wrong = await createCheckout({ slot_id, customer: { name: 'Ada', email: 'ada' } }, { api }).catch((it) => it);
        const nowhere = createCheckout({ slot_id, customer }, { api: 'http://127.0.0.1:9' }).catch((it) => it);
        const stopped = createCheckout({ slot_id, customer }, { api: 'http://127.0.0.1:9', signal: AbortSignal.timeout(50) })
          .catch((it) => it.name);
        console.log(JSON.stringify({
          created, tries: keys.length, keys: new Set(keys).size,
          wrong: [wrong instanceof OrderError, wrong.status, wrong.code, wrong.errors[0].field],
          nowhere: [(await nowhere).status, (await nowhere).code], stopped: await stopped,
        }));
        process.exit();
    ";
    let url = shop.url.clone();

    let seen = tokio::task::spawn_blocking(move || {
        let site = built().join("site");
        let mut node = Command::new("node");
        node.args(["--input-type=module", "-e", script, "--"])
            .args([url, slot.to_string()])
            .current_dir(site);
        run(&mut node)
    });
    let seen: Value = serde_json::from_str(&seen.await.unwrap()).unwrap();

    let page = seen["created"]["checkout_url"].as_str().unwrap();
    assert!(page.contains("/c/pay/"), "{page}");
    assert_eq!((&seen["tries"], &seen["keys"]), (&json!(2), &json!(1)));
    assert_eq!(
        seen["wrong"],
        json!([true, 422, "validation_failed", "customer.email"])
    );
    assert_eq!(seen["nowhere"], json!([0, "unreachable"]));
    assert_eq!(seen["stopped"], "TimeoutError");
    assert_eq!(shop.seats_taken(slot).await, 1);
    shop.close().await;
}

/// The promise of `deploy/docs/moving.md`.
#[test]
fn moving_over_deletes_more_than_it_adds() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut files = vec![PathBuf::new()];
    let (mut added, mut deleted) = (0, 0);
    while let Some(file) = files.pop() {
        let (before, after) = (
            examples.join("nextjs-before").join(&file),
            examples.join("nextjs").join(&file),
        );
        if before.is_dir() {
            let inside = std::fs::read_dir(before).unwrap();
            files.extend(inside.map(|entry| file.join(entry.unwrap().file_name())));
            continue;
        }
        let old = std::fs::read_to_string(before).unwrap();
        let new = std::fs::read_to_string(after).unwrap_or_default();
        let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
        deleted += old.iter().filter(|line| !new.contains(line)).count();
        added += new.iter().filter(|line| !old.contains(line)).count();
    }

    assert!(added > 0 && deleted > added, "-{deleted} +{added}");
}
