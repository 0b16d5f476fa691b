//! Whole agents over HTTP, against stubs of the platform and of the models.

mod bench;
mod calling_off;
mod delegating;
mod folder;
mod repeated;
mod serving;
mod staying_known;
mod streaming;
