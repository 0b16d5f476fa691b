use serde_json::{Value, json};

use super::{NormaliseError, Normalised, normalise};
use crate::version::Dialect;

/// Ids `id-1`, `id-2`, … in the order in which they are asked for.
fn ids() -> impl FnMut() -> String {
    let mut made = 0;
    move || {
        made += 1;
        format!("id-{made}")
    }
}

fn text(body: &str) -> Result<Normalised, NormaliseError> {
    normalise(body.as_bytes(), &mut ids())
}

fn ok(body: &Value) -> Normalised {
    text(&body.to_string()).unwrap()
}

fn sent(normalised: &Normalised) -> Value {
    serde_json::from_slice(&normalised.bytes).unwrap()
}

fn refused(message: Value) -> NormaliseError {
    text(&json!({"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": message}}).to_string())
        .unwrap_err()
}

#[test]
fn s126_a_bare_message_gets_an_envelope_and_an_id() {
    let bare = json!({
        "id": "the client's own is dropped", "method": "message/send", "extra": 1,
        "params": {
            "message": {"role": "user", "parts": [{"kind": "text", "text": "Summarise section 2"}]},
            "expires_in_seconds": 900,
        },
    });
    let normalised = ok(&bare);
    insta::assert_snapshot!(String::from_utf8_lossy(&normalised.bytes), @r#"{"jsonrpc":"2.0","id":"id-1","method":"message/send","params":{"message":{"role":"user","parts":[{"kind":"text","text":"Summarise section 2"}],"messageId":"id-2"},"expires_in_seconds":900}}"#);
    assert_eq!(normalised.method, "message/send");
    assert_eq!(normalised.message_id.as_deref(), Some("id-2"));
    assert_eq!(normalised.expires_in_seconds, Some(900));
    assert_eq!(normalised.request_id, "id-1");
    assert!(!normalised.streaming);
}

#[test]
fn what_is_right_already_is_handed_on_byte_for_byte() {
    let body = r#" {"jsonrpc":"2.0", "id":12345678901234567890123, "method":"message/send",
        "params":{"message":{"role":"user","messageId":"m","parts":[{"text":"ä\u00e4","n":1.50}]},"x":1e2}} "#;
    let normalised = text(body).unwrap();
    assert_eq!(normalised.bytes, body.as_bytes());
    assert_eq!(normalised.message_id.as_deref(), Some("m"));
}

#[test]
fn numbers_and_strangers_survive_an_edit() {
    let body = r#"{"jsonrpc":"2.0","id":12345678901234567890123,"method":"message/send","params":{"message":{"role":"user","content":"\u00e4","n":1.50},"x":1e2}}"#;
    insta::assert_snapshot!(String::from_utf8_lossy(&text(body).unwrap().bytes), @r#"{"jsonrpc":"2.0","id":12345678901234567890123,"method":"message/send","params":{"message":{"role":"user","parts":[{"kind":"text","text":"\u00e4"}],"n":1.50,"messageId":"id-1"},"x":1e2}}"#);
}

#[test]
fn s127_content_becomes_parts_and_goes() {
    let message = |message: Value| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "message/stream", "params": {"message": message}});
        sent(&ok(&body))["params"]["message"].take()
    };
    let string = message(json!({"role": "user", "messageId": "m", "content": "hi"}));
    assert_eq!(string, json!({"role": "user", "messageId": "m", "parts": [{"kind": "text", "text": "hi"}]}));
    let list = message(json!({"role": "user", "messageId": "m", "content": [{"type": "text", "text": "hi"}, 7]}));
    assert_eq!(list, json!({"role": "user", "messageId": "m", "parts": [{"type": "text", "text": "hi"}, 7]}));
    let both = json!({"role": "user", "messageId": "m", "content": 7, "parts": null});
    assert_eq!(message(both.clone()), both, "where there are parts, content is not looked at");
    assert_eq!(message(json!({"role": "user", "messageId": "m", "content": ""}))["parts"][0]["text"], "");
}

#[test]
fn r68_a_missing_role_is_the_callers() {
    let role = |method: &str, message: Value| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"message": message}});
        sent(&ok(&body))["params"]["message"]["role"].take()
    };
    for (method, expected) in [
        ("message/send", "user"),
        ("message/stream", "user"),
        ("made/up", "user"),
        ("", "user"),
        ("SendMessage", "ROLE_USER"),
        ("SendStreamingMessage", "ROLE_USER"),
    ] {
        assert_eq!(role(method, json!({"parts": []})), expected, "{method}");
    }
    assert_eq!(role("message/send", json!({"role": "agent", "parts": []})), "agent");
    assert_eq!(role("message/send", json!({"role": null, "parts": []})), Value::Null, "said, if oddly");
}

