//! The files in the data directory: private, whole after a crash, owned by one.

use super::{Desk, get, put, secret};
use crate::{Vault, VaultError, VaultState};

#[cfg(unix)]
fn mode(desk: &Desk, name: &str) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o7777
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_private_and_made_private() {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};
    let desk = Desk::new();
    put(&desk.open_off().await, "KEY", "sk-1").await;
    let names = ["sealed.key", "secrets.sealed", "secrets.lock"];
    for name in names {
        assert_eq!(mode(&desk, name), 0o600, "{name}");
        std::fs::set_permissions(desk.path(name), Permissions::from_mode(0o644)).unwrap();
    }
    let vault = desk.open_off().await;
    for name in &names[..2] {
        assert_eq!(mode(&desk, name), 0o600, "{name}");
    }
    drop(vault);
    std::fs::remove_file(desk.path("sealed.key")).unwrap();
    drop(desk.open_off().await);
    assert_eq!(mode(&desk, "secrets.sealed.lost-1"), 0o600);
}

#[tokio::test]
async fn a_crash_before_the_rename_leaves_the_old_file() {
    let desk = Desk::new();
    let marker = put(&desk.open_off().await, "KEY", "sk-1").await;
    let whole = std::fs::read(desk.path("secrets.sealed")).unwrap();
    std::fs::write(desk.path("secrets.sealed.new"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(desk.path("sealed.key.new"), "half").unwrap();
    let vault = desk.open_off().await;
    assert_eq!(vault.status().state, VaultState::Ready);
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-1");
    let next = put(&vault, "NEXT", "sk-2").await;
    drop(vault);
    let vault = desk.open_off().await;
    assert_eq!(get(&vault, "NEXT", &next).await.unwrap(), "sk-2");
    assert!(!desk.files().contains(&"secrets.sealed.new".to_owned()));
}

#[tokio::test]
async fn a_crash_between_setting_aside_and_starting_anew_loses_nothing() {
    let desk = Desk::new();
    let vault = desk.open().await;
    vault.machine_put("inbound/1", secret("in"));
    drop(vault);
    std::fs::rename(desk.path("secrets.sealed"), desk.path("secrets.sealed.lost-1")).unwrap();
    let vault = desk.open().await;
    assert_eq!(vault.status().state, VaultState::Ready);
    assert_eq!(vault.machine_get("inbound/1"), Some(secret("in")));
    assert_eq!(desk.files(), ["secrets.sealed"]);
}

#[tokio::test]
async fn one_owner_at_a_time() {
    let desk = Desk::new();
    let first = desk.open_off().await;
    first.machine_put("a", secret("1"));
    assert_eq!(Vault::open(desk.off()).await.unwrap_err(), VaultError::InUse);
    first.machine_put("b", secret("2"));
    drop(first);
    let second = desk.open_off().await;
    assert_eq!(second.machine_get("a"), Some(secret("1")));
    assert_eq!(second.machine_get("b"), Some(secret("2")));
}

#[tokio::test]
async fn a_closed_vault_lets_go_and_writes_no_more() {
    let desk = Desk::new();
    let first = desk.open_off().await;
    first.machine_put("a", secret("1"));
    first.close().await.unwrap();
    let second = desk.open_off().await;
    assert_eq!(second.machine_get("a"), Some(secret("1")));
    first.machine_put("a", secret("2"));
    assert_eq!(first.flush().await, Err(VaultError::Closed));
    drop((first, second));
    assert_eq!(desk.open_off().await.machine_get("a"), Some(secret("1")));
}

#[tokio::test]
async fn a_failed_write_is_said_and_tried_again() {
    let desk = Desk::new();
    let vault = desk.open_off().await;
    let obstacle = desk.path("secrets.sealed.new");
    std::fs::create_dir(&obstacle).unwrap();
    vault.machine_put("a", secret("1"));
    assert!(matches!(vault.flush().await, Err(VaultError::Io(_))));
    assert_eq!(vault.machine_get("a"), Some(secret("1")));
    std::fs::remove_dir(&obstacle).unwrap();
    vault.machine_put("b", secret("2"));
    vault.flush().await.unwrap();
    drop(vault);
    let vault = desk.open_off().await;
    assert_eq!(vault.machine_get("a"), Some(secret("1")));
    assert_eq!(vault.machine_get("b"), Some(secret("2")));
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_an_error() {
    let desk = Desk::new();
    let mut options = desk.off();
    options.data_dir = desk.path("file");
    std::fs::write(desk.path("file"), "").unwrap();
    assert!(matches!(Vault::open(options).await, Err(VaultError::Io(_))));
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_alone() {
    let desk = Desk::new();
    let newer = "{\"format\":2,\"something\":\"else\"}\n";
    std::fs::write(desk.path("secrets.sealed"), newer).unwrap();
    assert_eq!(Vault::open(desk.off()).await.unwrap_err(), VaultError::TooNew);
    assert_eq!(std::fs::read_to_string(desk.path("secrets.sealed")).unwrap(), newer);
    assert_eq!(desk.files(), ["secrets.sealed"]);
}

#[tokio::test]
async fn an_unchanged_file_is_not_written_again() {
    let desk = Desk::new();
    put(&desk.open_off().await, "KEY", "sk-1").await;
    let before = std::fs::read(desk.path("secrets.sealed")).unwrap();
    drop(desk.open_off().await);
    assert_eq!(std::fs::read(desk.path("secrets.sealed")).unwrap(), before);
}
