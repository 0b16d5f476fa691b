//! Agents that keep each other busy (R-21, R6).

use std::sync::{Arc, OnceLock};

use axum::response::IntoResponse;
use molecule_model::event::EventKind;
use serde_json::{Value, json};

use crate::{
    agent::{Agent, reply},
    bed::{Bed, Known},
};

/// An agent that hands every message on to the next one and answers with what came back. Copies no metadata.
async fn passing_on(base: String, to: Arc<OnceLock<(Known, Known)>>, text: &'static str) -> Agent {
    let http = reqwest::Client::new();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    Agent::new(move |got| {
        let (base, to, http) = (base.clone(), Arc::clone(&to), http.clone());
        let n = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move {
            let (me, next) = to.get().unwrap();
            let words = if text.is_empty() { format!("thought {n}") } else { text.to_owned() };
            let body =
                json!({"method": "message/send", "params": {"message": {"parts": [{"kind": "text", "text": words}]}}});
            let answer = http
                .post(format!("{base}/workspaces/{}/a2a", next.id))
                .bearer_auth(&me.token)
                .json(&body)
                .send()
                .await
                .unwrap();
            let status = answer.status().as_u16();
            let said: Value = answer.json().await.unwrap();
            let heard = said["error"]
                .as_str()
                .map(|e| format!("{status} {e}"))
                .or_else(|| said["result"]["parts"][0]["text"].as_str().map(str::to_owned));
            reply(&got, &heard.unwrap_or_default()).into_response()
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_a_ring_of_three_ends_after_sixteen_hops() {
    let bed = Bed::new().await;
    let links: Vec<Arc<OnceLock<(Known, Known)>>> = (0..3).map(|_| Arc::default()).collect();
    let mut ring = Vec::new();
    for link in &links {
        let agent = passing_on(bed.base.clone(), Arc::clone(link), "").await;
        let known = bed.agent("Ring", None, &agent.url).await;
        ring.push((agent, known));
    }
    for (n, link) in links.iter().enumerate() {
        let _ = link.set((ring[n].1.clone(), ring[(n + 1) % 3].1.clone()));
    }
    let answer: Value = bed.say(ring[0].1.id, "start").send().await.unwrap().json().await.unwrap();
    let text = answer["result"]["parts"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("508 ") && text.contains("16"), "{text}");
    let reached: usize = ring.iter().map(|(agent, _)| agent.got().len()).sum();
    assert_eq!(reached, 17, "the person's message and sixteen hops");
    let mut stopped = Vec::new();
    for (_, known) in &ring {
        stopped.extend(bed.activity(known.id).await.into_iter().filter(|row| row["status"] == "error"));
    }
    assert_eq!(stopped.len(), 1, "the refused message left its row");
    assert!(stopped[0]["error_detail"].as_str().unwrap().contains("more than 16"));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_two_that_say_the_same_are_paused_and_can_be_let_go() {
    let bed = Bed::new().await;
    type Pair = Arc<OnceLock<(Known, Known)>>;
    let (to_b, to_a) = (Pair::default(), Pair::default());
    let first = passing_on(bed.base.clone(), Arc::clone(&to_b), "ping").await;
    let second = passing_on(bed.base.clone(), Arc::clone(&to_a), "ping").await;
    let a = bed.agent("A", None, &first.url).await;
    let b = bed.agent("B", None, &second.url).await;
    let _ = (to_b.set((a.clone(), b.clone())), to_a.set((b.clone(), a.clone())));
    let mut events = bed.events();
    let answer: Value = bed.say(a.id, "start").send().await.unwrap().json().await.unwrap();
    assert!(answer["result"]["parts"][0]["text"].as_str().unwrap().contains("only answer each other"), "{answer}");
    let notice = events.next(EventKind::PlatformChanged).await;
    let paused = &notice.envelope.payload.fields()["loop_paused"];
    assert!(paused["until"].is_string());
    let direct = bed
        .post(&format!("/workspaces/{}/a2a", b.id))
        .bearer_auth(&a.token)
        .json(&crate::bed::message("message/send", "other"))
        .send()
        .await
        .unwrap();
    assert_eq!(direct.status().as_u16(), 508);
    let refusal: Value = direct.json().await.unwrap();
    assert_eq!(refusal["code"], "loop_detected");
    // The person is never paused, and can lift it.
    let path = format!("/workspaces/{}/pauses/{}", a.id, b.id);
    let lifted = bed.request(reqwest::Method::DELETE, &path).bearer_auth(&bed.admin).send().await.unwrap();
    assert_eq!(lifted.status().as_u16(), 200);
    let again = bed.request(reqwest::Method::DELETE, &path).bearer_auth(&bed.admin).send().await.unwrap();
    assert_eq!(again.status().as_u16(), 404);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_one_that_writes_to_itself_ends_after_sixteen_hops() {
    let bed = Bed::new().await;
    let link = Arc::new(OnceLock::<(Known, Known)>::new());
    let agent = passing_on(bed.base.clone(), Arc::clone(&link), "again").await;
    let known = bed.agent("Alone", None, &agent.url).await;
    let _ = link.set((known.clone(), known.clone()));
    let answer: Value = bed.say(known.id, "start").send().await.unwrap().json().await.unwrap();
    let text = answer["result"]["parts"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("508 ") && text.contains("16"), "{text}");
    assert_eq!(agent.got().len(), 17, "the person's message and sixteen hops");
    // Left alone, it is as good as before.
    let calm = bed.say(known.id, "once more").send().await.unwrap();
    assert_eq!(calm.status().as_u16(), 200);
    bed.stop().await;
}

/// Asking how a task stands says nothing, so it is no answer to an answer.
#[tokio::test(flavor = "multi_thread")]
async fn r21_asking_how_a_task_stands_is_no_loop() {
    let bed = Bed::new().await;
    let pair: Arc<OnceLock<(Known, Known)>> = Arc::default();
    let (base, of) = (bed.base.clone(), Arc::clone(&pair));
    let first = Agent::new(move |got| {
        let (base, of, http) = (base.clone(), Arc::clone(&of), reqwest::Client::new());
        async move {
            let (me, other) = of.get().unwrap();
            let mut statuses = Vec::new();
            for n in 0..5 {
                let ask = json!({"jsonrpc": "2.0", "id": n, "method": "tasks/get", "params": {"id": "t1"}});
                let asked = http.post(format!("{base}/workspaces/{}/a2a", other.id)).bearer_auth(&me.token).json(&ask);
                statuses.push(asked.send().await.unwrap().status().as_u16());
            }
            reply(&got, &format!("{statuses:?}")).into_response()
        }
    })
    .await;
    let second =
        Agent::answering(200, r#"{"jsonrpc":"2.0","id":1,"result":{"id":"t1","status":{"state":"working"}}}"#).await;
    let a = bed.agent("A", None, &first.url).await;
    let b = bed.agent("B", None, &second.url).await;
    let _ = pair.set((a.clone(), b.clone()));
    let message = crate::bed::message("message/send", "how far are you?");
    let answer =
        bed.post(&format!("/workspaces/{}/a2a", a.id)).bearer_auth(&b.token).json(&message).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["result"]["parts"][0]["text"], "[200, 200, 200, 200, 200]", "{answer}");
    bed.stop().await;
}

/// A lead that asks its two colleagues the same for each thing that the person asks, a thousand times over.
#[tokio::test(flavor = "multi_thread")]
async fn r6_two_thousand_ordinary_messages_trip_nothing() {
    let bed = Bed::new().await;
    let helper = Agent::saying("done").await;
    let team: Arc<OnceLock<(Known, [Known; 2])>> = Arc::default();
    let (base, of) = (bed.base.clone(), Arc::clone(&team));
    let http = reqwest::Client::new();
    let lead = Agent::new(move |got| {
        let (base, of, http) = (base.clone(), Arc::clone(&of), http.clone());
        async move {
            let (me, helpers) = of.get().unwrap();
            let asked = helpers.iter().map(|helper| {
                let message = crate::bed::message("message/send", "status?");
                http.post(format!("{base}/workspaces/{}/a2a", helper.id)).bearer_auth(&me.token).json(&message).send()
            });
            let statuses: Vec<u16> =
                futures_util::future::join_all(asked).await.into_iter().map(|a| a.unwrap().status().as_u16()).collect();
            reply(&got, &format!("{statuses:?}")).into_response()
        }
    })
    .await;
    let leader = bed.agent("Lead", None, &lead.url).await;
    let helpers = [bed.agent("One", None, &helper.url).await, bed.agent("Two", None, &helper.url).await];
    let _ = team.set((leader.clone(), helpers));
    let mut events = bed.events();
    for _ in 0..100 {
        let asked = (0..10).map(|_| async {
            let answer: Value = bed.say(leader.id, "how is it?").send().await.unwrap().json().await.unwrap();
            assert_eq!(answer["result"]["parts"][0]["text"], "[200, 200]", "{answer}");
        });
        futures_util::future::join_all(asked).await;
        assert!(!events.waiting().contains(&EventKind::PlatformChanged));
    }
    assert_eq!(helper.got().len(), 2_000);
    bed.stop().await;
}
