//! An agent that can be busy: then it takes a message and hangs up without a word (10 §9.7).

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

#[derive(Clone, Debug, PartialEq)]
pub enum Mood {
    /// Hangs up.
    Busy,
    /// Never answers.
    Hanging,
    /// Answers `did <text>`.
    Free,
    /// Answers with this status and body.
    Sour(u16, &'static str),
}

#[derive(Clone)]
pub struct Moody {
    pub url: String,
    mood: watch::Sender<Mood>,
    /// What it was sent, in order, in whichever mood.
    got: Arc<Mutex<Vec<(Mood, Value)>>>,
    arrived: watch::Sender<usize>,
}

impl Moody {
    pub async fn new(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (mood, arrived) = (watch::Sender::new(mood), watch::Sender::new(0));
        let this = Self { url, mood, got: Arc::default(), arrived };
        let serving = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let this = serving.clone();
                tokio::spawn(async move { this.serve(stream).await });
            }
        });
        this
    }

    pub fn is(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// What it was told, in order, while in this mood.
    pub fn heard(&self, mood: &Mood) -> Vec<String> {
        let text = |body: &Value| body["params"]["message"]["parts"][0]["text"].as_str().unwrap().to_owned();
        self.got.lock().unwrap().iter().filter(|(then, _)| then == mood).map(|(_, body)| text(body)).collect()
    }

    pub fn last(&self) -> Value {
        self.got.lock().unwrap().last().unwrap().1.clone()
    }

    /// Waits until so many messages came, in whichever mood.
    pub async fn until(&self, count: usize) {
        let mut arrived = self.arrived.subscribe();
        let came = tokio::time::timeout(crate::bed::PATIENCE, arrived.wait_for(|came| *came >= count)).await;
        assert!(came.is_ok(), "{} of {count} came", *self.arrived.borrow());
    }

    async fn serve(&self, mut stream: TcpStream) {
        let Some(body) = read(&mut stream).await else { return };
        let mood = self.mood.borrow().clone();
        self.got.lock().unwrap().push((mood.clone(), body.clone()));
        self.arrived.send_modify(|came| *came += 1);
        let (status, answer) = match mood {
            Mood::Busy => return,
            Mood::Hanging => return std::future::pending().await,
            Mood::Free => {
                let text = format!("did {}", body["params"]["message"]["parts"][0]["text"].as_str().unwrap());
                let result = json!({"kind": "message", "role": "agent", "messageId": "a1",
                    "parts": [{"kind": "text", "text": text}], "metadata": {"tool_trace": [{"tool": "look"}]}});
                (200, json!({"jsonrpc": "2.0", "id": body["id"], "result": result}).to_string())
            }
            Mood::Sour(status, answer) => (status, answer.to_owned()),
        };
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            answer.len()
        );
        let _ = stream.write_all(format!("{head}{answer}").as_bytes()).await;
    }
}

async fn read(stream: &mut TcpStream) -> Option<Value> {
    let mut seen = Vec::new();
    loop {
        let mut piece = [0; 8192];
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        seen.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&seen);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        if length.is_some_and(|length| body.len() >= length) {
            return serde_json::from_str(body).ok();
        }
    }
}
