//! Figures in Prometheus' text form (10 §17.4, 30 §23).

use std::{collections::BTreeMap, fmt::Write, sync::Mutex, time::Duration};

/// How many, and how long together, by method and status.
type Counts = BTreeMap<(&'static str, u16), (u64, Duration)>;

/// Counters by route pattern, as the router writes it.
#[derive(Default)]
pub struct Metrics(Mutex<BTreeMap<String, Counts>>);

/// Methods that are counted by their name; clients make up what they like.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

impl Metrics {
    /// Counts an answered request.
    pub fn count(&self, method: &str, path: &str, status: u16, took: Duration) {
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("OTHER");
        let Ok(mut all) = self.0.lock() else { return };
        if !all.contains_key(path) {
            all.insert(path.to_owned(), Counts::default());
        }
        if let Some(counts) = all.get_mut(path) {
            let (count, together) = counts.entry((method, status)).or_default();
            *count += 1;
            *together += took;
        }
    }

    /// The whole text; `panics` counts those of each background loop (S122).
    #[must_use]
    pub fn render(&self, sockets: usize, panics: impl IntoIterator<Item = (&'static str, u32)>) -> String {
        let all = self.0.lock().map(|all| all.clone()).unwrap_or_default();
        let mut lines: Vec<_> = all
            .iter()
            .flat_map(|(path, counts)| {
                counts.iter().map(move |((method, status), sums)| (*method, shown(path), *status, *sums))
            })
            .collect();
        lines.sort_unstable();
        let mut out = String::with_capacity(4096);
        let requests = "molecule_http_requests_total";
        let seconds = "molecule_http_request_duration_seconds_total";
        head(&mut out, requests, "counter", "Requests answered.");
        for (method, path, status, (count, _)) in &lines {
            line(&mut out, requests, method, path, *status, &count.to_string());
        }
        head(&mut out, seconds, "counter", "Seconds spent answering.");
        for (method, path, status, (_, took)) in &lines {
            line(&mut out, seconds, method, path, *status, &format!("{:.6}", took.as_secs_f64()));
        }
        let open = "molecule_websocket_connections_active";
        head(&mut out, open, "gauge", "Open event sockets.");
        // Writing into a String does not fail.
        let _ = writeln!(out, "{open} {sockets}");
        let panicked = "molecule_background_panics_total";
        head(&mut out, panicked, "counter", "Panics of background loops, each of which was started again.");
        for (name, count) in panics {
            let _ = writeln!(out, "{panicked}{{task=\"{name}\"}} {count}");
        }
        if let Some(rss) = resident_bytes() {
            let name = "molecule_process_resident_memory_bytes";
            head(&mut out, name, "gauge", "Resident memory of the server.");
            let _ = writeln!(out, "{name} {rss}");
        }
        out
    }
}

/// `/workspaces/{id}` as `/workspaces/:id`.
fn shown(path: &str) -> String {
    path.replace('{', ":").replace('}', "")
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, method: &str, path: &str, status: u16, value: &str) {
    let _ = writeln!(out, "{name}{{method=\"{method}\",path=\"{path}\",status=\"{status}\"}} {value}");
}

/// Resident memory, where the system tells it in a file.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib: u64 =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
