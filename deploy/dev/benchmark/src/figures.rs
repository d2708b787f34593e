//! Times, medians and rates.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

/// Percentiles of many durations, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Times {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl Times {
    pub fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let at = |percent: usize| {
            let last = all.len().saturating_sub(1);
            all.get(last * percent / 100)
                .map_or(f64::NAN, |it| it.as_secs_f64() * 1e3)
        };
        Self {
            p50: at(50),
            p99: at(99),
            max: at(100),
        }
    }

    /// Median of several runs, field by field.
    pub fn median(runs: impl Iterator<Item = Self>) -> Self {
        let runs: Vec<Self> = runs.collect();
        let of = |field: fn(&Self) -> f64| median(runs.iter().map(field));
        Self {
            p50: of(|it| it.p50),
            p99: of(|it| it.p99),
            max: of(|it| it.max),
        }
    }
}

pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = values.into_iter().collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Mean, and its standard error.
pub fn mean(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|it| (it - mean).powi(2)).sum::<f64>();
    (mean, (squares / (count - 1.0) / count).sqrt())
}

/// Median for each process.
pub fn median_by_process<'a>(
    runs: impl Iterator<Item = &'a BTreeMap<&'static str, f64>>,
) -> BTreeMap<&'static str, f64> {
    let mut by_process: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for (name, value) in runs.flatten() {
        by_process.entry(*name).or_default().push(*value);
    }
    let each = by_process.into_iter();
    each.map(|(name, values)| (name, median(values))).collect()
}

/// Rate of `count` in `time`.
pub fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