#[test]
fn v1_text_gets_no_discriminator_that_v1_readers_refuse() {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": {"messageId": "m", "content": "hi"}}});
    assert_eq!(
        sent(&ok(&body))["params"]["message"],
        json!({"messageId": "m", "parts": [{"text": "hi"}], "role": "ROLE_USER"})
    );
}

#[test]
fn s148_the_key_of_a_message_is_its_id_where_it_has_one() {
    let id = |id: Value| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": {"role": "user", "messageId": id, "parts": []}}});
        let normalised = ok(&body);
        assert_eq!(sent(&normalised), body, "an id is kept, even an odd one");
        normalised.message_id
    };
    assert_eq!(id(json!("m")).as_deref(), Some("m"));
    for none in [json!(""), json!(null), json!(7)] {
        assert_eq!(id(none), None);
    }
}

#[test]
fn s126_methods_without_a_message_pass_unchecked() {
    for params in [
        json!(null),
        json!([1]),
        json!("x"),
        json!({}),
        json!({"message": "x"}),
        json!({"message": null}),
        json!({"id": "t"}),
    ] {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tasks/list", "params": params});
        let normalised = ok(&body);
        assert_eq!(sent(&normalised), body);
        assert_eq!((normalised.message_id, normalised.expires_in_seconds), (None, None));
    }
    let none = json!({"jsonrpc": "2.0", "id": 1, "method": "tasks/list"});
    assert_eq!(sent(&ok(&none)), none);
}

#[test]
fn null_is_an_empty_request() {
    let wrapped = r#"{"jsonrpc":"2.0","id":"id-1","method":null,"params":null}"#;
    for body in ["null", "{}", " null ", r#"{"id":7}"#] {
        let normalised = text(body).unwrap();
        assert_eq!(normalised.bytes, wrapped, "{body}");
        assert_eq!(normalised.method, "");
    }
}

#[test]
fn s128_what_is_no_json_is_refused() {
    let bodies: [&[u8]; 14] = [
        b"",
        b"  \n",
        b"[]",
        b"[{}]",
        b"1",
        b"\"x\"",
        b"true",
        b"{",
        b"{\"a\":",
        b"{}{}",
        b"{'a':1}",
        b"{\"a\":1e999}",
        b"\xef\xbb\xbf{}",
        b"{\"a\":\"\xff\"}",
    ];
    for body in bodies {
        let error = normalise(body, &mut ids()).unwrap_err();
        assert_eq!(error, NormaliseError::InvalidJson, "{}", String::from_utf8_lossy(body));
        assert_eq!(error.body(), json!({"error": "invalid JSON"}));
    }
}

