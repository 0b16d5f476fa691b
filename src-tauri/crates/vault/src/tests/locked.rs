//! Keychains that are locked, silent, replaced or gone (Done-when 12, R-102).

use std::{sync::Arc, time::Instant};

use super::{Desk, KEY_ACCOUNT, SHORT, get, lost, put, secret, until};
use crate::{
    Keychain, KeychainChoice, KeychainError, LostReason, Scope, Secret, StoreKind, Vault, VaultOptions, VaultState,
};

/// A desk where `KEY` and `inbound/1` were stored while the keychain was open.
async fn used() -> (Desk, crate::Marker) {
    let desk = Desk::new();
    let vault = desk.open().await;
    let marker = put(&vault, "KEY", "sk-1").await;
    vault.machine_put("inbound/1", secret("old"));
    vault.flush().await.unwrap();
    (desk, marker)
}

#[tokio::test]
async fn a_locked_keychain_comes_back_with_everything() {
    let (desk, marker) = used().await;
    desk.keychain.lock();
    let vault = desk.open().await;
    let status = vault.status();
    assert_eq!((status.store, status.state), (StoreKind::Sealed, VaultState::Locked));
    assert!(status.reason.unwrap().contains("locked"));
    assert_eq!(get(&vault, "KEY", &marker).await, lost(LostReason::Locked));
    assert_eq!(desk.files(), ["sealed.key", "secrets.sealed", "secrets.sealed.lost-1"]);

    // Agents run meanwhile: machine values are made anew, and what is stored now is kept.
    assert_eq!(vault.machine_get("inbound/1"), None);
    vault.machine_put("inbound/1", secret("new"));
    vault.machine_put("inbound/2", secret("two"));
    let meanwhile = put(&vault, "NEW", "sk-2").await;
    assert_eq!(meanwhile.store, StoreKind::Sealed);

    assert_eq!(vault.retry().await.state, VaultState::Locked);
    desk.keychain.unlock();
    let status = vault.retry().await;
    assert_eq!((status.store, status.state, status.reason), (StoreKind::Keychain, VaultState::Ready, None));
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
    assert_eq!(get(&vault, "NEW", &meanwhile).await.unwrap(), "sk-2");
    assert_eq!(vault.where_is(&Scope::Global, "NEW"), StoreKind::Keychain);
    assert_eq!(vault.machine_get("inbound/1"), Some(secret("new")));
    assert_eq!(vault.machine_get("inbound/2"), Some(secret("two")));
    vault.flush().await.unwrap();
    assert_eq!(desk.files(), ["secrets.sealed"]);

    drop(vault);
    let vault = desk.open().await;
    assert_eq!(vault.status().state, VaultState::Ready);
    assert_eq!(get(&vault, "NEW", &meanwhile).await.unwrap(), "sk-2");
    assert_eq!(vault.machine_get("inbound/1"), Some(secret("new")));
}

#[tokio::test]
async fn locked_at_two_starts_and_open_at_the_third() {
    let (desk, marker) = used().await;
    desk.keychain.lock();
    let meanwhile = put(&desk.open().await, "NEW", "sk-2").await;
    let vault = desk.open().await;
    assert_eq!(vault.status().state, VaultState::Locked);
    assert_eq!(get(&vault, "NEW", &meanwhile).await.unwrap(), "sk-2");
    drop(vault);
    desk.keychain.unlock();
    let vault = desk.open().await;
    assert_eq!(vault.status().state, VaultState::Ready);
    assert_eq!(vault.machine_get("inbound/1"), Some(secret("old")));
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
    assert_eq!(get(&vault, "NEW", &meanwhile).await.unwrap(), "sk-2");
    vault.settle().await;
    assert_eq!(vault.where_is(&Scope::Global, "NEW"), StoreKind::Keychain);
    assert_eq!(get(&vault, "NEW", &meanwhile).await.unwrap(), "sk-2");
    assert_eq!(desk.files(), ["secrets.sealed"]);
}

#[tokio::test]
async fn a_silent_keychain_is_left_within_the_deadline_and_taken_up_when_it_answers() {
    let (desk, marker) = used().await;
    desk.keychain.hang();
    let began = Instant::now();
    let vault = Vault::open(desk.hasty()).await.unwrap();
    assert!(began.elapsed() < SHORT * 4, "{:?}", began.elapsed());
    assert_eq!(vault.status().state, VaultState::Locked);
    assert_eq!(get(&vault, "KEY", &marker).await, lost(LostReason::Unanswered));
    // Nobody asks us to; the answered prompt is enough.
    desk.keychain.release();
    until(&vault, VaultState::Ready, StoreKind::Keychain).await;
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
    assert_eq!(vault.machine_get("inbound/1"), Some(secret("old")));
}

