//! The network changes, or an agent's server closes connections that we keep: a message goes again only where it
//! cannot have arrived (done-when 9). On loopback a change of network alone breaks nothing.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::bed::Bed;

/// What happens to a connection after its first answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// Nothing: it is kept.
    Kept,
    /// It is closed in order.
    Closed,
    /// It is reset, as a machine in between does that forgot it.
    Reset,
    /// The next request is read whole, and then it is closed without an answer.
    TakesAndCloses,
}

struct Wire {
    url: String,
    connections: Arc<AtomicUsize>,
    got: Arc<Mutex<Vec<String>>>,
}

impl Wire {
    async fn new(then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (connections, got) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (count, seen) = (Arc::clone(&connections), Arc::clone(&got));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, then, Arc::clone(&seen)));
            }
        });
        Self { url, connections, got }
    }

    fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }
}

/// Reads one request and answers the id of its message.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            return Some(body["params"]["message"]["messageId"].as_str().unwrap().to_owned());
        }
    }
}

async fn serve(mut stream: TcpStream, then: Then, got: Arc<Mutex<Vec<String>>>) {
    let mut answered = 0;
    while let Some(id) = read(&mut stream).await {
        got.lock().unwrap().push(id);
        if answered == 1 && then == Then::TakesAndCloses {
            return;
        }
        let body = json!({"jsonrpc": "2.0", "id": "r1", "result": {"kind": "message", "role": "agent",
            "messageId": "a", "parts": [{"kind": "text", "text": "here"}]}})
        .to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        answered += 1;
        match then {
            Then::Kept | Then::TakesAndCloses => {}
            Then::Closed => return,
            Then::Reset => return stream.set_zero_linger().unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn done_when_9_a_connection_that_died_meanwhile_costs_no_message_and_doubles_none() {
    let bed = Bed::new().await;
    for (then, connections) in [(Then::Kept, 1), (Then::Closed, 5), (Then::Reset, 5)] {
        let wire = Wire::new(then).await;
        let a = bed.agent("Wired", None, &wire.url).await;
        let words: Vec<String> = (0..5).map(|n| format!("{then:?}-{n}")).collect();
        for word in &words {
            let answer = bed.say(a.id, word).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{word}: {}", answer.text().await.unwrap());
        }
        let want: Vec<String> = words.iter().map(|word| format!("m-{word}")).collect();
        assert_eq!(wire.got(), want, "each once, in order");
        assert_eq!(wire.connections.load(Ordering::SeqCst), connections, "{then:?}");
    }
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn done_when_9_a_message_that_may_have_arrived_is_not_sent_again_by_itself() {
    let bed = Bed::new().await;
    let wire = Wire::new(Then::TakesAndCloses).await;
    let a = bed.agent("Wired", None, &wire.url).await;
    assert_eq!(bed.say(a.id, "one").send().await.unwrap().status(), StatusCode::OK);
    let answer = bed.say(a.id, "two").send().await.unwrap();
    assert_ne!(answer.status(), StatusCode::OK);
    assert_eq!(wire.got(), ["m-one", "m-two"], "it is the sender's, or the queue's, to try again");
    bed.stop().await;
}
