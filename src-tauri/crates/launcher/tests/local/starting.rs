//! Starts: what an agent gets, what a failed start leaves (nothing), and starts at the same time.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use molecule_launcher::{Access, Credentials, Launch, LaunchError, Launcher, Started, Unavailable};
use molecule_model::WorkspaceId;
use tokio::time::timeout;

use crate::bed::{Bed, SOON, WELL_BEHAVED, credentials, eventually, variables};

/// What an agent sees of the server's own environment.
const PASSED: [&str; 16] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "RUST_LOG",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

const MUTE: &str = "while read -r line; do :; done";

/// Never says a word; its stdout is held open by a child.
const MUTE_FAMILY: &str = "sleep 1000 & exec sleep 1000";

#[tokio::test]
async fn a_started_agent_is_recorded_and_running() {
    let bed = Bed::new(WELL_BEHAVED);
    let id = WorkspaceId::random();

    assert_eq!(bed.launcher.name(), "local");
    bed.launcher.available().await.unwrap();
    assert!(!bed.launcher.is_running(id).await.unwrap());
    let Started { url, pid } = bed.launcher.start(bed.launch(id)).await.unwrap();

    assert_eq!(url, "http://127.0.0.1:41234");
    assert!(bed.launcher.is_running(id).await.unwrap());
    let [instance] = bed.launcher.running().await.try_into().unwrap();
    assert_eq!((instance.workspace_id, &instance.url, instance.pid), (id, &url, pid));
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(bed.folder(id).join("run.json")).unwrap()).unwrap();
    assert_eq!(record["pid"], pid.unwrap());
    assert!(record["start_ticks"].as_u64().unwrap() > 0);
    assert_eq!(record["url"], url);
    assert_eq!(record["started_at"], instance.started_at.to_string());
    assert_eq!(record["installation"], bed.installation);
    bed.launcher.shutdown().await;
}

