//! What holds for every input, tried on many.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking, and says so")]

use molecule_a2a::{
    Answer, Collector, Dialect, Method, NormaliseError, card::declared_versions, normalise, reply, sse, translate,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

fn fresh() -> impl FnMut() -> String {
    let mut made = 0;
    move || {
        made += 1;
        format!("id-{made}")
    }
}

/// Any JSON, a few levels deep.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("JSON has no such number", |n| serde_json::Number::from_f64(n).map(Value::from)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((name(), inner), 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A member's name, often one that means something.
fn name() -> impl Strategy<Value = String> {
    let known = [
        "jsonrpc",
        "id",
        "method",
        "params",
        "message",
        "messageId",
        "role",
        "parts",
        "content",
        "kind",
        "type",
        "text",
        "metadata",
        "result",
        "error",
        "task",
        "status",
        "state",
        "artifacts",
        "artifact",
        "usage",
        "final",
        "append",
        "file",
        "data",
        "url",
        "raw",
        "statusUpdate",
        "artifactUpdate",
        "history",
        "configuration",
        "supportedInterfaces",
        "protocolVersion",
    ];
    prop_oneof![4 => select(known.to_vec()).prop_map(str::to_owned), 1 => ".{0,6}"]
}

/// Something like a request, with each member there or not, right or wrong.
fn request() -> impl Strategy<Value = Value> {
    let method = prop_oneof![
        4 => select(Method::ALL.to_vec()).prop_flat_map(|method| select(vec![method.name(Dialect::V03), method.name(Dialect::V1)])).prop_map(Value::from),
        1 => anything(),
    ];
    let message = prop_oneof![
        6 => members([("messageId", anything()), ("role", anything()), ("parts", anything()), ("content", anything()), ("x", anything())]),
        1 => anything(),
    ];
    let params = prop_oneof![
        6 => (option::weighted(0.9, message), option::of(anything()), option::of(anything())).prop_map(|(message, metadata, expires)| {
            object([("message", message), ("metadata", metadata), ("expires_in_seconds", expires)])
        }),
        1 => anything(),
    ];
    (
        option::of(Just(json!("2.0"))),
        option::of(anything()),
        option::weighted(0.9, method),
        option::weighted(0.9, params),
    )
        .prop_map(|(jsonrpc, id, method, params)| {
            object([("jsonrpc", jsonrpc), ("id", id), ("method", method), ("params", params)])
        })
}

fn members<S: Strategy<Value = Value> + 'static, const N: usize>(
    all: [(&'static str, S); N],
) -> impl Strategy<Value = Value> {
    let each: Vec<_> =
        all.into_iter().map(|(name, value)| option::of(value).prop_map(move |value| (name, value))).collect();
    each.prop_map(object)
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, Option<Value>)>) -> Value {
    let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

proptest! {
    #[test]
    fn normalising_twice_changes_nothing(body in request()) {
        if let Ok(first) = normalise(body.to_string().as_bytes(), &mut fresh()) {
            let second = normalise(&first.bytes, &mut || panic!("an id is missing still")).unwrap();
            prop_assert_eq!(&second.bytes, &first.bytes);
            prop_assert_eq!(second.message_id, first.message_id);
            prop_assert_eq!(second.method, first.method);
            prop_assert_eq!(second.request_id, first.request_id);
        }
    }

    #[test]
    fn what_is_forwarded_is_what_was_said(body in request()) {
        let message = |envelope: &Value| envelope["params"]["message"].clone();
        match normalise(body.to_string().as_bytes(), &mut fresh()) {
            Ok(normalised) => {
                let sent: Value = serde_json::from_slice(&normalised.bytes).unwrap();
                prop_assert_eq!(&sent["method"], &body["method"]);
                let (before, after) = (message(&body), message(&sent));
                if let Some(before) = before.as_object() {
                    for (name, value) in before.iter().filter(|(name, _)| *name != "content") {
                        prop_assert_eq!(&after[name], value);
                    }
                    for name in ["messageId", "role", "parts"] {
                        prop_assert!(after.get(name).is_some(), "{} is missing", name);
                    }
                    match (before.get("parts"), &before.get("content")) {
                        (None, Some(Value::String(text))) => prop_assert_eq!(&after["parts"][0]["text"], text),
                        (None, Some(list)) => prop_assert_eq!(&after["parts"], *list),
                        (Some(_), _) | (None, None) => {}
                    }
                } else {
                    prop_assert_eq!(before, after);
                }
            }
            Err(error) => {
                let message = message(&body);
                prop_assert!(message.is_object() && message.get("parts").is_none());
                let expected = message.get("content").is_none();
                prop_assert_eq!(error == NormaliseError::PartsMissing, expected);
            }
        }
    }

    #[test]
    fn no_bytes_bring_it_down(body in vec(any::<u8>(), 0..200)) {
        _ = normalise(&body, &mut fresh());
        _ = reply::delegation_text(&body);
        _ = reply::mcp_text(&body);
        _ = Answer::parse(&body).map(|answer| (answer.usage(), answer.error()));
    }

    #[test]
    fn no_text_that_is_almost_json_brings_it_down(body in r#"([{}\[\]",:\\0-9a-fu]|"params":|"message":|\\u[dD][89a-f][0-9a-f]{2}|null){0,40}"#) {
        if let Ok(normalised) = normalise(body.as_bytes(), &mut fresh()) {
            let sent: Value = serde_json::from_slice(&normalised.bytes).unwrap();
            prop_assert!(sent.is_object());
        }
    }

    #[test]
    fn no_json_brings_the_readers_down(value in anything(), to in select(vec![Dialect::V03, Dialect::V1]), method in select(Method::ALL.to_vec())) {
        let answer = json!({"jsonrpc": "2.0", "id": 1, "result": value}).to_string();
        _ = reply::text_of(&value);
        _ = declared_versions(&value);
        _ = reply::mcp_text(answer.as_bytes());
        _ = translate::answer(answer.as_bytes(), method, to);
        _ = translate::event(&answer, to);
        _ = translate::request(json!({"method": method.name(to), "params": value}).to_string().as_bytes(), Dialect::V1);
        _ = serde_json::from_value::<molecule_a2a::wire::Event>(value);
        let mut collector = Collector::new(1000);
        collector.push(&answer);
        collector.push(&answer);
        _ = collector.finish();
    }
}

/// The events of a stream that is fed piece by piece, and whether it went over the limit.
fn decode(pieces: &[&[u8]], limit: usize) -> (Vec<sse::Event>, bool) {
    let mut decoder = sse::Decoder::new(limit);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(_) => return (events, true),
            }
        }
    }
    events.extend(decoder.finish());
    (events, false)
}

