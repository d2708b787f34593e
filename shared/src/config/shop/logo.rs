//! The picture of a shop.

use std::{fmt, path::Path, sync::Arc};

use serde::Serialize;

const LARGEST: u64 = 256 * 1024;
const EXPECTED: &str = "expected a PNG, JPEG, WebP or SVG file of at most 256 KB";

/// A picture, as it stands in its file. Templates only see what kind it is.
#[derive(Clone, Serialize)]
#[serde(into = "&'static str")]
pub struct Logo {
    /// The file.
    pub bytes: Arc<[u8]>,
    /// What kind of picture it is.
    pub media_type: &'static str,
}

impl Logo {
    /// Reads the file at `path`. Its content says what it is, not its name.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, String> {
        let cannot = |error: std::io::Error| format!("{error}; {EXPECTED}");
        let file = std::fs::metadata(&path).map_err(cannot)?;
        if !file.is_file() || file.len() > LARGEST {
            return Err(EXPECTED.to_owned());
        }
        let bytes = std::fs::read(&path).map_err(cannot)?;
        let media_type = media_type(&bytes).ok_or(EXPECTED)?;
        let bytes = bytes.into();
        Ok(Self { bytes, media_type })
    }

    /// Whether programs that read mail show it: many know neither SVG nor WebP.
    pub fn is_for_mail(&self) -> bool {
        [PNG, JPEG].contains(&self.media_type)
    }
}

impl From<Logo> for &'static str {
    fn from(logo: Logo) -> Self {
        logo.media_type
    }
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (media_type, length) = (self.media_type, self.bytes.len());
        write!(f, "Logo({media_type}, {length} bytes)")
    }
}

const PNG: &str = "image/png";
const JPEG: &str = "image/jpeg";
const SVG: &str = "image/svg+xml";
/// Without it, browsers show no picture.
const SVG_NAMESPACE: &str = "http://www.w3.org/2000/svg";

fn media_type(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some(PNG);
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        return Some(JPEG);
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Some("image/webp");
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let starts = ["<svg", "<?xml", "<!--", "<!DOCTYPE svg"];
    let is_svg = starts.iter().any(|it| text.starts_with(it));
    (is_svg && text.contains(SVG_NAMESPACE)).then_some(SVG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_known_by_what_is_in_it() {
        for (content, kind) in [
            (&b"\x89PNG\r\n\x1a\n\0"[..], Some(PNG)),
            (b"\xff\xd8\xff\xe0", Some(JPEG)),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (
                b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
                Some(SVG),
            ),
            (b"<svg></svg>", None),
            (
                b"<html><svg xmlns='http://www.w3.org/2000/svg'/></html>",
                None,
            ),
            (b"GIF89a", None),
            (b"", None),
        ] {
            assert_eq!(media_type(content), kind);
        }
    }
}