#[test]
fn s128_a_message_that_says_nothing_is_refused_and_the_field_named() {
    let missing = refused(json!({"role": "user"}));
    insta::assert_snapshot!(missing.body(), @r#"{"error":"params.message.parts is missing: send a list of parts, or the v0.2 field params.message.content as a string or a list","code":-32602}"#);
    assert_eq!(refused(json!({})), missing);
    for (content, kind) in [
        (json!(7), "a number"),
        (json!(-1.5), "a number"),
        (json!(true), "a boolean"),
        (json!(false), "a boolean"),
        (json!({}), "an object"),
        (json!(null), "null"),
    ] {
        let error = refused(json!({"content": content}));
        assert_eq!(error, NormaliseError::ContentUnsupported(kind));
        let said = error.to_string();
        assert!(said.contains("params.message.parts") && said.ends_with(kind), "{said}");
        assert_ne!(said, missing.to_string());
        assert_eq!(error.code(), Some(-32602));
    }
}

#[test]
fn nesting_that_would_cost_a_stack_is_refused() {
    let nested = |levels: usize| {
        format!(r#"{{"jsonrpc":"2.0","method":"x","params":{}{}}}"#, "[".repeat(levels), "]".repeat(levels))
    };
    assert!(text(&nested(super::MAX_DEPTH - 1)).is_ok());
    let error = text(&nested(super::MAX_DEPTH)).unwrap_err();
    assert_eq!(error.body(), json!({"error": "invalid JSON: nested deeper than 100 levels"}));
    assert_eq!(text(&nested(300_000)).unwrap_err(), NormaliseError::TooDeep);
}

#[test]
fn the_last_of_a_repeated_member_counts_and_is_the_only_one_that_goes_on() {
    let body = r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a","method":"b","params":{"message":{}},
        "params":{"message":7,"message":{"role":"user","parts":1,"messageId":"x","messageId":"y","parts":[],"k":1,"k":2}}}"#;
    let normalised = text(body).unwrap();
    insta::assert_snapshot!(String::from_utf8_lossy(&normalised.bytes), @r#"{"jsonrpc":"2.0","id":2,"method":"b","params":{"message":{"role":"user","parts":[],"messageId":"y","k":1,"k":2}}}"#);
    assert_eq!((normalised.method.as_str(), normalised.message_id.as_deref()), ("b", Some("y")));
    assert_eq!(normalised.request_id, 2);
}

#[test]
fn members_are_known_by_what_they_spell_not_how() {
    let body = r#"{"json\u0072pc":"2.0","method":"message\/send","params":{"m\u0065ssage":{"role":"user","parts":[],"messageId":"m"}}}"#;
    let normalised = text(body).unwrap();
    assert_eq!(normalised.bytes, body.as_bytes());
    assert_eq!((normalised.method.as_str(), normalised.message_id.as_deref()), ("message/send", Some("m")));
}

#[test]
fn half_a_smiley_does_not_lose_the_message() {
    let body = r#"{"jsonrpc":"2.0","method":"message/send","params":{"message":{"role":"user","messageId":"m","parts":[{"kind":"text","text":"so\ud83d"}]}}}"#;
    let normalised = text(body).unwrap();
    assert_eq!(normalised.text().as_deref(), Some("so\u{fffd}"));
    assert_eq!(normalised.bytes, body.replace("\\ud83d", "\\ufffd"));
    assert_eq!(text(r#"{"a":"\ud83d""#).unwrap_err(), NormaliseError::InvalidJson);
}

#[test]
fn a_very_long_message_of_many_members_is_read_in_one_go() {
    // Known members are looked for, others are not compared with each other.
    let many: String = (0..100_000).map(|n| format!("\"{n}\":1,")).collect();
    let body = format!(r#"{{{many}"jsonrpc":"2.0","method":"x","params":{{{many}"message":{{{many}"parts":[]}}}}}}"#);
    assert!(text(&body).is_ok());
}

#[test]
fn expiry_is_a_number_of_whole_seconds() {
    let seconds = |value: Value| {
        ok(&json!({"jsonrpc": "2.0", "method": "x", "params": {"expires_in_seconds": value}})).expires_in_seconds
    };
    assert_eq!(seconds(json!(1)), Some(1));
    assert_eq!(seconds(json!(90.9)), Some(90));
    assert_eq!(seconds(json!(1e300)), Some(u64::MAX));
    for none in [json!(0), json!(-5), json!(0.5), json!("60"), json!(null), json!(true)] {
        assert_eq!(seconds(none), None);
    }
}

#[test]
fn what_the_pipeline_needs_is_read_on_the_way() {
    let of = |method: &str| {
        ok(&json!({"jsonrpc": "2.0", "method": method, "params": {"metadata": {"parent_task_id": "p"}}}))
    };
    for (method, streaming, dialect) in [
        ("message/send", false, Some(Dialect::V03)),
        ("message/stream", true, Some(Dialect::V03)),
        ("tasks/resubscribe", true, Some(Dialect::V03)),
        ("SendMessage", false, Some(Dialect::V1)),
        ("SendStreamingMessage", true, Some(Dialect::V1)),
        ("SubscribeToTask", true, Some(Dialect::V1)),
        ("tasks/list", false, Some(Dialect::V03)),
        ("Message/Stream", false, None),
    ] {
        let normalised = of(method);
        assert_eq!((normalised.streaming, normalised.dialect()), (streaming, dialect), "{method}");
        assert_eq!(normalised.parent_task_id.as_deref(), Some("p"));
        assert_eq!(normalised.request_id, Value::Null);
    }
    for none in [
        json!({}),
        json!({"metadata": []}),
        json!({"metadata": {"parent_task_id": ""}}),
        json!({"metadata": {"parent_task_id": 7}}),
    ] {
        assert_eq!(ok(&json!({"jsonrpc": "2.0", "method": "x", "params": none})).parent_task_id, None);
    }
    for (method, name) in [(json!(7), ""), (json!(null), ""), (json!(["x"]), ""), (json!("ä"), "ä")] {
        assert_eq!(ok(&json!({"jsonrpc": "2.0", "method": method})).method, name);
    }
}

#[test]
fn o27_previews_are_cut_on_characters() {
    let normalised = ok(
        &json!({"jsonrpc": "2.0", "method": "x", "params": {"message": {"parts": [{"kind": "text", "text": "äöü"}, {"text": "!"}]}}}),
    );
    assert_eq!(normalised.text().as_deref(), Some("äöü\n!"));
    assert_eq!(normalised.preview(2), "äö...");
    assert_eq!(normalised.preview(5), "äöü\n!");
    assert_eq!(ok(&json!({})).preview(5), "");
}

#[test]
fn nobody_reads_a_body_in_a_log() {
    let shown = format!("{:?}", ok(&json!({"method": "x", "params": {"message": {"parts": [{"text": "private"}]}}})));
    assert!(shown.contains("method") && !shown.contains("private"), "{shown}");
}
