//! From sealed file to keychain and back, and the passphrase.

use tokio::task::JoinHandle;

use super::{Desk, KEY_ACCOUNT, get, lost, put, secret, until};
use crate::{LostReason, Marker, Scope, StoreKind, Vault, VaultError, VaultOptions, VaultState, VaultStatus};

#[tokio::test]
async fn a_keychain_that_appears_takes_over() {
    let desk = Desk::new();
    let vault = desk.open_off().await;
    let marker = put(&vault, "KEY", "sk-1").await;
    vault.machine_put("inbound/1", secret("in"));
    drop(vault);
    assert_eq!(desk.files(), ["sealed.key", "secrets.sealed"]);
    let key = std::fs::read_to_string(desk.path("sealed.key")).unwrap();

    let vault = desk.open().await;
    assert_eq!((vault.status().store, vault.status().state), (StoreKind::Keychain, VaultState::Ready));
    assert_eq!(desk.keychain.entry(KEY_ACCOUNT).unwrap().expose(), key.trim());
    assert_eq!(desk.files(), ["secrets.sealed"]);
    vault.settle().await;
    assert_eq!(desk.keychain.entry("global/KEY"), Some(secret("sk-1")));
    assert_eq!(vault.where_is(&Scope::Global, "KEY"), StoreKind::Keychain);
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
    assert_eq!(vault.machine_get("inbound/1"), Some(secret("in")));
}

#[tokio::test]
async fn a_keychain_with_a_key_of_its_own_takes_over_without_losing_checks() {
    let desk = Desk::new();
    drop(desk.open().await);
    let own = desk.keychain.entry(KEY_ACCOUNT).unwrap();
    std::fs::remove_file(desk.path("secrets.sealed")).unwrap();
    let vault = desk.open_off().await;
    let marker = put(&vault, "KEY", "sk-1").await;
    drop(vault);
    let vault = desk.open().await;
    assert_eq!(vault.status().state, VaultState::Ready);
    assert_eq!(desk.keychain.entry(KEY_ACCOUNT), Some(own));
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
    drop(vault);
    assert_eq!(get(&desk.open().await, "KEY", &marker).await.unwrap(), "sk-1");
}

#[tokio::test]
async fn losing_the_sealed_file_does_not_lose_the_keychain() {
    let desk = Desk::new();
    let marker = put(&desk.open().await, "KEY", "sk-1").await;
    std::fs::remove_file(desk.path("secrets.sealed")).unwrap();
    assert_eq!(get(&desk.open().await, "KEY", &marker).await.unwrap(), "sk-1");
}

#[tokio::test]
async fn a_value_too_long_for_the_keychain_stays_in_the_file() {
    let desk = Desk::new();
    let vault = desk.open().await;
    let short = put(&vault, "KEY", "short").await;
    let long = put(&vault, "KEY", &"x".repeat(2049)).await;
    assert_eq!((short.store, long.store), (StoreKind::Keychain, StoreKind::Sealed));
    vault.settle().await;
    assert_eq!(vault.where_is(&Scope::Global, "KEY"), StoreKind::Sealed);
    assert_eq!(desk.keychain.entry("global/KEY"), None, "the short one must not linger");
    assert_eq!(get(&vault, "KEY", &long).await.unwrap().len(), 2049);
    let exact = put(&vault, "KEY", &"y".repeat(2048)).await;
    assert_eq!(exact.store, StoreKind::Keychain);
    assert_eq!(vault.where_is(&Scope::Global, "KEY"), StoreKind::Keychain);
    vault.settle().await;
    assert_eq!(get(&vault, "KEY", &exact).await.unwrap().len(), 2048);
}

/// A vault whose `KEY` is just being moved from the sealed file to the keychain, and hangs there.
async fn moving(desk: &Desk) -> (Vault, Marker, JoinHandle<VaultStatus>) {
    let vault = desk.open().await;
    let probe = put(&vault, "PROBE", "x").await;
    desk.keychain.lock();
    assert_eq!(get(&vault, "PROBE", &probe).await, lost(LostReason::Locked));
    let marker = put(&vault, "KEY", "sk-1").await;
    assert_eq!(marker.store, StoreKind::Sealed);
    desk.keychain.unlock();
    desk.keychain.hang_at("set global/KEY");
    let mover = vault.clone();
    let retry = tokio::spawn(async move { mover.retry().await });
    until(&vault, VaultState::Ready, StoreKind::Keychain).await;
    let keychain = desk.keychain.clone();
    tokio::task::spawn_blocking(move || keychain.wait_until_hung()).await.unwrap();
    (vault, marker, retry)
}