/// Bytes that look like a stream.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        select(vec![
            "data", "data: ", "data:", "event: x", "id: 1", "retry: 5", ": ping", "\n", "\r", "\r\n", "\n\n",
            "\u{feff}", "ä", "😀"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_stream_may_be_cut_anywhere(bytes in stream(), cuts in vec(any::<prop::sample::Index>(), 0..8), limit in 8_usize..64) {
        let whole = decode(&[&bytes], limit);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(decode(&pieces, limit), whole.clone());
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(decode(&single, limit), whole);
    }

    #[test]
    fn what_is_encoded_is_decoded(texts in vec("[a-z:\n ä]{0,20}", 0..6)) {
        let bytes: Vec<u8> = texts.iter().flat_map(|text| [sse::data(text), sse::comment("ping")]).flatten().collect();
        let (events, over) = decode(&[&bytes], 1024);
        prop_assert!(!over);
        prop_assert_eq!(events.into_iter().map(|event| event.data).collect::<Vec<_>>(), texts);
    }
}

/// Metadata whose names do not clash with what the translation itself keeps there.
fn metadata() -> impl Strategy<Value = Option<Value>> {
    option::of(vec(("m_[a-z]{1,4}", anything()), 1..3).prop_map(|members| Value::Object(members.into_iter().collect())))
}

fn text() -> impl Strategy<Value = Value> {
    ".{0,8}".prop_map(Value::from)
}

/// A v0.3 part.
fn part() -> impl Strategy<Value = Value> {
    let file = (any::<bool>(), text(), option::of(text()), option::of(text()), option::of(any::<u32>()));
    prop_oneof![
        (text(), metadata()).prop_map(|(text, metadata)| object([
            ("kind", Some("text".into())),
            ("text", Some(text)),
            ("metadata", metadata)
        ])),
        (vec(("d_[a-z]{1,4}", anything()), 0..3), metadata()).prop_map(|(data, metadata)| {
            object([
                ("kind", Some("data".into())),
                ("data", Some(Value::Object(data.into_iter().collect()))),
                ("metadata", metadata),
            ])
        }),
        (file, metadata()).prop_map(|((uri, place, name, mime, size), metadata)| {
            let file = object([
                (if uri { "uri" } else { "bytes" }, Some(place)),
                ("name", name),
                ("mimeType", mime),
                ("size", size.map(Value::from)),
            ]);
            object([("kind", Some("file".into())), ("file", Some(file)), ("metadata", metadata)])
        }),
    ]
}

fn message(role: &'static str) -> impl Strategy<Value = Value> {
    (vec(part(), 0..4), option::of(text()), option::of(text()), metadata()).prop_map(
        move |(parts, context, task, metadata)| {
            object([
                ("kind", Some("message".into())),
                ("role", Some(role.into())),
                ("messageId", Some("m".into())),
                ("parts", Some(parts.into())),
                ("contextId", context),
                ("taskId", task),
                ("metadata", metadata),
            ])
        },
    )
}

