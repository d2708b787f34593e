//! How PostgreSQL carries statements out, as its log has it.

use std::collections::BTreeMap;

use serde::Serialize;

/// Those that grow with the bookings; the others hold what is sold or under way, or are few.
const GROWING: [&str; 6] = [
    "booking",
    "checkout",
    "payment",
    "refund",
    "slot",
    "stripe_event",
];

/// One statement.
#[derive(Debug, Serialize)]
pub struct Plan {
    pub statement: String,
    /// Each once, of all the times it was carried out.
    pub steps: Vec<String>,
}

impl Plan {
    /// Steps, parallel ones among them, that read all of a table that grows. Not seen is one that reads a whole index.
    pub fn whole_tables(&self) -> impl Iterator<Item = String> {
        let whole = self.steps.iter().filter(|step| {
            let (_, rest) = step.split_once("Seq Scan on ").unzip();
            let table = rest.and_then(|rest| rest.split_whitespace().next());
            table.is_some_and(|table| GROWING.contains(&table))
        });
        whole.map(|step| format!("{step}: {}", self.statement))
    }
}

/// Of each statement that `auto_explain` has logged.
pub fn plans(log: &str) -> Vec<Plan> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut statement = String::new();
    let mut in_statement = false;
    for line in log.lines() {
        let line = line.trim();
        if let Some(begin) = line.strip_prefix("Query Text: ") {
            begin.clone_into(&mut statement);
            in_statement = true;
        } else if line.starts_with("Query Parameters: ") {
            // From PostgreSQL 16 on; others each time.
            in_statement = false;
        } else if let Some((step, _)) = line.split_once("  (cost=") {
            in_statement = false;
            let step = step.trim_start_matches("->").trim().to_owned();
            let steps = found.entry(statement.clone()).or_default();
            if !steps.contains(&step) {
                steps.push(step);
            }
        } else if in_statement {
            statement = format!("{statement} {line}");
        }
    }
    let each = found.into_iter();
    each.map(|(statement, steps)| Plan { statement, steps })
        .collect()
}