#[tokio::test]
async fn a_value_is_in_reach_while_it_moves() {
    let desk = Desk::new();
    let (vault, marker, retry) = moving(&desk).await;
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
    desk.keychain.release();
    retry.await.unwrap();
    assert_eq!(vault.where_is(&Scope::Global, "KEY"), StoreKind::Keychain);
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
}

#[tokio::test]
async fn a_put_while_the_old_value_moves_wins() {
    let desk = Desk::new();
    let (vault, _, retry) = moving(&desk).await;
    let putting = vault.clone();
    let newer = tokio::spawn(async move { put(&putting, "KEY", "sk-2").await });
    tokio::task::yield_now().await;
    desk.keychain.release();
    let newer = newer.await.unwrap();
    retry.await.unwrap();
    vault.settle().await;
    assert_eq!(get(&vault, "KEY", &newer).await.unwrap(), "sk-2");
    assert_eq!(desk.keychain.entry("global/KEY"), Some(secret("sk-2")));
    assert_eq!(vault.where_is(&Scope::Global, "KEY"), StoreKind::Keychain);
}

#[tokio::test]
async fn a_put_that_stays_in_the_file_while_the_old_value_moves_is_kept() {
    let desk = Desk::new();
    let (vault, _, retry) = moving(&desk).await;
    let long = put(&vault, "KEY", &"x".repeat(3000)).await;
    assert_eq!(long.store, StoreKind::Sealed);
    desk.keychain.release();
    retry.await.unwrap();
    vault.settle().await;
    assert_eq!(get(&vault, "KEY", &long).await.unwrap().len(), 3000);
    assert_eq!(desk.keychain.entry("global/KEY"), None);
}

#[tokio::test]
async fn a_put_before_its_name_s_pending_deletion_is_spared() {
    let desk = Desk::new();
    let vault = desk.open().await;
    let markers = [put(&vault, "A", "sk-1").await, put(&vault, "B", "sk-2").await];
    desk.keychain.lock();
    for (key, marker) in ["A", "B"].iter().zip(&markers) {
        vault.delete(&Scope::Global, key, marker.store).await.unwrap();
    }
    desk.keychain.unlock();
    desk.keychain.hang_at("delete global/A");
    let settling = vault.clone();
    let retry = tokio::spawn(async move { settling.retry().await });
    until(&vault, VaultState::Ready, StoreKind::Keychain).await;
    let keychain = desk.keychain.clone();
    tokio::task::spawn_blocking(move || keychain.wait_until_hung()).await.unwrap();
    let putting = vault.clone();
    let newer = tokio::spawn(async move { put(&putting, "B", "sk-3").await });
    tokio::task::yield_now().await;
    desk.keychain.release();
    let newer = newer.await.unwrap();
    retry.await.unwrap();
    vault.settle().await;
    assert_eq!(get(&vault, "B", &newer).await.unwrap(), "sk-3");
    assert_eq!(desk.keychain.entry("global/A"), None);
}

#[tokio::test]
async fn a_delete_while_the_value_moves_wins() {
    let desk = Desk::new();
    let (vault, marker, retry) = moving(&desk).await;
    let deleting = vault.clone();
    let delete = tokio::spawn(async move { deleting.delete(&Scope::Global, "KEY", StoreKind::Sealed).await });
    tokio::task::yield_now().await;
    desk.keychain.release();
    delete.await.unwrap().unwrap();
    retry.await.unwrap();
    vault.settle().await;
    assert_eq!(get(&vault, "KEY", &marker).await, lost(LostReason::Missing));
    assert_eq!(desk.keychain.entry("global/KEY"), None);
}

