//! Rules about the source that the compiler cannot hold by itself (S303, S304, S305, S310, S102, S103, S220).
//!
//! A gate is a function from the tree to the places that break its rule. Each has a test that the tree
//! breaks nothing, and a test that it finds a violation put in on purpose, so that none can pass by
//! looking at nothing (S304, S305). A message names the rule, the place and the reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says so"
)]

mod support;

mod gates {
    mod bundle;
    mod clocks;
    mod layers;
    mod minting;
    mod status_writes;
    mod swallowed_writes;
    mod text;
    mod tree;
}
