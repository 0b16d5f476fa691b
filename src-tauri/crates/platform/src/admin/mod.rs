//! How the platform itself is: health, build, figures, liveness of its loops (10 §17.4, 30 §22, §23).

mod routes;

pub use routes::router;
