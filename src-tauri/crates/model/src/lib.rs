//! Ids, statuses, events, wire payloads and access rules: pure, without I/O or clock.
