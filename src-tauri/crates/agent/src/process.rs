//! The process around the agent: its log, its limits, its one line of output, and when it ends.

use std::io::{Read, Write};

/// Log lines go to standard error; the server keeps them.
pub(crate) fn log() {
    // Set up by whoever embeds us in a test; a second time is no error.
    drop(tracing::subscriber::set_global_default(crate::process::plain::Lines));
}

/// Dies with the server even where it is killed, and keeps within its memory (Linux).
pub(crate) fn confine(memory_mb: u64) {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
        if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
            tracing::warn!(%error, "the server's end will be noticed by standard input only");
        }
        let bytes = memory_mb.saturating_mul(1024 * 1024);
        if let Err(error) = setrlimit(Resource::Data, Rlimit { current: Some(bytes), maximum: Some(bytes) }) {
            tracing::warn!(%error, "no memory limit");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory_mb;
}

/// The one line that the launcher waits for.
pub(crate) fn announce(url: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{}", serde_json::json!({ "listening": url }))?;
    out.flush()
}

/// Completes when standard input closes (the server is gone) or a signal comes; says which.
pub(crate) async fn told_to_stop() -> &'static str {
    // A thread of its own: a read that nobody answers would hold up the end of the async runtime.
    let (closed, input) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let (mut stdin, mut buffer) = (std::io::stdin(), [0; 256]);
        while matches!(stdin.read(&mut buffer), Ok(count) if count > 0) {}
        closed.send(())
    });
    #[cfg(unix)]
    let signal = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending::<()>().await,
        }
    };
    #[cfg(not(unix))]
    let signal = std::future::pending::<()>();
    tokio::select! {
        _ = input => "standard input closed",
        () = signal => "terminated",
    }
}

/// A log that needs nothing but standard error.
mod plain {
    use std::fmt::{Debug, Write as _};

    use tracing::{
        Event, Level, Metadata, Subscriber,
        field::{Field, Visit},
        span::{Attributes, Id, Record},
    };

    /// One line an event: time, level, target, fields.
    pub(crate) struct Lines;

    struct Fields(String);

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            // Writing into a String does not fail.
            let _ = match field.name() {
                "message" => write!(self.0, " {value:?}"),
                name => write!(self.0, " {name}={value:?}"),
            };
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() <= Level::INFO && metadata.target().starts_with("molecule")
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut fields = Fields(String::new());
            event.record(&mut fields);
            let about = event.metadata();
            eprintln!("{} {} {}{}", crate::clock::now(), about.level(), about.target(), fields.0);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }
}
