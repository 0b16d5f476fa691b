//! What agents say of themselves: registration, heartbeats, cards, and who stands beside whom (10 §4–§7).

mod beat;
mod peers;
mod phantom;
mod register;
mod silence;
mod standing;

pub use beat::{Beat, Beaten, beat};
pub use peers::{Peer, peers};
pub use phantom::free_phantoms;
pub use register::{Registered, Registration, register, update_card};
pub use silence::{Whose, alive, external_stale, liveness_lost, silent_externals};
pub use standing::{Standing, standing};

#[cfg(test)]
mod testing {
    use molecule_model::{WorkspaceId, wire::DeliveryMode};

    use super::{Beat, Registration};
    use crate::{Result, Tx, outbox, tokens::NewToken};

    pub fn registration(id: WorkspaceId) -> Registration {
        Registration {
            id,
            url: "http://127.0.0.1:9000".into(),
            card: r#"{"name":"Echo"}"#.into(),
            mode: DeliveryMode::Push,
            proven: false,
            may_create: false,
            token: NewToken { id: molecule_model::id::fresh(), hash: [7; 32], prefix: "abcdefgh".into(), url: false },
        }
    }

    pub fn sign(id: WorkspaceId) -> Beat {
        Beat {
            id,
            proven: true,
            error_rate: 0.0,
            sample_error: String::new(),
            active_tasks: 0,
            uptime_seconds: Some(10),
            current_task: String::new(),
            monthly_spend: 0,
            runtime_state: String::new(),
            native_status: false,
        }
    }

    pub fn kinds(tx: &Tx<'_>) -> Result<Vec<String>> {
        Ok(outbox::since(tx, 0, 100)?.into_iter().map(|event| event.event_type).collect())
    }
}
