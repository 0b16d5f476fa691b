//! What the canvas needs to know of this computer, and what only this edition has.

mod routes;

pub use routes::router;