#[tokio::test]
async fn a_prompt_that_is_answered_late_at_the_first_start_is_enough() {
    let desk = Desk::new();
    desk.keychain.hang_at("get machine/");
    let vault = Vault::open(desk.hasty()).await.unwrap();
    assert_eq!(vault.status().state, VaultState::Locked);
    vault.machine_put("inbound/1", secret("in"));
    let marker = put(&vault, "KEY", "sk-1").await;
    desk.keychain.release();
    until(&vault, VaultState::Ready, StoreKind::Keychain).await;
    vault.settle().await;
    assert_eq!(vault.where_is(&Scope::Global, "KEY"), StoreKind::Keychain);
    drop(vault);
    let vault = desk.open().await;
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
    assert_eq!(vault.machine_get("inbound/1"), Some(secret("in")));
    assert_eq!(desk.files(), ["secrets.sealed"]);
}

/// Says yes to everything and keeps nothing.
struct Forgetful;

impl Keychain for Forgetful {
    fn connect(&self) -> Result<(), KeychainError> {
        Ok(())
    }

    fn get(&self, _: &str) -> Result<Option<Secret>, KeychainError> {
        Ok(None)
    }

    fn set(&self, _: &str, _: &Secret) -> Result<(), KeychainError> {
        Ok(())
    }

    fn delete(&self, _: &str) -> Result<(), KeychainError> {
        Ok(())
    }

    fn max_value_bytes(&self) -> usize {
        1024
    }
}

#[tokio::test]
async fn a_keychain_that_forgets_is_none() {
    let desk = Desk::new();
    let options = VaultOptions { keychain: KeychainChoice::Custom(Arc::new(Forgetful)), ..desk.options() };
    let vault = Vault::open(options.clone()).await.unwrap();
    assert_eq!(vault.status().store, StoreKind::Sealed);
    let marker = put(&vault, "KEY", "sk-1").await;
    drop(vault);
    assert_eq!(get(&Vault::open(options).await.unwrap(), "KEY", &marker).await.unwrap(), "sk-1");
}

#[tokio::test]
async fn a_dismissed_prompt_is_not_shown_again() {
    let (desk, _) = used().await;
    desk.keychain.hang();
    let vault = Vault::open(desk.hasty()).await.unwrap();
    desk.keychain.wait_until_hung();
    let calls = desk.keychain.calls().len();
    desk.keychain.lock();
    desk.keychain.release();
    // A call of the vault's own would come between these two, because they take turns.
    assert_eq!(vault.retry().await.state, VaultState::Locked);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(vault.retry().await.state, VaultState::Locked);
    let later = desk.keychain.calls().split_off(calls);
    assert_eq!(later.iter().filter(|call| *call == "connect").count(), 2, "{later:?}");
}

#[tokio::test]
async fn a_write_that_hangs_goes_to_the_sealed_file_and_moves_later() {
    let desk = Desk::new();
    let vault = Vault::open(desk.hasty()).await.unwrap();
    let old = put(&vault, "KEY", "sk-old").await;
    assert_eq!(old.store, StoreKind::Keychain);
    desk.keychain.hang();
    let began = Instant::now();
    let marker = put(&vault, "KEY", "sk-new").await;
    assert!(began.elapsed() < SHORT * 4, "{:?}", began.elapsed());
    assert_eq!(marker.store, StoreKind::Sealed);
    assert_eq!(vault.status().state, VaultState::Locked);
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-new");
    let newer = put(&vault, "KEY", "sk-newer").await;
    desk.keychain.release();
    until(&vault, VaultState::Ready, StoreKind::Keychain).await;
    vault.settle().await;
    assert_eq!(vault.where_is(&Scope::Global, "KEY"), StoreKind::Keychain);
    assert_eq!(desk.keychain.entry("global/KEY"), Some(secret("sk-newer")));
    assert_eq!(get(&vault, "KEY", &newer).await.unwrap(), "sk-newer");
    assert_eq!(get(&vault, "KEY", &marker).await, lost(LostReason::Changed));
}

