//! The process around the agent: its log, its limits, its one line of output, and what ends it.

use std::io::{Read, Write};

/// Log lines go to standard error; the server keeps them.
pub(crate) fn log() {
    // Set up by whoever embeds us in a test; a second time is no error.
    drop(tracing::subscriber::set_global_default(crate::process::plain::Lines));
}

/// Keeps the agent's own data within `memory_mb` MiB, where the system knows such a limit; 0 sets none. Only
/// the soft limit: commands that a person approved have a larger one of their own.
pub(crate) fn limit_memory(memory_mb: u64) {
    #[cfg(target_os = "linux")]
    if memory_mb > 0 {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let maximum = getrlimit(Resource::Data).maximum;
        let wanted = memory_mb.saturating_mul(1024 * 1024);
        let current = Some(maximum.map_or(wanted, |maximum| wanted.min(maximum)));
        if let Err(error) = setrlimit(Resource::Data, Rlimit { current, maximum }) {
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

/// What ends the agent.
pub(crate) struct Ending {
    input: tokio::sync::oneshot::Receiver<()>,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(target_os = "linux")]
    parent: Parent,
}

/// The server's process, as the kernel sees it.
#[cfg(target_os = "linux")]
struct Parent {
    id: Option<rustix::process::Pid>,
    gone: tokio::signal::unix::Signal,
}

impl Ending {
    /// Begins to watch.
    pub(crate) fn watch() -> std::io::Result<Self> {
        // A thread of its own: a read that nobody answers would hold up the end of the async runtime.
        let (closed, input) = tokio::sync::oneshot::channel();
        std::thread::Builder::new().name("stdin".into()).stack_size(64 * 1024).spawn(move || {
            let (mut stdin, mut buffer) = (std::io::stdin(), [0; 256]);
            while matches!(stdin.read(&mut buffer), Ok(count) if count > 0) {}
            let _ = closed.send(());
        })?;
        Ok(Self {
            input,
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
            #[cfg(target_os = "linux")]
            parent: Parent::watch()?,
        })
    }

    /// Completes when standard input closes (the server is gone), a signal comes, or the kernel says that the
    /// server died; says which.
    pub(crate) async fn comes(mut self) -> &'static str {
        #[cfg(unix)]
        let terminated = self.terminate.recv();
        #[cfg(not(unix))]
        let terminated = std::future::pending::<()>();
        #[cfg(target_os = "linux")]
        let orphaned = self.parent.is_gone();
        #[cfg(not(target_os = "linux"))]
        let orphaned = std::future::pending::<()>();
        tokio::select! {
            _ = &mut self.input => "standard input closed",
            _ = terminated => "terminated",
            () = orphaned => "the server is gone",
        }
    }
}

#[cfg(target_os = "linux")]
impl Parent {
    /// The kernel signals the end of the *thread* that started us, which may be one of many of a living
    /// server; hence a signal that we can look behind, and not one that ends us.
    fn watch() -> std::io::Result<Self> {
        use rustix::process::{Signal, getppid, set_parent_process_death_signal};
        let gone = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined2())?;
        let id = getppid();
        set_parent_process_death_signal(Some(Signal::USR2))?;
        Ok(Self { id, gone })
    }

    async fn is_gone(&mut self) {
        while rustix::process::getppid() == self.id {
            if self.gone.recv().await.is_none() {
                std::future::pending().await
            }
        }
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
