//! One suite of behaviours, run against the keychain and against the sealed file.

use super::{Desk, lost, secret, workspace};
use crate::{LostReason, Marker, Scope, StoreKind, Vault, VaultOptions, VaultState};

/// One of the two stores with what is needed to open it again.
struct Subject {
    desk: Desk,
    options: VaultOptions,
    store: StoreKind,
}

impl Subject {
    fn keychain() -> Self {
        let desk = Desk::new();
        Self { options: desk.options(), desk, store: StoreKind::Keychain }
    }

    fn sealed() -> Self {
        let desk = Desk::new();
        Self { options: desk.off(), desk, store: StoreKind::Sealed }
    }

    async fn open(&self) -> Vault {
        Vault::open(self.options.clone()).await.unwrap()
    }
}

macro_rules! on_both {
    ($($behaviour:ident),+ $(,)?) => {
        mod keychain {
            $(#[tokio::test] async fn $behaviour() { super::$behaviour(super::Subject::keychain()).await; })+
        }
        mod sealed {
            $(#[tokio::test] async fn $behaviour() { super::$behaviour(super::Subject::sealed()).await; })+
        }
    };
}

on_both!(
    says_where_it_stores,
    a_value_comes_back,
    a_value_survives_a_restart,
    the_last_write_wins,
    scopes_and_names_are_apart,
    a_deleted_value_is_gone,
    another_value_in_its_place_is_noticed,
    a_value_that_was_never_there_is_lost,
    any_text_is_a_value,
    many_at_once,
    machine_values_are_in_memory_at_once,
    machine_values_survive_a_restart,
    nothing_lies_in_the_open,
);

async fn says_where_it_stores(subject: Subject) {
    let vault = subject.open().await;
    let status = vault.status();
    assert_eq!((status.store, status.state), (subject.store, VaultState::Ready));
    assert_eq!(status.reason.is_some(), subject.store == StoreKind::Sealed);
    let stored = super::put(&vault, "KEY", "value").await;
    assert_eq!((stored.store, stored.length), (subject.store, 5));
    assert_eq!(vault.where_is(&Scope::Global, "KEY"), subject.store);
}

async fn a_value_comes_back(subject: Subject) {
    let vault = subject.open().await;
    let marker = super::put(&vault, "KEY", "sk-1").await;
    assert_eq!(super::get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
}

async fn a_value_survives_a_restart(subject: Subject) {
    let vault = subject.open().await;
    let marker = super::put(&vault, "KEY", "sk-1").await;
    drop(vault);
    let vault = subject.open().await;
    assert_eq!(vault.status().state, VaultState::Ready);
    assert_eq!(super::get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
}

async fn the_last_write_wins(subject: Subject) {
    let vault = subject.open().await;
    let first = super::put(&vault, "KEY", "one").await;
    let second = super::put(&vault, "KEY", "two").await;
    assert_eq!(super::get(&vault, "KEY", &second).await.unwrap(), "two");
    assert_eq!(super::get(&vault, "KEY", &first).await, lost(LostReason::Changed));
}

async fn scopes_and_names_are_apart(subject: Subject) {
    let vault = subject.open().await;
    let (one, two) = (workspace(), workspace());
    let mut markers = Vec::new();
    for (scope, value) in [(Scope::Global, "g"), (one, "1"), (two, "2")] {
        markers.push((scope, value, vault.put(&scope, "KEY", &secret(value)).await.unwrap()));
    }
    for (scope, value, marker) in &markers {
        assert_eq!(vault.get(scope, "KEY", marker).await.unwrap().expose(), *value);
        assert!(vault.get(scope, "key", marker).await.is_err());
    }
    assert!(vault.get(&two, "KEY", &markers[1].2).await.is_err());
}

async fn a_deleted_value_is_gone(subject: Subject) {
    let vault = subject.open().await;
    let marker = super::put(&vault, "KEY", "sk-1").await;
    vault.delete(&Scope::Global, "KEY", marker.store).await.unwrap();
    vault.delete(&Scope::Global, "KEY", marker.store).await.unwrap();
    assert_eq!(super::get(&vault, "KEY", &marker).await, lost(LostReason::Missing));
    drop(vault);
    let vault = subject.open().await;
    assert_eq!(super::get(&vault, "KEY", &marker).await, lost(LostReason::Missing));
    let marker = super::put(&vault, "KEY", "sk-2").await;
    assert_eq!(super::get(&vault, "KEY", &marker).await.unwrap(), "sk-2");
}

async fn another_value_in_its_place_is_noticed(subject: Subject) {
    let vault = subject.open().await;
    let marker = super::put(&vault, "KEY", "sk-1").await;
    let other = super::put(&vault, "OTHER", "sk-2").await;
    let swapped = Marker { check: other.check.clone(), ..marker.clone() };
    assert_eq!(super::get(&vault, "KEY", &swapped).await, lost(LostReason::Changed));
    let longer = Marker { length: 5, ..marker.clone() };
    assert_eq!(super::get(&vault, "KEY", &longer).await, lost(LostReason::Changed));
    let nonsense = Marker { check: "nonsense".into(), ..marker };
    assert_eq!(super::get(&vault, "KEY", &nonsense).await, lost(LostReason::Changed));
}

async fn a_value_that_was_never_there_is_lost(subject: Subject) {
    let vault = subject.open().await;
    let marker = super::put(&vault, "KEY", "sk-1").await;
    assert_eq!(super::get(&vault, "NONE", &marker).await, lost(LostReason::Missing));
}

async fn any_text_is_a_value(subject: Subject) {
    let vault = subject.open().await;
    let long = "x".repeat(100_000);
    for value in ["", " ", "line\nline\r\n", "\"quoted\"\\", "ключ 🔑", "nul\0nul", long.as_str()] {
        for key in ["K", "a/b c", "ключ", "\"", "line\nline"] {
            let marker = super::put(&vault, key, value).await;
            assert_eq!(marker.length, value.len());
            assert_eq!(super::get(&vault, key, &marker).await.unwrap(), value);
        }
    }
}

async fn many_at_once(subject: Subject) {
    let vault = subject.open().await;
    let writes = (0..32).map(|n| {
        let vault = vault.clone();
        tokio::spawn(async move { (n, super::put(&vault, &format!("KEY{n}"), &n.to_string()).await) })
    });
    let mut markers = Vec::new();
    for write in writes.collect::<Vec<_>>() {
        markers.push(write.await.unwrap());
    }
    drop(vault);
    let vault = subject.open().await;
    for (n, marker) in markers {
        assert_eq!(super::get(&vault, &format!("KEY{n}"), &marker).await.unwrap(), n.to_string());
    }
}

async fn machine_values_are_in_memory_at_once(subject: Subject) {
    let vault = subject.open().await;
    assert_eq!(vault.machine_get("inbound/1"), None);
    vault.machine_put("inbound/1", secret("a"));
    assert_eq!(vault.machine_get("inbound/1"), Some(secret("a")));
    vault.machine_put("inbound/1", secret("b"));
    assert_eq!(vault.clone().machine_get("inbound/1"), Some(secret("b")));
    vault.machine_delete("inbound/1");
    assert_eq!(vault.machine_get("inbound/1"), None);
    let made = vault.machine_get_or_put("inbound/1", || secret("c"));
    assert_eq!(made, (secret("c"), true));
    let known = vault.machine_get_or_put("inbound/1", || unreachable!());
    assert_eq!(known, (secret("c"), false));
    vault.machine_delete("inbound/1");
    // A person's names and the machine's do not meet.
    super::put(&vault, "inbound/1", "person").await;
    assert_eq!(vault.machine_get("inbound/1"), None);
    assert_eq!(vault.machine_get("person/global/inbound/1"), None);
}

async fn machine_values_survive_a_restart(subject: Subject) {
    let vault = subject.open().await;
    for n in 0..50 {
        vault.machine_put(&format!("token/{n}"), secret(&n.to_string()));
    }
    vault.machine_delete("token/7");
    vault.flush().await.unwrap();
    // As after a crash: another process sees what the flush left on disk.
    let copy = Desk::new();
    for file in subject.desk.files() {
        std::fs::copy(subject.desk.path(&file), copy.path(&file)).unwrap();
    }
    let mut options = subject.options.clone();
    options.data_dir = copy.dir.path().into();
    let crashed = Vault::open(options).await.unwrap();
    drop(vault);
    let stopped = subject.open().await;
    for vault in [crashed, stopped] {
        for n in 0..50 {
            let expected = (n != 7).then(|| secret(&n.to_string()));
            assert_eq!(vault.machine_get(&format!("token/{n}")), expected);
        }
    }
}

async fn nothing_lies_in_the_open(subject: Subject) {
    let vault = subject.open().await;
    let value = "a-value-that-must-not-show";
    super::put(&vault, "KEY", value).await;
    vault.machine_put("inbound/1", secret(value));
    vault.flush().await.unwrap();
    assert!(!format!("{vault:?}").contains(value));
    for file in subject.desk.files() {
        let bytes = std::fs::read(subject.desk.path(&file)).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(value), "{file}");
    }
}