#[tokio::test]
async fn callers_do_not_pile_up_behind_a_call_that_hangs() {
    let desk = Desk::new();
    let vault = Vault::open(desk.hasty()).await.unwrap();
    let marker = put(&vault, "KEY", "sk-1").await;
    desk.keychain.hang();
    let reads = (0..20).map(|_| {
        let (vault, marker) = (vault.clone(), marker.clone());
        tokio::spawn(async move { get(&vault, "KEY", &marker).await })
    });
    let reads: Vec<_> = reads.collect();
    for read in reads {
        assert_eq!(read.await.unwrap(), lost(LostReason::Unanswered));
    }
    // From now on refusals are immediate.
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(get(&vault, "KEY", &marker).await, lost(LostReason::Unanswered));
    }
    assert!(began.elapsed() < SHORT, "{:?}", began.elapsed());
    desk.keychain.wait_until_hung();
    let before = desk.keychain.calls().len();
    desk.keychain.release();
    until(&vault, VaultState::Ready, StoreKind::Keychain).await;
    let stale = desk.keychain.calls().split_off(before);
    assert!(!stale.contains(&"get global/KEY".to_owned()), "a caller that had left was served: {stale:?}");
}

#[tokio::test]
async fn a_delete_that_hangs_is_done_later() {
    let desk = Desk::new();
    let vault = Vault::open(desk.hasty()).await.unwrap();
    let marker = put(&vault, "KEY", "sk-1").await;
    desk.keychain.hang();
    vault.delete(&Scope::Global, "KEY", marker.store).await.unwrap();
    assert!(get(&vault, "KEY", &marker).await.is_err());
    drop(vault);
    desk.keychain.release();
    // Even if the late call never had come through.
    desk.keychain.plant("global/KEY", "sk-1");
    let vault = desk.open().await;
    vault.settle().await;
    assert_eq!(desk.keychain.entry("global/KEY"), None);
    // Done once: what is stored afterwards stays.
    let marker = put(&vault, "KEY", "sk-2").await;
    vault.settle().await;
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-2");
}

#[tokio::test]
async fn a_value_deleted_while_locked_does_not_come_back_with_the_old_file() {
    let desk = Desk::new();
    let vault = desk.open().await;
    let long = put(&vault, "KEY", &"x".repeat(3000)).await;
    assert_eq!(long.store, StoreKind::Sealed);
    drop(vault);
    desk.keychain.lock();
    let vault = desk.open().await;
    vault.delete(&Scope::Global, "KEY", long.store).await.unwrap();
    desk.keychain.unlock();
    assert_eq!(vault.retry().await.state, VaultState::Ready);
    assert_eq!(get(&vault, "KEY", &long).await, lost(LostReason::Missing));
}

#[tokio::test]
async fn a_delete_without_a_keychain_waits_for_it_only_if_the_value_is_there() {
    let desk = Desk::new();
    let marker = put(&desk.open().await, "KEY", "sk-1").await;
    let vault = desk.open_off().await;
    vault.delete(&Scope::Global, "KEY", marker.store).await.unwrap();
    drop(vault);
    let vault = desk.open().await;
    vault.settle().await;
    assert_eq!(desk.keychain.entry("global/KEY"), None);
}

#[tokio::test]
async fn a_value_stored_after_a_pending_delete_is_spared() {
    let desk = Desk::new();
    let marker = put(&desk.open().await, "KEY", "sk-1").await;
    desk.keychain.lock();
    let vault = desk.open().await;
    vault.delete(&Scope::Global, "KEY", marker.store).await.unwrap();
    let marker = put(&vault, "KEY", "sk-2").await;
    desk.keychain.unlock();
    vault.retry().await;
    assert_eq!(vault.where_is(&Scope::Global, "KEY"), StoreKind::Keychain);
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-2");
}

#[tokio::test]
async fn a_replaced_keychain_is_said_and_never_papered_over() {
    let (desk, marker) = used().await;
    desk.keychain.replace();
    let vault = desk.open().await;
    let status = vault.status();
    assert_eq!((status.store, status.state), (StoreKind::Keychain, VaultState::Replaced));
    assert_eq!(get(&vault, "KEY", &marker).await, lost(LostReason::Missing));
    assert_eq!(vault.machine_get("inbound/1"), None);
    assert_eq!(desk.files(), ["secrets.sealed", "secrets.sealed.lost-1"]);
    // Entering it again is enough, and the next start is a good one.
    let marker = put(&vault, "KEY", "sk-1").await;
    assert_eq!(marker.store, StoreKind::Keychain);
    assert_eq!(vault.retry().await.state, VaultState::Replaced);
    drop(vault);
    let vault = desk.open().await;
    assert_eq!(vault.status().state, VaultState::Ready);
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
}