fn state() -> impl Strategy<Value = &'static str> {
    select(molecule_a2a::wire::TaskState::ALL.map(molecule_a2a::wire::TaskState::v03).to_vec())
}

fn status() -> impl Strategy<Value = Value> {
    (state(), option::of(message("agent")))
        .prop_map(|(state, message)| object([("state", Some(state.into())), ("message", message)]))
}

fn artifact() -> impl Strategy<Value = Value> {
    (vec(part(), 0..3), option::of(text())).prop_map(|(parts, name)| {
        object([("artifactId", Some("a".into())), ("parts", Some(parts.into())), ("name", name)])
    })
}

/// What a v0.3 stream may say.
fn event() -> impl Strategy<Value = Value> {
    let within = |kind: &'static str, name: &'static str, value: Value| {
        object([
            ("kind", Some(kind.into())),
            ("taskId", Some("t".into())),
            ("contextId", Some("c".into())),
            (name, Some(value)),
        ])
    };
    prop_oneof![
        message("agent"),
        (status(), option::of(vec(artifact(), 0..3)), option::of(vec(message("user"), 0..3)), metadata()).prop_map(
            |(status, artifacts, history, metadata)| {
                object([
                    ("kind", Some("task".into())),
                    ("id", Some("t".into())),
                    ("contextId", Some("c".into())),
                    ("status", Some(status)),
                    ("artifacts", artifacts.map(Value::from)),
                    ("history", history.map(Value::from)),
                    ("metadata", metadata),
                ])
            }
        ),
        status().prop_map(move |status| {
            let last = ["completed", "canceled", "failed", "rejected"].contains(&status["state"].as_str().unwrap());
            let mut update = within("status-update", "status", status);
            update["final"] = last.into();
            update
        }),
        (artifact(), any::<bool>()).prop_map(move |(artifact, append)| {
            let mut update = within("artifact-update", "artifact", artifact);
            update["append"] = append.into();
            update
        }),
    ]
}

proptest! {
    #[test]
    fn r18_a_request_comes_back_as_it_went(message in message("user"), blocking in option::of(any::<bool>()), stream in any::<bool>(), metadata in metadata()) {
        let configuration = blocking.map(|blocking| json!({"blocking": blocking, "historyLength": 1}));
        let method = if stream { "message/stream" } else { "message/send" };
        let mut body = json!({"jsonrpc": "2.0", "id": 1, "method": method,
            "params": object([("message", Some(message)), ("configuration", configuration), ("metadata", metadata)])});
        let there = translate::request(body.to_string().as_bytes(), Dialect::V1).unwrap();
        prop_assert!(!String::from_utf8_lossy(&there.bytes).contains("\"kind\":\"message\""));
        let back = translate::request(&there.bytes, Dialect::V03).unwrap();
        if !stream && blocking.is_none() {
            // What v1 does where nothing is said, v0.3 has to say.
            body["params"]["configuration"] = json!({"blocking": true});
        }
        prop_assert_eq!(serde_json::from_slice::<Value>(&back.bytes).unwrap(), body);
    }

    #[test]
    fn r18_an_event_comes_back_as_it_went(event in event()) {
        let data = json!({"jsonrpc": "2.0", "id": 1, "result": event}).to_string();
        let there = translate::event(&data, Dialect::V1).unwrap();
        let back = translate::event(&there, Dialect::V03).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&back).unwrap()["result"].take(), event.clone());
        prop_assert_eq!(translate::event(&there, Dialect::V1), None, "it is in v1 already");

        // The text that a person reads is the same on both sides.
        let text = |data: &str| reply::text_of(&serde_json::from_str::<Value>(data).unwrap()["result"]);
        if ["message", "task"].contains(&event["kind"].as_str().unwrap()) {
            prop_assert_eq!(text(&there), text(&data));
        }
    }

    #[test]
    fn r19_a_stream_is_collected_alike_in_both_dialects(events in vec(event(), 0..6)) {
        let (mut v03, mut v1) = (Collector::new(100_000), Collector::new(100_000));
        for event in &events {
            let data = json!({"jsonrpc": "2.0", "id": 1, "result": event}).to_string();
            v03.push(&data);
            v1.push(&translate::event(&data, Dialect::V1).unwrap());
        }
        prop_assert_eq!(v03.is_complete(), v1.is_complete());
        match (v03.finish(), v1.finish()) {
            (None, None) => {}
            (Some(v03), Some(v1)) => {
                prop_assert_eq!(v03.state, v1.state);
                prop_assert_eq!(v03.text(), v1.text());
            }
            (v03, v1) => prop_assert!(false, "{:?} {:?}", v03, v1),
        }
    }
}
