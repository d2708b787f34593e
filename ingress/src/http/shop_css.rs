//! A merchant's colour, as a style sheet that can be read.
//!
//! Buttons have the colour itself. Links and outlines have it darker, or lighter on a dark screen, as far as it
//! takes to be read on what is behind them. Contrast is that of WCAG 2.2, "relative luminance".

#![expect(
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "colours; money is not among them"
)]

use shared::config::Colour;

/// Of text to what is behind it: WCAG 2.2, success criterion 1.4.3.
const LEAST_CONTRAST: f64 = 4.5;
const BLACK: [u8; 3] = [0; 3];
const WHITE: [u8; 3] = [255; 3];
/// What is behind a notice or a chosen slot, the hardest to read a link on: light and dark.
const TINTS: [[u8; 3]; 2] = [[0xee, 0xee, 0xf1], [0x33, 0x31, 0x3d]];
/// Towards black or white, at each try.
const STEP: f64 = 0.02;

/// What takes the place of the colours in bookonce.css.
pub fn shop_css(colour: Colour) -> String {
    let [light, dark] = TINTS.map(|tint| theme(colour.rgb, tint));
    format!(
        ":root {{\n{light}}}\n\n@media (prefers-color-scheme: dark) {{\n:root {{\n{dark}}}\n}}\n"
    )
}

fn theme(colour: [u8; 3], tint: [u8; 3]) -> String {
    let on_accent = readable_on(colour);
    let link = until_readable(colour, tint);
    [
        ("accent", colour),
        ("on-accent", on_accent),
        ("link", link),
        ("tint", tint),
    ]
    .map(|(name, rgb)| format!("  --{name}: {};\n", Colour { rgb }))
    .concat()
}

/// Black or white. One of them always has the contrast.
fn readable_on(background: [u8; 3]) -> [u8; 3] {
    if contrast(WHITE, background) >= LEAST_CONTRAST {
        WHITE
    } else {
        BLACK
    }
}

fn until_readable(colour: [u8; 3], background: [u8; 3]) -> [u8; 3] {
    let towards = readable_on(background);
    let mut share = 0.0;
    let mut mixed = colour;
    while share < 1.0 && contrast(mixed, background) < LEAST_CONTRAST {
        share += STEP;
        mixed = mix(colour, towards, share);
    }
    mixed
}

fn mix(from: [u8; 3], to: [u8; 3], share: f64) -> [u8; 3] {
    let share = share.min(1.0);
    std::array::from_fn(|index| {
        let (from, to) = (f64::from(from[index]), f64::from(to[index]));
        (from + (to - from) * share).round() as u8
    })
}

fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    one.max(other) / one.min(other)
}

fn luminance(rgb: [u8; 3]) -> f64 {
    let [red, green, blue] = rgb.map(|channel| {
        let channel = f64::from(channel) / 255.0;
        if channel <= 0.04045 {
            channel / 12.92
        } else {
            ((channel + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_what_wcag_reckons() {
        assert!((contrast(BLACK, WHITE) - 21.0).abs() < 1e-9);
        // The grey that examples of 1.4.3 give as the lightest to be read on white.
        assert!((contrast([0x76; 3], WHITE) - 4.54).abs() < 0.01);
    }

    #[test]
    fn every_colour_can_be_read() {
        let channel = || (0..=255).step_by(15);
        for red in channel() {
            for green in channel() {
                for blue in channel() {
                    let colour = [red, green, blue];
                    let on_accent = readable_on(colour);
                    assert!(contrast(on_accent, colour) >= LEAST_CONTRAST, "{colour:?}");
                    for tint in TINTS {
                        let link = until_readable(colour, tint);
                        assert!(contrast(link, tint) >= LEAST_CONTRAST, "{colour:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_colour_that_can_be_read_stays_as_it_is() {
        let css = shop_css(Colour::parse("#0a5c7d").unwrap());

        let light = css.split("@media").next().unwrap();
        assert!(light.contains("--link: #0a5c7d;"), "{css}");
        assert!(light.contains("--on-accent: #ffffff;"), "{css}");
    }
}
