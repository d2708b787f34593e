//! Random series against dateutil: another implementation of the rules, and of the zones.

use std::{
    fmt::Write as _,
    process::{Command, Stdio},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::{Value, json};
use shared::{config::Env, db::slot};

use super::apply;
use crate::{lifecycle::histories::seed, shop::Shop, stack::Stack};

const BY_DATEUTIL: &str = r"
import json, sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo
from dateutil.rrule import rrulestr
times = []
for it in json.load(sys.stdin):
    start = datetime.fromisoformat(it['starts_at'])
    zone = ZoneInfo(it['time_zone'])
    for at in rrulestr(it['repeat'], dtstart=start):
        # An hour that is left out is the one after it.
        there = at.replace(tzinfo=zone).astimezone(timezone.utc)
        times.append([it['key'], int(there.timestamp())])
print(json.dumps(sorted(times)))
";

/// Of zones whose clocks are changed by rules that have stood for long.
const ZONES: [&str; 7] = [
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Los_Angeles",
    "Australia/Sydney",
    "Asia/Kolkata",
    "Pacific/Auckland",
];

fn by_dateutil(series: &[Value]) -> Vec<(String, i64)> {
    use std::io::Write;
    let env = Env::from_process();
    let python = env
        .required("TEST_PYTHON", "run the tests with deploy/test")
        .unwrap();
    let mut process = Command::new(python)
        .args(["-c", BY_DATEUTIL])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = serde_json::to_vec(series).unwrap();
    process.stdin.take().unwrap().write_all(&input).unwrap();
    let output = process.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_series_is_as_dateutil_has_it() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let (mut series, mut toml) = (Vec::new(), String::new());
    for number in 0..60 {
        let rules = [
            "FREQ=DAILY;COUNT=40",
            "FREQ=WEEKLY;COUNT=30",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;COUNT=25",
            "FREQ=MONTHLY;BYDAY=-1SU;COUNT=14",
            "FREQ=MONTHLY;BYMONTHDAY=31;COUNT=8",
            "FREQ=YEARLY;COUNT=3",
        ];
        let (zone, rule) = (
            ZONES[random.random_range(0..ZONES.len())],
            rules[random.random_range(0..rules.len())],
        );
        let starts_at = format!(
            "2030-{:02}-{:02}T{:02}:{:02}:00",
            random.random_range(1..=12),
            random.random_range(1..=28),
            random.random_range(0..24),
            [0, 15, 30, 45][random.random_range(0..4_usize)],
        );
        let key = format!("series-{number}");
        write!(
            toml,
            "[[offering]]\nkey = \"{key}\"\nname = \"{key}\"\nprice = \"1.00\"\ncurrency = \"eur\"\n\
             time_zone = \"{zone}\"\n[[offering.slots]]\nstarts_at = \"{starts_at}\"\nminutes = 30\n\
             capacity = 1\nrepeat = \"{rule}\"\n"
        )
        .unwrap();
        series
            .push(json!({ "key": key, "starts_at": starts_at, "time_zone": zone, "repeat": rule }));
    }

    apply(&shop, "c.toml", &toml, &[])
        .await
        .unwrap_or_else(|error| panic!("TEST_SEED={seed}: {error}"));

    let expected = by_dateutil(&series);
    let rows = slot::Entity::find()
        .find_also_related(shared::db::offering::Entity)
        .order_by_asc(slot::Column::StartsAt)
        .all(&shop.stack.db)
        .await
        .unwrap();
    let mut found: Vec<(String, i64)> = rows
        .into_iter()
        .map(|(slot, offering)| {
            (
                offering.unwrap().key.unwrap(),
                slot.starts_at.unix_timestamp(),
            )
        })
        .collect();
    found.sort();
    assert!(expected.len() > 500);
    assert_eq!(found, expected, "TEST_SEED={seed}");
    shop.close().await;
}
