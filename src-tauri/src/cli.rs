//! The command line: `serve`, `agent`, `open`, `demo`, `token`, and the window without arguments.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand};
use molecule_platform::{
    config::{Config, PortChoice},
    server::{self, StartError},
};
use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::{assets, home, remote::Remote};

/// One developer, one laptop, an organisation of AI agents.
#[derive(Parser)]
#[command(name = "molecule", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server without a window and print a link that opens the canvas.
    Serve {
        /// Port to listen on; 0 for any. Default: 8080, else the next free one.
        #[arg(long, env = "PORT")]
        port: Option<u16>,
    },
    /// Print a new one-time link to the canvas of the running server, and open it in the browser.
    Open {
        /// Only print it.
        #[arg(long)]
        print: bool,
    },
    /// Start the demo organisation on the running server.
    Demo {
        /// Which organisation template.
        #[arg(default_value = "product-team")]
        template: String,
    },
    /// Make a credential for a program: a bearer token, or with --url a base URL that carries it.
    Token {
        /// For this workspace instead of for everything.
        #[arg(long)]
        workspace: Option<String>,
        /// A base URL for clients that cannot send a bearer.
        #[arg(long)]
        url: bool,
        /// What to call it.
        #[arg(long)]
        name: Option<String>,
    },
    /// Say how the installation is.
    Doctor,
    /// Print the OpenAPI document.
    #[command(hide = true)]
    Openapi,
    /// Run one embedded agent; started by the server.
    #[command(hide = true)]
    Agent,
}

/// Runs what the arguments ask for.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("molecule: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Option<Command>) -> anyhow::Result<()> {
    match command {
        Some(Command::Agent) => agent(),
        Some(Command::Serve { port }) => serve(port),
        Some(Command::Open { print }) => open(print),
        Some(Command::Demo { template }) => demo(&template),
        Some(Command::Token { workspace, url, name }) => token(workspace.as_deref(), url, name.as_deref()),
        Some(Command::Doctor) => doctor(),
        Some(Command::Openapi) => say(&serde_json::to_string_pretty(&molecule_platform::http::document())?),
        None => default(),
    }
}

/// Without arguments: the window where this build has one, else the server.
#[cfg(feature = "desktop")]
fn default() -> anyhow::Result<()> {
    log();
    let port = std::env::var("PORT").ok().and_then(|text| text.parse().ok());
    let config = config(port.map_or(PortChoice::Default, PortChoice::Exactly))?;
    let runtime = runtime()?;
    crate::desktop::run(crate::desktop::DesktopOptions::platform(runtime.handle().clone(), config))
}

#[cfg(not(feature = "desktop"))]
fn default() -> anyhow::Result<()> {
    serve(None)
}

/// Prints one line to standard output; a closed pipe is no error worth a panic.
fn say(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{text}").context("standard output is closed")
}

fn log() {
    let filter = EnvFilter::try_from_env("RUST_LOG").unwrap_or_else(|_| EnvFilter::new("info,hyper=warn,reqwest=warn"));
    // Initialised once a process; a second window of the same process keeps the first.
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init());
}

/// The settings of this process.
///
/// # Errors
/// When no data directory is known or a setting is refused.
pub fn config(port: PortChoice) -> anyhow::Result<Config> {
    let program = std::env::current_exe().context("the program's own file is not known")?;
    let shipped = std::env::var_os("MOLECULE_TEMPLATES").map(PathBuf::from).into_iter().collect();
    Ok(Config::from_env(home::data_dir()?, port, (program, vec!["agent".into()]), shipped, assets::find)?)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the async runtime did not start")
}

fn serve(port: Option<u16>) -> anyhow::Result<()> {
    log();
    let config = config(port.map_or(PortChoice::Default, PortChoice::Exactly))?;
    let home = config.data_dir.clone();
    runtime()?.block_on(async move {
        let server = match server::start(config).await {
            // A second start on the same data directory hands over to the first.
            Err(StartError::Owner(owner)) => {
                let Some(remote) = Remote::find(&home).ok().filter(Remote::answers) else { return Err(owner.into()) };
                eprintln!("Molecule already runs on this data directory.");
                return print_link(&remote);
            }
            other => other?,
        };
        say(&format!("Molecule is ready. Open this link (good once, for ten minutes):\n\n    {}\n", server.link()))?;
        until_told_to_stop().await?;
        server.stop().await;
        Ok(())
    })
}

async fn until_told_to_stop() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        }
    }
    #[cfg(not(unix))]
    Ok(tokio::signal::ctrl_c().await?)
}

fn print_link(remote: &Remote) -> anyhow::Result<()> {
    let answer = remote.call("POST", "/app/ticket", None)?;
    say(answer["url"].as_str().context("the server gave no link")?)
}

fn open(print: bool) -> anyhow::Result<()> {
    let remote = Remote::find(&home::data_dir()?)?;
    let answer = remote.call("POST", "/app/ticket", None)?;
    let url = answer["url"].as_str().context("the server gave no link")?;
    say(url)?;
    if !print {
        let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        // Without a browser the printed link is the answer.
        drop(std::process::Command::new(opener).arg(url).spawn());
    }
    Ok(())
}

fn demo(template: &str) -> anyhow::Result<()> {
    let remote = Remote::find(&home::data_dir()?)?;
    let answer = remote.call("POST", "/org/import", Some(&json!({"dir": template})))?;
    say(&format!("{} is starting: {} agents.", answer["org"].as_str().unwrap_or(template), answer["count"]))
}

fn token(workspace: Option<&str>, url: bool, name: Option<&str>) -> anyhow::Result<()> {
    let remote = Remote::find(&home::data_dir()?)?;
    let path = workspace.map_or_else(|| "/org/tokens".to_owned(), |id| format!("/workspaces/{id}/tokens"));
    let kind = if url { "url" } else { "bearer" };
    let answer = remote.call("POST", &path, Some(&json!({"kind": kind, "name": name})))?;
    let key = if url { "url" } else { "auth_token" };
    say(answer[key].as_str().context("the server gave no token")?)
}

fn doctor() -> anyhow::Result<()> {
    let home = home::data_dir()?;
    say(&format!("data directory  {}", home.display()))?;
    let health = match Remote::find(&home).and_then(|remote| remote.call("GET", "/health", None)) {
        Ok(health) => health,
        Err(error) => return say(&format!("server          not running ({error})")),
    };
    say(&format!("server          running, version {}", health["version"].as_str().unwrap_or("?")))?;
    let vault = &health["vault"];
    say(&format!(
        "secrets         {} ({})",
        vault["store"].as_str().unwrap_or("?"),
        vault["state"].as_str().unwrap_or("?")
    ))
}

fn agent() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(molecule_agent::run(molecule_agent::AgentConfig::from_env()?))
}
