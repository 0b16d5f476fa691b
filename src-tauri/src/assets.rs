//! The built canvas, inside the binary.

use molecule_platform::config::Asset;
use rust_embed::Embed;

#[derive(Embed)]
#[folder = "ui/dist"]
struct Canvas;

/// The file of this name, if the canvas has one.
pub fn find(name: &str) -> Option<Asset> {
    let file = Canvas::get(name)?;
    let mime = file.metadata.mimetype().to_owned();
    Some(Asset { bytes: file.data, mime })
}
