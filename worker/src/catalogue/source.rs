//! Reading a file, TOML or CSV, as it is written: what the fields mean is checked after.

use serde::Deserialize;

use crate::catalogue::Problem;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Offerings, each with its slots.
    Toml,
    /// A line for each slot.
    Csv,
}

/// An offering as a file says it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawOffering {
    #[serde(skip)]
    pub place: String,
    pub key: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub price: Option<String>,
    pub currency: Option<String>,
    pub time_zone: Option<String>,
    pub location: Option<String>,
    pub closed: Option<bool>,
    pub cancellation_free_hours: Option<i64>,
    pub cancellation_late_percent: Option<i64>,
    #[serde(default)]
    pub slots: Vec<RawSlot>,
}

/// A slot, or a series of them, as a file says it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSlot {
    #[serde(skip)]
    pub place: String,
    pub starts_at: Option<String>,
    pub minutes: Option<i64>,
    pub capacity: Option<i64>,
    pub repeat: Option<String>,
    #[serde(default)]
    pub except: Vec<String>,
    pub closed: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    offering: Vec<RawOffering>,
}

/// A line of a CSV file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: Option<String>,
    name: Option<String>,
    description: Option<String>,
    price: Option<String>,
    currency: Option<String>,
    time_zone: Option<String>,
    location: Option<String>,
    closed: Option<bool>,
    cancellation_free_hours: Option<i64>,
    cancellation_late_percent: Option<i64>,
    starts_at: Option<String>,
    minutes: Option<i64>,
    capacity: Option<i64>,
    repeat: Option<String>,
    except: Option<String>,
    slot_closed: Option<bool>,
}

/// Reads `text`.
///
/// # Errors
///
/// What cannot be read, with its line.
pub fn parse(text: &str, form: Form) -> Result<Vec<RawOffering>, Vec<Problem>> {
    match form {
        Form::Toml => of_toml(text),
        Form::Csv => of_csv(text),
    }
}

fn of_toml(text: &str) -> Result<Vec<RawOffering>, Vec<Problem>> {
    let file: File = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count().saturating_add(1));
        vec![Problem {
            place: format!("line {line}"),
            field: None,
            words: error.message().to_owned(),
        }]
    })?;
    let mut offerings = file.offering;
    for (index, offering) in offerings.iter_mut().enumerate() {
        let number = index.saturating_add(1);
        let key = offering.key.as_deref().unwrap_or("no key");
        offering.place = format!("offering {number} ({key})");
        for (index, slot) in offering.slots.iter_mut().enumerate() {
            let number = index.saturating_add(1);
            slot.place = format!("{}, slot {number}", offering.place);
        }
    }
    Ok(offerings)
}

/// The lines of an offering need not say again what the first has said.
fn of_csv(text: &str) -> Result<Vec<RawOffering>, Vec<Problem>> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(false)
        .from_reader(text.as_bytes());
    let mut offerings: Vec<RawOffering> = Vec::new();
    let mut problems = Vec::new();
    let headers = reader.headers().cloned().unwrap_or_default();
    for record in reader.records() {
        let line = record.as_ref().ok().and_then(csv::StringRecord::position);
        let line = line.map_or(1, csv::Position::line);
        let read = record.and_then(|it| it.deserialize::<Line>(Some(&headers)));
        match read {
            Ok(read) => add(&mut offerings, &mut problems, read, line),
            Err(error) => problems.push(Problem {
                place: format!("line {line}"),
                field: None,
                words: in_words(&error, &headers),
            }),
        }
    }
    if problems.is_empty() {
        Ok(offerings)
    } else {
        Err(problems)
    }
}

/// What is wrong with a line, by the name of its column.
fn in_words(error: &csv::Error, headers: &csv::StringRecord) -> String {
    let csv::ErrorKind::Deserialize { err, .. } = error.kind() else {
        return error.to_string();
    };
    let index = err.field().and_then(|it| usize::try_from(it).ok());
    let column = index.and_then(|it| headers.get(it));
    let kind = err.kind();
    column.map_or_else(|| kind.to_string(), |column| format!("{column}: {kind}"))
}

fn add(offerings: &mut Vec<RawOffering>, problems: &mut Vec<Problem>, line: Line, number: u64) {
    let place = format!("line {number}");
    let offering = RawOffering {
        place: place.clone(),
        key: line.key,
        name: line.name,
        description: line.description,
        price: line.price,
        currency: line.currency,
        time_zone: line.time_zone,
        location: line.location,
        closed: line.closed,
        cancellation_free_hours: line.cancellation_free_hours,
        cancellation_late_percent: line.cancellation_late_percent,
        slots: Vec::new(),
    };
    let known = offerings.iter().position(|it| it.key == offering.key);
    let index = known.unwrap_or(offerings.len());
    if known.is_none() {
        offerings.push(offering);
    } else if let Some(first) = offerings.get(index)
        && let Some(field) = differs(first, &offering)
    {
        problems.push(Problem {
            place: place.clone(),
            field: Some(field),
            words: format!(
                "not what {} says of this offering; leave it empty",
                first.place
            ),
        });
    }
    if let (Some(starts_at), Some(offering)) = (line.starts_at, offerings.get_mut(index)) {
        let except = line.except.unwrap_or_default();
        offering.slots.push(RawSlot {
            place,
            starts_at: Some(starts_at),
            minutes: line.minutes,
            capacity: line.capacity,
            repeat: line.repeat,
            except: except.split_whitespace().map(str::to_owned).collect(),
            closed: line.slot_closed,
        });
    }
}

/// The first field in which a later line contradicts the first one of its offering.
fn differs(first: &RawOffering, later: &RawOffering) -> Option<&'static str> {
    let texts = [
        ("name", &first.name, &later.name),
        ("description", &first.description, &later.description),
        ("price", &first.price, &later.price),
        ("currency", &first.currency, &later.currency),
        ("time_zone", &first.time_zone, &later.time_zone),
        ("location", &first.location, &later.location),
    ];
    let numbers = [
        (
            "cancellation_free_hours",
            first.cancellation_free_hours,
            later.cancellation_free_hours,
        ),
        (
            "cancellation_late_percent",
            first.cancellation_late_percent,
            later.cancellation_late_percent,
        ),
        (
            "closed",
            first.closed.map(i64::from),
            later.closed.map(i64::from),
        ),
    ];
    let texts = texts
        .into_iter()
        .filter(|(_, first, later)| later.is_some() && first != later);
    let numbers = numbers
        .into_iter()
        .filter(|(_, first, later)| later.is_some() && first != later);
    texts
        .map(|(field, ..)| field)
        .chain(numbers.map(|(field, ..)| field))
        .next()
}