/// 20 §7.7: both files are there before the agent is, readable by their owner alone.
#[tokio::test]
async fn credential_files_are_private_and_precede_the_agent() {
    let script = r#"
        cat "$CONFIGS_DIR/.auth_token" "$CONFIGS_DIR/.platform_inbound_secret" >&2
        echo '{"listening":"http://127.0.0.1:41234"}'
        read -r line
    "#;
    let bed = Bed::new(script);
    let id = WorkspaceId::random();
    bed.launcher.start(bed.launch(id)).await.unwrap();

    let configs = bed.folder(id).join("configs");
    let expected = [
        (configs.join(".auth_token"), "token-very-secret"),
        (configs.join(".platform_inbound_secret"), "inbound-very-secret"),
    ];
    for (path, content) in expected {
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(mode(&path), 0o600);
    }
    assert_eq!(mode(&bed.folder(id).join("run.json")), 0o600);
    assert_eq!(mode(&bed.folder(id).join("agent.log")), 0o600);
    bed.launcher.shutdown().await;
    let console = bed.launcher.console(id, 1000).await.unwrap();
    assert_eq!(console, "token-very-secretinbound-very-secret");
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_environment_is_cleared_and_then_exactly_what_was_given() {
    let withheld = std::env::vars_os().filter(|(name, _)| !PASSED.iter().any(|passed| name == passed));
    assert!(withheld.count() > 0, "the server has something to withhold");
    let bed = Bed::new(WELL_BEHAVED);
    let id = WorkspaceId::random();
    let launch = bed.launch_with(id, |spec| spec.workspace_access = Access::ReadOnly);
    let pid = bed.launcher.start(launch).await.unwrap().pid.unwrap();

    let folder = bed.folder(id).display().to_string();
    let mut variables = variables(pid);
    for name in PASSED {
        assert_eq!(variables.remove(name), std::env::var(name).ok(), "{name}");
    }
    let expected = [
        ("CONFIGS_DIR", format!("{folder}/configs")),
        ("MOLECULE_AGENT_MEMORY_MB", "512".to_owned()),
        ("MOLECULE_AGENT_NAME", "Researcher".to_owned()),
        ("MOLECULE_INSTALLATION", bed.installation.clone()),
        ("MOLECULE_URL", "http://127.0.0.1:1/as/capability-very-secret".to_owned()),
        ("MOLECULE_WORKSPACE_ACCESS", "read_only".to_owned()),
        ("MOLECULE_WORKSPACE_DIR", format!("{folder}/workspace")),
        ("OPENAI_API_KEY", "sk-very-secret".to_owned()),
        ("PLATFORM_URL", "http://127.0.0.1:1/as/capability-very-secret".to_owned()),
        ("WORKSPACE_CONFIG_PATH", format!("{folder}/configs")),
        ("WORKSPACE_ID", id.to_string()),
    ];
    assert_eq!(variables, expected.map(|(name, value)| (name.to_owned(), value)).into());
    let cmdline = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(!cmdline.contains("secret"), "{cmdline}");
    let cwd = fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
    assert_eq!(cwd, bed.folder(id).join("workspace"));
    bed.launcher.shutdown().await;
}

#[tokio::test]
async fn an_early_exit_tells_the_end_of_this_runs_console_only() {
    let bed = Bed::new("echo \"no config for $RUN\" >&2; exit 3");
    let id = WorkspaceId::random();
    for run in ["first", "second"] {
        let env = [("RUN".to_owned(), run.into())];
        let launch = bed.launch_with(id, |spec| spec.env = env.into());
        let error = bed.launcher.start(launch).await.unwrap_err();
        let LaunchError::ExitedEarly { code, signal, tail } = &error else { panic!("{error}") };
        assert_eq!((*code, *signal), (Some(3), None));
        assert_eq!(*tail, format!("no config for {run}\n"));
        // S011
        assert!(!error.public().contains("config for"));
        assert!(!bed.launcher.is_running(id).await.unwrap());
        bed.assert_nothing_left(id);
    }
    let console = bed.launcher.console(id, 1000).await.unwrap();
    assert_eq!(console, "no config for first\nno config for second\n");
}

#[tokio::test]
async fn an_agent_that_never_listens_is_given_up_and_leaves_nothing() {
    for script in [MUTE, MUTE_FAMILY, "exec 1>&-; sleep 1000"] {
        let bed = Bed::with(script, |options| {
            options.listen_deadline = Duration::from_millis(100);
        });
        let id = WorkspaceId::random();
        let error = bed.launcher.start(bed.launch(id)).await.unwrap_err();
        assert!(matches!(error, LaunchError::NeverListened(_)), "{error}");
        eventually("the family is gone", || bed.processes().is_empty()).await;
        bed.assert_nothing_left(id);
    }
}

#[tokio::test]
async fn a_first_line_that_is_no_loopback_address_is_refused() {
    for line in ["hello", r#"{"listening":"http://192.0.2.1:80"}"#, "{}"] {
        let bed = Bed::new(&format!("echo '{line}'; sleep 1000"));
        let id = WorkspaceId::random();
        let error = bed.launcher.start(bed.launch(id)).await.unwrap_err();
        assert!(matches!(error, LaunchError::BadListeningLine(_)), "{error}");
        eventually("the process is gone", || bed.processes().is_empty()).await;
        bed.assert_nothing_left(id);
    }
}

/// A caller that gives up (a deadline, a cancelled request) is as good as a failure.
#[tokio::test]
async fn a_dropped_start_leaves_nothing() {
    let bed = Bed::new(MUTE_FAMILY);
    let id = WorkspaceId::random();
    {
        let start = bed.launcher.start(bed.launch(id));
        tokio::pin!(start);
        tokio::select! {
            result = &mut start => panic!("{result:?}"),
            () = eventually("both processes run", || bed.processes().len() == 2) => {}
        }
    }
    eventually("the family is gone", || bed.processes().is_empty()).await;
    bed.assert_nothing_left(id);
}

/// `S220`: a launch without credentials cannot be written; one with empty ones is refused.
#[tokio::test]
async fn empty_credentials_are_refused() {
    let bed = Bed::new(WELL_BEHAVED);
    let id = WorkspaceId::random();
    let empty = [
        Credentials { auth_token: "".into(), ..credentials() },
        Credentials { inbound_secret: "".into(), ..credentials() },
        Credentials { platform_url: "".into(), ..credentials() },
    ];
    for credentials in empty {
        let launch = Launch::new(bed.launch(id).spec().clone(), credentials);
        let error = bed.launcher.start(launch).await.unwrap_err();
        assert!(matches!(error, LaunchError::IncompleteCredentials), "{error}");
        bed.assert_nothing_left(id);
    }
}

/// `R-58`, `S002`: no usable launcher is an answer, and nothing is touched.
#[tokio::test]
async fn a_missing_program_is_unavailable() {
    let bed = Bed::with("", |options| options.program = "/nonexistent/molecule".into());
    let id = WorkspaceId::random();
    assert_eq!(bed.launcher.available().await, Err(Unavailable::ProgramMissing));
    let error = bed.launcher.start(bed.launch(id)).await.unwrap_err();
    assert!(matches!(error, LaunchError::Unavailable(Unavailable::ProgramMissing)), "{error}");
    assert!(!error.public().contains("nonexistent"));
    bed.assert_nothing_left(id);
    assert_eq!(bed.launcher.console(id, 10).await.unwrap(), "");
    bed.launcher.stop(id).await.unwrap();
}

#[tokio::test]
async fn a_chosen_workspace_folder_must_exist() {
    let bed = Bed::new(WELL_BEHAVED);
    let elsewhere = tempfile::tempdir().unwrap();
    let id = WorkspaceId::random();
    let missing = elsewhere.path().join("gone");
    let launch = bed.launch_with(id, |spec| spec.workspace_dir = missing.clone());
    let error = bed.launcher.start(launch).await.unwrap_err();
    assert!(matches!(error, LaunchError::WorkspaceFolder(_)), "{error}");
    assert!(!missing.exists());
    bed.assert_nothing_left(id);
}

#[tokio::test]
async fn twenty_agents_start_at_once() {
    let bed = Bed::new(WELL_BEHAVED);
    let ids: Vec<_> = (0..20).map(|_| WorkspaceId::random()).collect();
    let mut starts = tokio::task::JoinSet::new();
    let launcher = std::sync::Arc::new(bed.second_launcher(WELL_BEHAVED));
    for id in &ids {
        let (launcher, launch) = (launcher.clone(), bed.launch(*id));
        starts.spawn(async move { launcher.start(launch).await });
    }
    let started = timeout(SOON, starts.join_all()).await.unwrap();
    let pids: std::collections::BTreeSet<_> =
        started.into_iter().map(|started| started.unwrap().pid.unwrap()).collect();
    assert_eq!(pids.len(), 20);
    assert_eq!(launcher.running().await.len(), 20);
    for id in &ids {
        assert!(launcher.is_running(*id).await.unwrap());
    }
    launcher.shutdown().await;
    bed.assert_no_processes();
}

/// Starts of one workspace take turns and the later one replaces the earlier.
#[tokio::test]
async fn simultaneous_starts_of_one_workspace_leave_one_agent() {
    let mut bed = Bed::new(WELL_BEHAVED);
    let id = WorkspaceId::random();
    let (first, second, third) = tokio::join!(
        bed.launcher.start(bed.launch(id)),
        bed.launcher.start(bed.launch(id)),
        bed.launcher.start(bed.launch(id)),
    );
    let pids = [first, second, third].map(|started| started.unwrap().pid.unwrap());
    let [instance] = bed.launcher.running().await.try_into().unwrap();
    assert_eq!(instance.pid, Some(pids[2]));
    assert_eq!(bed.processes(), [pids[2]]);
    assert!(bed.exit().await.expected && bed.exit().await.expected);
    assert!(bed.exits.is_empty());
    assert!(bed.folder(id).join("run.json").exists());
    assert!(bed.folder(id).join("configs/.auth_token").exists());
    bed.launcher.shutdown().await;
}

#[tokio::test]
async fn the_console_turns_over_and_is_read_across_the_turn() {
    let script = r#"
        i=0
        while [ $i -lt 2000 ]; do echo "line $i of the console" >&2; i=$((i + 1)); done
        echo '{"listening":"http://127.0.0.1:41234"}'
        echo 'more on stdout is read and dropped'
        read -r line
    "#;
    let bed = Bed::with(script, |options| options.log_limit = 32 * 1024);
    let id = WorkspaceId::random();
    bed.launcher.start(bed.launch(id)).await.unwrap();
    bed.launcher.stop(id).await.unwrap();

    let size = |name| fs::metadata(bed.folder(id).join(name)).unwrap().len();
    assert!(size("agent.log.1") > 0 && size("agent.log") > 0);
    let console = bed.launcher.console(id, usize::MAX).await.unwrap();
    assert!(console.ends_with("line 1998 of the console\nline 1999 of the console\n"), "{console}");
    let tail = bed.launcher.console(id, 25).await.unwrap();
    assert_eq!(tail, "line 1999 of the console\n");
    // The next server reads it without having run the agent.
    let next = bed.second_launcher("").console(id, usize::MAX).await.unwrap();
    assert_eq!(next, console);
}
