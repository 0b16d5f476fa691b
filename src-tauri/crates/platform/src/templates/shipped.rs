//! The templates that the binary carries.

use std::borrow::Cow;

use rust_embed::Embed;

/// Where workspace templates lie in it.
pub(super) const WORKSPACES: &str = "workspaces";
/// Where org templates lie in it.
pub(super) const ORGS: &str = "orgs";

#[derive(Embed)]
#[folder = "../../../templates"]
#[include = "workspaces/**/*"]
#[include = "orgs/**/*"]
struct Shipped;

/// The bytes of a file.
pub(super) fn read(path: &str) -> Option<Cow<'static, [u8]>> {
    Shipped::get(path).map(|file| file.data)
}

/// Every file, with `/` between folders.
pub(super) fn files() -> impl Iterator<Item = Cow<'static, str>> {
    Shipped::iter()
}
