//! `secrets.sealed`: what the machine makes for itself, and what a person stores where no
//! keychain takes it.

pub(crate) mod book;
pub(crate) mod check;
pub(crate) mod folder;
pub(crate) mod format;
pub(crate) mod key;
pub(crate) mod recover;
pub(crate) mod wrap;

/// Names in the sealed file: a value of the machine's own.
pub(crate) fn machine(name: &str) -> String {
    format!("machine/{name}")
}

/// Names in the sealed file: a value that a person stored, by its keychain account.
pub(crate) fn person(account: &str) -> String {
    format!("{PERSON}{account}")
}

/// Names in the sealed file: a keychain entry that is still to be deleted.
pub(crate) fn doomed(account: &str) -> String {
    format!("{DOOMED}{account}")
}

/// Names in the sealed file: the check key of a key that was in use before.
pub(crate) fn retired(key_id: &str) -> String {
    format!("check/{key_id}")
}

pub(crate) const PERSON: &str = "person/";
pub(crate) const DOOMED: &str = "doomed/";
