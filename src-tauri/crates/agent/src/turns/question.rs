//! Asking the person in the middle of a turn.

use molecule_a2a::wire::TaskState;
use serde_json::{Value, json};

use super::Turn;
use crate::agent::Agent;
use crate::platform::{Decision, Question};

impl Turn {
    /// Asks the person and waits for the decision. `Err`: no, in words for the model.
    ///
    /// Where the turn is called off meanwhile the question is taken back (see [`Turn::left_out`]).
    pub(crate) async fn ask(
        &self,
        agent: &Agent,
        action: String,
        reason: String,
        context: Value,
    ) -> Result<(), String> {
        let question = Question { action, reason, task_id: self.id().to_owned(), context };
        let asked = agent.platform.ask(&question).await;
        let id = asked.map_err(|fault| format!("the person could not be asked: {fault}"))?;
        self.question_out(&id);
        let data = json!({"type": "approval", "approval_id": id, "action": question.action, "reason": question.reason,
            "context": question.context});
        self.progress(TaskState::InputRequired, data);
        let waiting = agent.presence.waiting(&format!("Waiting for you: {}", question.action));
        let timing = &agent.config.timing;
        let decided = tokio::time::timeout(timing.approval_limit, async {
            loop {
                match agent.platform.decision(&id).await {
                    Ok(Decision::Pending) => {}
                    Ok(decision) => return decision,
                    Err(fault) => tracing::debug!(error = %fault, "the decision could not be read"),
                }
                tokio::time::sleep(timing.approval_poll).await;
            }
        })
        .await;
        drop(waiting);
        self.question_answered(&id);
        self.working();
        match decided {
            Ok(Decision::Approved) => Ok(()),
            Ok(Decision::Denied) => Err("the person said no; do not try it another way".into()),
            Ok(Decision::Expired | Decision::Pending) | Err(_) => {
                Err("nobody decided in time, so it was not done".into())
            }
        }
    }
}