#[tokio::test]
async fn a_write_that_finds_a_sealed_value_changes_it_first() {
    let desk = Desk::new();
    let vault = Vault::open(desk.hasty()).await.unwrap();
    put(&vault, "KEY", &"x".repeat(3000)).await;
    desk.keychain.hang_at("set global/KEY");
    let marker = put(&vault, "KEY", "sk-2").await;
    assert_eq!(marker.store, StoreKind::Sealed);
    // As after a crash at this moment: what lies on disk is the new value.
    let there = Desk::new();
    for file in desk.files() {
        std::fs::copy(desk.path(&file), there.path(&file)).unwrap();
    }
    there.keychain.plant(KEY_ACCOUNT, desk.keychain.entry(KEY_ACCOUNT).unwrap().expose());
    assert_eq!(get(&there.open().await, "KEY", &marker).await.unwrap(), "sk-2");
    desk.keychain.release();
}

fn closed(desk: &Desk, passphrase: &str) -> VaultOptions {
    VaultOptions { passphrase: Some(secret(passphrase)), ..desk.off() }
}

#[tokio::test]
async fn a_passphrase_closes_the_file() {
    let desk = Desk::new();
    let vault = Vault::open(closed(&desk, "horse")).await.unwrap();
    let marker = put(&vault, "KEY", "sk-1").await;
    drop(vault);
    assert_eq!(desk.files(), ["secrets.sealed"]);
    assert_eq!(Vault::open(closed(&desk, "house")).await.unwrap_err(), VaultError::WrongPassphrase);
    assert_eq!(Vault::open(desk.off()).await.unwrap_err(), VaultError::PassphraseNeeded);
    let vault = Vault::open(closed(&desk, "horse")).await.unwrap();
    assert_eq!(vault.status().state, VaultState::Ready);
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
}

#[tokio::test]
async fn a_passphrase_closes_a_key_that_lay_open() {
    let desk = Desk::new();
    let marker = put(&desk.open_off().await, "KEY", "sk-1").await;
    let vault = Vault::open(closed(&desk, "horse")).await.unwrap();
    assert_eq!(desk.files(), ["secrets.sealed"]);
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
    drop(vault);
    assert_eq!(Vault::open(desk.off()).await.unwrap_err(), VaultError::PassphraseNeeded);
}

#[tokio::test]
async fn a_keychain_takes_over_from_a_passphrase() {
    let desk = Desk::new();
    let marker = put(&Vault::open(closed(&desk, "horse")).await.unwrap(), "KEY", "sk-1").await;
    let options = VaultOptions { keychain: desk.options().keychain, ..closed(&desk, "horse") };
    let vault = Vault::open(options).await.unwrap();
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
    drop(vault);
    assert_eq!(get(&desk.open().await, "KEY", &marker).await.unwrap(), "sk-1");
}

#[tokio::test]
async fn a_lost_key_file_starts_anew_and_keeps_the_old_file() {
    let desk = Desk::new();
    let vault = desk.open_off().await;
    let marker = put(&vault, "KEY", "sk-1").await;
    vault.machine_put("inbound/1", secret("in"));
    drop(vault);
    let key = std::fs::read(desk.path("sealed.key")).unwrap();
    std::fs::remove_file(desk.path("sealed.key")).unwrap();
    let vault = desk.open_off().await;
    assert_eq!(vault.status().state, VaultState::Replaced);
    assert_eq!(get(&vault, "KEY", &marker).await, lost(LostReason::Missing));
    assert_eq!(vault.machine_get("inbound/1"), None);
    drop(vault);
    // The person finds the key again: in its place it opens what was put aside.
    std::fs::remove_file(desk.path("secrets.sealed")).unwrap();
    std::fs::write(desk.path("sealed.key"), key).unwrap();
    let vault = desk.open_off().await;
    assert_eq!(vault.status().state, VaultState::Ready);
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
    assert_eq!(vault.machine_get("inbound/1"), Some(secret("in")));
    assert_eq!(desk.files(), ["sealed.key", "secrets.sealed"]);
}

#[tokio::test]
async fn a_wrong_key_opens_nothing() {
    let desk = Desk::new();
    let other = Desk::new();
    let marker = put(&desk.open_off().await, "KEY", "sk-1").await;
    drop(other.open_off().await);
    std::fs::copy(other.path("sealed.key"), desk.path("sealed.key")).unwrap();
    let vault = desk.open_off().await;
    assert_eq!(vault.status().state, VaultState::Replaced);
    assert_eq!(get(&vault, "KEY", &marker).await, lost(LostReason::Missing));
    assert_eq!(desk.files(), ["sealed.key", "secrets.sealed", "secrets.sealed.lost-1"]);
}
