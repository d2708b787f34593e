//! Two plots: latency against rate, and a backlog over time.

use std::path::Path;

use anyhow::anyhow;
use plotters::{
    coord::Shift,
    prelude::{
        BLACK, ChartBuilder, Color, DrawingArea, IntoDrawingArea, IntoLogRange, LineSeries,
        PathElement, RGBColor, SVGBackend, SeriesLabelPosition, WHITE,
    },
};

use crate::{measure::Steady, report::Report};

const SIZE: (u32, u32) = (1000, 380);
const FONT: (&str, u32) = ("sans-serif", 14);
const COLOURS: [RGBColor; 4] = [
    RGBColor(0x1b, 0x6c, 0xa8),
    RGBColor(0x7f, 0xb2, 0xd9),
    RGBColor(0xb5, 0x4a, 0x1f),
    RGBColor(0xe6, 0xa9, 0x80),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws both plots side by side.
pub fn draw(report: &Report, file: &Path) -> anyhow::Result<()> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (left, right) = root.split_horizontally(SIZE.0 / 2);
    latency(report, &left).map_err(|error| anyhow!("{error}"))?;
    backlog(report, &right).map_err(|error| anyhow!("{error}"))?;
    root.present()?;
    Ok(())
}

/// Name of a line, and the value it shows.
type Line = (&'static str, fn(&Steady) -> f64);
type Drawn = Result<(), Box<dyn std::error::Error>>;

fn latency(report: &Report, area: &Area<'_>) -> Drawn {
    let curve = &report.rates;
    let fastest = curve.iter().map(|it| it.rate).max().unwrap_or(1);
    let slowest = curve.iter().map(|it| it.rows.p99).fold(10.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("Latency against rate", FONT)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0..fastest, (0.3..slowest * 1.2).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("webhooks a second")
        .y_desc("ms")
        .y_label_formatter(&|ms| format!("{ms:.0}"))
        .draw()?;
    let lines: [Line; 4] = [
        ("answer, p50", |it| it.answers.p50),
        ("answer, p99", |it| it.answers.p99),
        ("visible row, p50", |it| it.rows.p50),
        ("visible row, p99", |it| it.rows.p99),
    ];
    for ((name, value), colour) in lines.into_iter().zip(COLOURS) {
        let points = curve.iter().map(|it| (it.rate, value(it)));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.2))
        .draw()?;
    Ok(())
}

fn backlog(report: &Report, area: &Area<'_>) -> Drawn {
    let Some(backlog) = &report.backlog else {
        return Ok(());
    };
    let left = |rows: usize| i32::try_from(backlog.events.saturating_sub(rows)).unwrap_or(0);
    let seconds = backlog.progress.last().map_or(1.0, |(at, _)| *at);
    let mut chart = ChartBuilder::on(area)
        .caption("A backlog, from the start of one worker", FONT)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..seconds, 0..left(0))?;
    chart
        .configure_mesh()
        .x_desc("seconds")
        .y_desc("events left")
        .draw()?;
    let points = backlog.progress.iter().map(|(at, rows)| (*at, left(*rows)));
    let [colour, ..] = COLOURS;
    chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
    Ok(())
}
