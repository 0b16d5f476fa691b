//! What a stranger's bytes reach first, each with what must hold for every input (S6 of the targets): no panic, no
//! hang, and the promise that the rest of the program relies on.
//!
//! `make fuzz` drives these with libFuzzer; `tests/fuzz.rs` drives the same functions with the seeds and a fixed
//! number of mutations on every run of the suite.

use std::net::IpAddr;

use molecule_a2a::{
    Answer, Collector, Dialect, Method, card,
    jsonrpc::{Request, Response},
    normalise, reply, sse, translate, wire,
};
use serde_json::Value;

use crate::{
    Url,
    address::{AddressRules, Destination, Host},
};

/// What a target does with one input: it panics where a rule is broken.
pub type Target = fn(&[u8]);

/// Every target by the name of its seeds.
pub const TARGETS: [(&str, Target); 5] =
    [("normaliser", normaliser), ("card", cards), ("jsonrpc", jsonrpc), ("sse", events), ("url", urls)];

/// A body becomes what agents understand, once and for all, or is refused with a reason (10 §9.3).
pub fn normaliser(data: &[u8]) {
    let mut made = 0;
    let mut ids = || {
        made += 1;
        format!("id-{made}")
    };
    match normalise(data, &mut ids) {
        Ok(message) => {
            let value: Value = serde_json::from_slice(&message.bytes).expect("what goes on is JSON");
            let object = value.as_object().expect("… and an object");
            assert!(object.contains_key("jsonrpc"), "… in an envelope");
            if let Some(inner) = value.pointer("/params/message").and_then(Value::as_object) {
                assert!(inner.contains_key("messageId") && inner.contains_key("parts"), "… whose message can be read");
            }
            let again = normalise(&message.bytes, &mut || unreachable!("an id is missing still"));
            assert_eq!(again.expect("it passes again").bytes, message.bytes, "a second time changes nothing");
            assert!(message.preview(20).chars().count() <= 23);
            let _ = (message.text(), message.dialect(), format!("{message:?}"));
        }
        Err(refused) => assert!(refused.body()["error"].as_str().is_some_and(|text| !text.is_empty())),
    }
}

/// A card says which versions it speaks, whatever it is.
pub fn cards(data: &[u8]) {
    let Ok(card) = serde_json::from_slice::<Value>(data) else { return };
    let versions = card::declared_versions(&card);
    for caller in [Dialect::V03, Dialect::V1] {
        let other = versions.translation_for(caller);
        assert!(other.is_none_or(|other| other != caller && versions.contains(other) && !versions.contains(caller)));
    }
}

/// Requests and answers are read, translated there and back, and stay JSON.
pub fn jsonrpc(data: &[u8]) {
    let _ = serde_json::from_slice::<Request>(data);
    let _ = serde_json::from_slice::<Response>(data);
    let _ = (reply::error_text(data), reply::delegation_text(data), reply::mcp_text(data));
    if let Some(answer) = Answer::parse(data) {
        let _ = (answer.result(), answer.error(), answer.usage(), answer.tool_trace());
    }
    for to in [Dialect::V03, Dialect::V1] {
        if let Some(translated) = translate::request(data, to) {
            serde_json::from_slice::<Value>(&translated.bytes).expect("a translated request is JSON");
        }
        for method in [Method::Send, Method::Stream, Method::GetTask] {
            if let Some(answer) = translate::answer(data, method, to) {
                serde_json::from_slice::<Value>(&answer).expect("a translated answer is JSON");
            }
        }
    }
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        let _ = (reply::text_of(&value), reply::request_text(&value), reply::message_text(&value));
        let _ = serde_json::from_value::<wire::Event>(value);
    }
}