#[tokio::test]
async fn data_from_another_computer_finds_a_keychain_with_other_values() {
    let (desk, marker) = used().await;
    let here = Desk::new();
    // The person uses Molecule here too, under the same name.
    here.keychain.plant("global/KEY", "sk-9");
    std::fs::copy(desk.path("secrets.sealed"), here.path("secrets.sealed")).unwrap();
    let vault = here.open().await;
    assert_eq!(vault.status().state, VaultState::Replaced);
    assert_eq!(get(&vault, "KEY", &marker).await, lost(LostReason::Changed));
}

#[tokio::test]
async fn one_entry_that_was_taken_or_changed_is_noticed() {
    let (desk, marker) = used().await;
    let vault = desk.open().await;
    desk.keychain.plant("global/KEY", "sk-2");
    assert_eq!(get(&vault, "KEY", &marker).await, lost(LostReason::Changed));
    desk.keychain.steal("global/KEY");
    assert_eq!(get(&vault, "KEY", &marker).await, lost(LostReason::Missing));
    assert_eq!(vault.status().state, VaultState::Ready);
}

#[tokio::test]
async fn a_keychain_that_goes_away_while_we_run() {
    let (desk, marker) = used().await;
    let vault = desk.open().await;
    desk.keychain.vanish();
    assert_eq!(get(&vault, "KEY", &marker).await, lost(LostReason::Unavailable));
    assert_eq!(vault.status().state, VaultState::Unavailable);
    assert_eq!(vault.machine_get("inbound/1"), Some(secret("old")));
    let meanwhile = put(&vault, "NEW", "sk-2").await;
    assert_eq!(meanwhile.store, StoreKind::Sealed);
    desk.keychain.unlock();
    assert_eq!(vault.retry().await.state, VaultState::Ready);
    assert_eq!(vault.where_is(&Scope::Global, "NEW"), StoreKind::Keychain);
    assert_eq!(get(&vault, "NEW", &meanwhile).await.unwrap(), "sk-2");
}

#[tokio::test]
async fn a_keychain_that_is_gone_at_start_is_missed_only_if_it_was_used() {
    let (desk, marker) = used().await;
    let vault = Vault::open(desk.off()).await.unwrap();
    assert_eq!(vault.status().state, VaultState::Unavailable);
    assert_eq!(get(&vault, "KEY", &marker).await, lost(LostReason::Unavailable));
    assert_eq!(vault.retry().await.state, VaultState::Unavailable);

    let fresh = Desk::new();
    fresh.keychain.vanish();
    let vault = fresh.open().await;
    assert_eq!((vault.status().store, vault.status().state), (StoreKind::Sealed, VaultState::Ready));
}

#[tokio::test]
async fn the_key_goes_back_into_a_keychain_that_lost_only_the_key() {
    let (desk, _) = used().await;
    let vault = desk.open().await;
    let key = desk.keychain.entry(KEY_ACCOUNT).unwrap();
    desk.keychain.steal(KEY_ACCOUNT);
    assert_eq!(vault.retry().await.state, VaultState::Ready);
    assert_eq!(desk.keychain.entry(KEY_ACCOUNT), Some(key));
}

#[tokio::test]
async fn two_data_directories_share_a_keychain_but_not_a_key() {
    let desk = Desk::new();
    let other = Desk::new();
    let mut options = other.off();
    options.installation_id = "there".into();
    options.keychain = KeychainChoice::Custom(Arc::new(desk.keychain.clone()));
    let here = desk.open().await;
    let there = Vault::open(options).await.unwrap();
    here.machine_put("a", secret("1"));
    there.machine_put("a", secret("2"));
    assert_eq!(desk.keychain.accounts(), [KEY_ACCOUNT, "machine/sealed-key/there"]);
    drop((here, there));
    assert_eq!(desk.open().await.machine_get("a"), Some(secret("1")));
}

#[tokio::test]
async fn the_deadlines_are_those_of_the_product() {
    let options = VaultOptions::new("/nowhere", "id");
    assert_eq!(options.probe_timeout.as_secs(), 2);
    assert_eq!(options.call_timeout.as_secs(), 5);
    assert_eq!(options.retry_timeout.as_secs(), 60);
}
