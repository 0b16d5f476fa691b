//! S2 of the targets: every sender with every target in a tree of four levels, over every route and stream that
//! asks who may talk to whom. The oracle is 10 §7.5, written down here once more from the contract's words.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{Api, Events, NOBODY, TestServer};

/// Three roots, four levels: name and parent.
const TREE: [(&str, &str); 13] = [
    ("A", ""),
    ("A1", "A"),
    ("A11", "A1"),
    ("A111", "A11"),
    ("A112", "A11"),
    ("A12", "A1"),
    ("A2", "A"),
    ("A21", "A2"),
    ("B", ""),
    ("B1", "B"),
    ("B11", "B1"),
    ("B111", "B11"),
    ("C", ""),
];

fn parent(name: &str) -> Option<&'static str> {
    TREE.iter().find(|(known, _)| *known == name).map(|(_, parent)| *parent).filter(|parent| !parent.is_empty())
}

fn is_ancestor(of: &str, above: &str) -> bool {
    let mut at = parent(of);
    while let Some(name) = at {
        if name == above {
            return true;
        }
        at = parent(name);
    }
    false
}

/// 10 §7.5: oneself, siblings, roots among each other, and the line up and down.
fn may(caller: &str, target: &str) -> bool {
    caller == target || parent(caller) == parent(target) || is_ancestor(caller, target) || is_ancestor(target, caller)
}

struct Tree {
    server: TestServer,
    ids: BTreeMap<&'static str, String>,
    tokens: BTreeMap<&'static str, String>,
}

impl Tree {
    async fn planted() -> Self {
        let server = TestServer::start().await;
        let admin = server.admin();
        let (mut ids, mut tokens) = (BTreeMap::new(), BTreeMap::new());
        for (name, parent) in TREE {
            let mut body = json!({"name": name, "external": true});
            if let Some(parent) = ids.get(parent) {
                body["parent_id"] = json!(parent);
            }
            let id = admin.post("/workspaces", &body).await.expect(201)["id"].as_str().unwrap().to_owned();
            let made = admin.post(&format!("/workspaces/{id}/tokens"), &json!({})).await.expect(201);
            tokens.insert(name, made["auth_token"].as_str().unwrap().to_owned());
            ids.insert(name, id);
        }
        Self { server, ids, tokens }
    }

    fn as_agent(&self, name: &str) -> Api {
        self.server.bearer(&self.tokens[name])
    }

    fn pairs(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        TREE.into_iter().flat_map(|(caller, _)| TREE.into_iter().map(move |(target, _)| (caller, target)))
    }
}

fn message() -> Value {
    json!({"method": "message/send", "params": {"message": {"role": "user", "parts": [{"kind": "text", "text": "hello"}]}}})
}

