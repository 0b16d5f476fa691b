//! A sealed file that was changed: it is noticed, and no wrong value comes out of it.

use super::{Desk, get, lost, put, secret};
use crate::{
    LostReason, Vault, VaultError, VaultState,
    sealed::{
        format::{self, Held, Opened, Value},
        key::MasterKey,
    },
};

fn value(name: &str, version: u64, text: &str) -> Value {
    Value { name: name.into(), version, value: secret(text) }
}

fn small() -> (MasterKey, Vec<Value>, Vec<u8>) {
    let key = MasterKey::random().unwrap();
    let values = vec![value("machine/a", 1, "first"), value("person/global/B", 2, "second")];
    let bytes = render(&key, &values);
    (key, values, bytes)
}

fn render(key: &MasterKey, values: &[Value]) -> Vec<u8> {
    let cipher = key.cipher().unwrap();
    let lines: Vec<String> = values.iter().map(|value| format::line(&cipher, value).unwrap()).collect();
    format::file(key, &Held::File, lines.iter().map(String::as_str)).unwrap()
}

fn open(key: &MasterKey, bytes: &[u8]) -> Result<Opened, VaultError> {
    format::parse(bytes)?.open(key)
}

fn only_true_values(opened: &Opened, values: &[Value]) -> bool {
    opened.values.iter().all(|found| values.contains(found))
}

#[test]
fn a_whole_file_opens() {
    let (key, values, bytes) = small();
    let opened = open(&key, &bytes).unwrap();
    assert!(opened.whole);
    assert_eq!(opened.values, values);
    assert!(format::parse(&bytes).unwrap().fits(&key).unwrap());
}

#[test]
fn every_flipped_bit_is_noticed() {
    let (key, values, bytes) = small();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            match open(&key, &changed) {
                Err(error) => assert_eq!(error, VaultError::TooNew, "byte {at} bit {bit}"),
                Ok(opened) => {
                    assert!(!opened.whole, "byte {at} bit {bit}");
                    assert!(only_true_values(&opened, &values), "byte {at} bit {bit}");
                    // One line at most is out of reach, or the two that a lost line end joins.
                    let within_reach = values.len() - if bytes[at] == b'\n' { 2 } else { 1 };
                    assert!(opened.values.len() >= within_reach, "byte {at} bit {bit}");
                    assert!(format::parse(&changed).unwrap().fits(&key).unwrap());
                }
            }
        }
    }
}

#[test]
fn every_truncation_is_noticed() {
    let (key, values, bytes) = small();
    for length in 0..bytes.len() {
        let opened = open(&key, &bytes[..length]).unwrap();
        assert!(!opened.whole, "{length}");
        assert!(only_true_values(&opened, &values), "{length}");
    }
    let opened = open(&key, &[bytes.as_slice(), b"\n"].concat()).unwrap();
    assert!(!opened.whole);
}

#[test]
fn lines_cannot_be_taken_out_doubled_moved_or_renamed() {
    let (key, values, bytes) = small();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for order in [&[0, 1, 3][..], &[0, 2, 1, 3], &[0, 1, 1, 2, 3], &[0, 1, 2], &[1, 2, 3], &[0, 3], &[]] {
        let changed: Vec<u8> = order.iter().flat_map(|at| lines[*at]).copied().collect();
        let opened = open(&key, &changed).unwrap();
        assert!(!opened.whole, "{order:?}");
        assert!(only_true_values(&opened, &values), "{order:?}");
    }
    for (from, to) in [("machine/a", "machine/b"), ("\"version\":1", "\"version\":3")] {
        let changed = String::from_utf8(bytes.clone()).unwrap().replace(from, to);
        let opened = open(&key, changed.as_bytes()).unwrap();
        assert!(!opened.whole && opened.values == values[1..], "{from}");
    }
}

#[test]
fn another_key_opens_nothing() {
    let (_, _, bytes) = small();
    let other = MasterKey::random().unwrap();
    let opened = open(&other, &bytes).unwrap();
    assert!(!opened.whole && opened.values.is_empty());
    assert!(!format::parse(&bytes).unwrap().fits(&other).unwrap());
}

#[test]
fn sealing_twice_gives_different_bytes() {
    let (key, values, bytes) = small();
    assert_ne!(render(&key, &values), bytes);
}

#[tokio::test]
async fn a_damaged_file_is_said_its_good_lines_are_kept_and_a_copy_too() {
    let desk = Desk::new();
    let vault = desk.open_off().await;
    let markers = [put(&vault, "A", "sk-1").await, put(&vault, "B", "sk-2").await];
    vault.machine_put("inbound/1", secret("in"));
    drop(vault);
    let file = std::fs::read_to_string(desk.path("secrets.sealed")).unwrap();
    let damaged = file.replace("person/global/A", "person/global/X");
    std::fs::write(desk.path("secrets.sealed"), &damaged).unwrap();

    let vault = desk.open_off().await;
    assert_eq!(vault.status().state, VaultState::Replaced);
    assert!(vault.status().reason.unwrap().contains("damaged"));
    assert_eq!(get(&vault, "A", &markers[0]).await, lost(LostReason::Missing));
    assert_eq!(get(&vault, "X", &markers[0]).await, lost(LostReason::Missing));
    assert_eq!(get(&vault, "B", &markers[1]).await.unwrap(), "sk-2");
    assert_eq!(vault.machine_get("inbound/1"), Some(secret("in")));
    assert_eq!(std::fs::read_to_string(desk.path("secrets.sealed.damaged-1")).unwrap(), damaged);
    drop(vault);
    assert_eq!(desk.open_off().await.status().state, VaultState::Ready);
}

#[tokio::test]
async fn no_damage_keeps_the_vault_from_opening_or_gives_a_wrong_value() {
    let desk = Desk::new();
    let vault = desk.open().await;
    vault.machine_put("a", secret("first"));
    vault.machine_put("b", secret("second"));
    drop(vault);
    let whole = std::fs::read(desk.path("secrets.sealed")).unwrap();
    for at in (0..whole.len()).step_by(13) {
        let mut changed = whole.clone();
        changed[at] ^= 2;
        let cut = whole[..at].to_vec();
        for bytes in [changed, cut] {
            std::fs::write(desk.path("secrets.sealed"), &bytes).unwrap();
            let vault = match Vault::open(desk.options()).await {
                Ok(vault) => vault,
                Err(error) => {
                    assert_eq!(error, VaultError::TooNew, "byte {at}");
                    continue;
                }
            };
            assert_ne!(vault.status().state, VaultState::Ready, "byte {at}");
            for (name, text) in [("a", "first"), ("b", "second")] {
                assert!(vault.machine_get(name).is_none_or(|found| found == secret(text)), "byte {at}");
            }
        }
    }
}

#[tokio::test]
async fn nonsense_for_a_file_is_put_aside() {
    let desk = Desk::new();
    std::fs::write(desk.path("secrets.sealed"), [0xff, 0x00, b'\n', b'{']).unwrap();
    std::fs::write(desk.path("sealed.key"), "not a key").unwrap();
    let vault = desk.open_off().await;
    assert_eq!(vault.status().state, VaultState::Replaced);
    let marker = put(&vault, "KEY", "sk-1").await;
    drop(vault);
    let vault = desk.open_off().await;
    assert_eq!(vault.status().state, VaultState::Ready);
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
}