/// A stream reads the same however it is cut into pieces, and folds into one answer.
pub fn events(data: &[u8]) {
    const LIMIT: usize = 64 * 1024;
    let read = |piece: usize| {
        let mut decoder = sse::Decoder::new(LIMIT);
        let (mut found, mut broken) = (Vec::new(), false);
        for chunk in data.chunks(piece.max(1)) {
            decoder.feed(chunk);
            loop {
                match decoder.next_event() {
                    Ok(Some(event)) => found.push(event),
                    Ok(None) => break,
                    Err(_) => {
                        broken = true;
                        break;
                    }
                }
            }
            if broken {
                break;
            }
        }
        if !broken {
            found.extend(decoder.finish());
        }
        (found, broken)
    };
    let whole = read(data.len());
    if data.len() < LIMIT {
        for piece in [1, 2, 7] {
            assert_eq!(read(piece), whole, "in pieces of {piece}");
        }
    }
    let mut collector = Collector::new(LIMIT);
    for event in &whole.0 {
        collector.push(&event.data);
        for to in [Dialect::V03, Dialect::V1] {
            if let Some(translated) = translate::event(&event.data, to) {
                serde_json::from_str::<Value>(&translated).expect("a translated event is JSON");
            }
        }
    }
    if let Some(collected) = collector.finish() {
        let _ = (collected.failed(), collected.text());
    }
}

/// What the guard lets pass leads where it says, for every reader of URLs, and never to a forbidden place (10 §8, S3).
pub fn urls(data: &[u8]) {
    const OWN: u16 = 8080;
    let Ok(text) = std::str::from_utf8(data) else { return };
    for allow_lan in [false, true] {
        let Ok(passed) = rules(OWN, allow_lan).check_text(text) else { continue };
        assert_eq!(Destination::of(text).as_ref(), Ok(&passed));
        assert!(!matches!(passed.port, 0 | 2375 | 2376), "{text}");
        // The other reader of URLs, the one that browsers follow, must see the same place: a guard that reads another
        // host than the one that dials is no guard.
        let other =
            Url::parse(text).unwrap_or_else(|error| panic!("{text:?} passed, and is no URL elsewhere: {error}"));
        assert!(other.username().is_empty() && other.password().is_none(), "{text}");
        assert_eq!(other.port_or_known_default(), Some(passed.port), "{text}");
        let named = other.host_str().unwrap_or_default().trim_matches(['[', ']']);
        match &passed.host {
            Host::Local => {
                assert_eq!(named, "localhost", "{text}");
                assert_ne!(passed.port, OWN, "{text}");
            }
            Host::Address(ip) => {
                assert_eq!(named.parse::<IpAddr>().ok(), Some(*ip), "{text}");
                assert!(!is_forbidden(*ip, allow_lan), "{text}");
                assert!(!ip.is_loopback() || passed.port != OWN, "{text}");
            }
            Host::Name(name) => {
                assert!(named.parse::<IpAddr>().is_err(), "{text} is an address to others");
                assert_eq!(named, name.to_ascii_lowercase(), "{text}");
            }
        }
    }
}

fn rules(own_port: u16, allow_lan: bool) -> AddressRules {
    AddressRules { own_port, allow_lan, bridges: Vec::new(), names: std::sync::Arc::new(crate::address::SystemNames) }
}

/// The rows of 10 §8 that are blocked in every column, and the local network; written anew.
fn is_forbidden(ip: IpAddr, allow_lan: bool) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let carrier = a == 100 && (64..128).contains(&b);
            ip.is_link_local()
                || ip.is_documentation()
                || ip.is_multicast()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || carrier
                || (!allow_lan && ip.is_private())
        }
        IpAddr::V6(ip) => {
            let inner = ip.to_ipv4_mapped().map(IpAddr::V4);
            let first = ip.segments()[0];
            inner.is_some_and(|ip| is_forbidden(ip, allow_lan))
                || ip.is_unspecified()
                || ip.is_multicast()
                || first & 0xffc0 == 0xfe80
                || first & 0xff00 == 0xfc00
                || (!allow_lan && first & 0xff00 == 0xfd00)
                || ip.segments()[..2] == [0x2001, 0xdb8]
        }
    }
}