#[tokio::test]
async fn s2_s131_every_pair_in_a_four_level_tree_over_a2a_check_access_and_discover() {
    let tree = Tree::planted().await;
    let (mut wrong, mut allowed) = (Vec::new(), 0);
    for (caller, target) in tree.pairs() {
        let expected = may(caller, target);
        allowed += usize::from(expected);
        let (agent, from, to) = (tree.as_agent(caller), &tree.ids[caller], &tree.ids[target]);

        let asked = agent.post("/registry/check-access", &json!({"caller_id": from, "target_id": to})).await;
        let said = asked.expect(200)["allowed"].as_bool();

        let found = agent.with_header("X-Workspace-ID", from).get(&format!("/registry/discover/{to}")).await;
        // Nobody answers there yet, which only those are told who may know of it.
        let discovered = match (found.status, found.error().as_str()) {
            (503, "workspace not available") => Some(true),
            (403, "not authorized to discover this workspace") => Some(false),
            _ => None,
        };

        let sent = agent.post(&format!("/workspaces/{to}/a2a"), &message()).await;
        let delivered = match (sent.status, sent.error().as_str()) {
            (200, "") => Some(true),
            (403, "access denied: workspaces cannot communicate per hierarchy rules") => Some(false),
            _ => None,
        };
        if [said, discovered, delivered] != [Some(expected); 3] {
            wrong.push(format!(
                "{caller} → {target}, expected {expected}: check-access {said:?}, discover {} {}, a2a {} {}",
                found.status,
                found.text(),
                sent.status,
                sent.text()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let pairs = TREE.len() * TREE.len();
    assert!(allowed > pairs / 4 && allowed < pairs, "{allowed} of {pairs}: the tree has pairs of both kinds");

    // What was refused left no trace with the one it was for (S128's sister: nothing is dispatched).
    for (target, _) in TREE {
        let path = format!("/workspaces/{}/activity?type=a2a_receive&limit=500", tree.ids[target]);
        let rows = tree.server.admin().get(&path).await.expect(200);
        let senders: BTreeSet<&str> =
            rows.as_array().unwrap().iter().filter_map(|row| row["source_id"].as_str()).collect();
        let expected: BTreeSet<&str> =
            TREE.iter().filter(|(name, _)| may(name, target)).map(|(name, _)| tree.ids[name].as_str()).collect();
        assert_eq!(senders, expected, "who wrote to {target}");
    }
}

/// 10 §7.5 rule 2, and the last sentence: a removed row still takes part, an unknown one never.
#[tokio::test]
async fn s2_unknown_and_removed_workspaces_in_the_tree() {
    let tree = Tree::planted().await;
    let admin = tree.server.admin();
    let allowed = |caller: String, target: String| {
        let admin = admin.clone();
        async move {
            let body = json!({"caller_id": caller, "target_id": target});
            admin.post("/registry/check-access", &body).await.expect(200)["allowed"].clone()
        }
    };
    let id = |name: &str| tree.ids[name].clone();
    for (caller, target, expected) in [
        (id("A"), NOBODY.to_owned(), false),
        (NOBODY.to_owned(), id("A"), false),
        (NOBODY.to_owned(), NOBODY.to_owned(), true),
        ("not-an-id".to_owned(), "not-an-id".to_owned(), true),
        (id("A"), "not-an-id".to_owned(), false),
        (id("A").to_uppercase(), id("B"), true),
    ] {
        assert_eq!(allowed(caller.clone(), target.clone()).await, expected, "{caller} → {target}");
    }
    admin.delete(&format!("/workspaces/{}?confirm=true", tree.ids["A112"])).await.expect(200);
    assert_eq!(allowed(id("A111"), id("A112")).await, true, "a removed sibling");
    assert_eq!(allowed(id("A112"), id("A")).await, true, "up from a removed row");
    assert_eq!(allowed(id("A112"), id("B1")).await, false);
    let gone = tree.as_agent("A111").post(&format!("/workspaces/{}/a2a", tree.ids["A112"]), &message()).await;
    assert_eq!((gone.status, gone.error().as_str()), (404, "workspace not found"), "O-26");
    let stale = tree.as_agent("A112").post(&format!("/workspaces/{}/a2a", tree.ids["A111"]), &message()).await;
    assert_eq!(stale.status, 401, "its own token went with it");
}

/// 10 §15.2: an agent's socket carries the events of those it may talk to, its own included; a canvas's all.
#[tokio::test]
async fn s2_every_pair_in_a_four_level_tree_over_the_event_socket() {
    let tree = Tree::planted().await;
    let url = tree.server.url();
    let mut sockets = Vec::new();
    for (name, _) in TREE {
        sockets.push((name, Events::open(&url, &tree.tokens[name], None).await.unwrap()));
    }
    let mut canvas = tree.server.events(None).await;
    let beat = |name: &'static str, uptime: u64| {
        let (agent, id) = (tree.as_agent(name), tree.ids[name].clone());
        async move {
            let body = json!({"workspace_id": id, "uptime_seconds": uptime});
            agent.post("/registry/heartbeat", &body).await.expect(200);
        }
    };
    for (name, _) in TREE {
        beat(name, 1).await;
    }
    // Events come in order, so whoever hears the second round has heard all it will of the first.
    for (name, _) in TREE {
        beat(name, 2).await;
    }
    let heard = |events: &[Value]| -> BTreeSet<String> {
        let first = events.iter().filter(|event| event["event"] == "WORKSPACE_HEARTBEAT");
        let first = first.filter(|event| event["payload"]["uptime_seconds"] == 1);
        first.filter_map(|event| event["workspace_id"].as_str().map(str::to_owned)).collect()
    };
    let is_second = |event: &Value, id: &str| {
        event["event"] == "WORKSPACE_HEARTBEAT"
            && event["workspace_id"] == id
            && event["payload"]["uptime_seconds"] == 2
    };
    for (name, socket) in &mut sockets {
        let own = &tree.ids[name];
        socket.until("its own second beat", |event| is_second(event, own)).await;
        let expected: BTreeSet<String> =
            TREE.iter().filter(|(other, _)| may(name, other)).map(|(other, _)| tree.ids[other].clone()).collect();
        assert_eq!(heard(&socket.seen), expected, "what {name} hears");
        let strangers: BTreeSet<&str> = socket.seen.iter().filter_map(|event| event["workspace_id"].as_str()).collect();
        assert!(strangers.iter().all(|id| expected.contains(*id)), "{name} hears of nobody else in any event");
    }
    canvas.until("the last beat", |event| is_second(event, &tree.ids["C"])).await;
    assert_eq!(heard(&canvas.seen).len(), TREE.len(), "a canvas hears everybody");
}
