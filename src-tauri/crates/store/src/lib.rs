//! SQLite: one writer thread with group commit, query-only readers, migrations, the event outbox.
