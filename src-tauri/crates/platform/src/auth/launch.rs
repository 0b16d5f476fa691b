//! One-time tickets for windows.

use std::{collections::HashMap, sync::Mutex};

use molecule_model::Timestamp;
use molecule_store::tokens::Hash;

use super::{fresh, hash};

/// How long an unused ticket is good, seconds.
const GOOD_FOR: i64 = 600;

/// Tickets that were handed out and not yet used.
#[derive(Default)]
pub struct Tickets(Mutex<HashMap<Hash, Timestamp>>);

impl Tickets {
    /// A new ticket, good for ten minutes and one use.
    #[must_use]
    pub fn issue(&self, now: Timestamp) -> String {
        let ticket = fresh();
        if let Ok(mut open) = self.0.lock() {
            open.retain(|_, until| *until > now);
            open.insert(hash(ticket.expose()), now.plus_seconds(GOOD_FOR));
        }
        ticket.expose().to_owned()
    }

    /// Uses a ticket up. `false`: it is unknown, used or too old.
    pub fn redeem(&self, ticket: &str, now: Timestamp) -> bool {
        let taken = self.0.lock().ok().and_then(|mut open| open.remove(&hash(ticket)));
        taken.is_some_and(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    use molecule_model::Timestamp;

    #[test]
    fn r4_a_ticket_is_good_once_and_for_ten_minutes() {
        let tickets = super::Tickets::default();
        let now = Timestamp::from_micros(0);
        let (a, b) = (tickets.issue(now), tickets.issue(now));
        assert!(tickets.redeem(&a, now.plus_seconds(599)));
        assert!(!tickets.redeem(&a, now));
        assert!(!tickets.redeem(&b, now.plus_seconds(600)));
        assert!(!tickets.redeem("guess", now));
    }
}
