//! Ports, hand-over, and what a start says when it cannot be (R-7, "Bad input").

use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, TcpListener},
    process::Stdio,
};

use serde_json::{Value, json};

use super::data_directory;
use crate::support::{
    TestServer, eventually, process,
    server::{Builder, output},
};

fn published(server: &TestServer) -> Value {
    serde_json::from_slice(&fs::read(server.data().join("endpoint.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn r7_a_port_that_was_asked_for_and_is_taken_is_an_error_with_the_way_out() {
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = held.local_addr().unwrap().port().to_string();
    let builder = TestServer::builder().arguments(&["--port", &port]);
    let (code, said, complaint) = output(&mut builder.command());
    assert_eq!(code, Some(1), "{said}");
    let wanted = format!("port {port} is taken by another program");
    assert!(complaint.contains(&wanted) && complaint.contains("PORT"), "{complaint}");
    let by_variable = TestServer::builder().arguments(&[]).env("PORT", &port);
    let (code, _, complaint) = output(&mut by_variable.command());
    assert_eq!(code, Some(1));
    assert!(complaint.contains(&wanted), "{complaint}");
}

/// where nobody asked for a port the next free one is taken, published, and kept.
#[tokio::test]
async fn r7_without_a_wish_the_next_free_port_is_taken_published_and_kept() {
    // Held by us, or by something else of this machine: taken either way.
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 8080));
    let mut server = TestServer::builder().arguments(&[]).start().await;
    let port = server.port();
    assert!((8081..=8100).contains(&port), "{port}");
    assert_eq!(published(&server)["port"], port);
    assert_eq!(published(&server)["url"], server.url());
    assert!(server.link().starts_with(&server.url()));
    server.anonymous().get("/health").await.expect(200);
    drop(held);
    server.restart().await;
    assert_eq!(server.port(), port, "the chosen port is tried first ever after");
}

#[tokio::test]
async fn r7_a_second_start_on_the_same_data_hands_over_to_the_first() {
    let server = TestServer::start().await;
    let (code, said, complaint) = output(&mut server.command(&["serve"]));
    assert_eq!(code, Some(0), "{complaint}");
    let ticket = said.trim().strip_prefix(&format!("{}/#ticket=", server.url())).unwrap();
    server.anonymous().post("/launch", &json!({"ticket": ticket})).await.expect(200);
    assert_eq!(published(&server)["pid"], server.pid(), "the first one stays the owner");
}

/// R7 of the targets: seven processes start at once on one data directory.
#[tokio::test]
async fn target_r7_seven_starts_at_once_make_one_owner() {
    seven_at_once(&TestServer::builder()).await;
}

/// The same where the data has to be migrated first: once, by the owner, and one copy was made.
#[tokio::test]
async fn s104_target_r7_seven_starts_at_once_migrate_once() {
    let builder = TestServer::builder();
    let path = data_directory::released(&builder.data());
    seven_at_once(&builder).await;
    assert_eq!(data_directory::schema_of(&path), molecule_store::migrate::current_version());
    let saved = data_directory::backups(&builder.data());
    assert_eq!(saved.len(), 1, "{saved:?}");
}

async fn seven_at_once(builder: &Builder) {
    let data = builder.data();
    let mut starts: Vec<_> =
        (0..7).map(|_| builder.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()).collect();
    let pids: BTreeSet<u32> = starts.iter().map(std::process::Child::id).collect();
    let owner = eventually("an owner that answers", || async {
        let text = fs::read(data.join("endpoint.json")).map_err(|error| error.to_string())?;
        let value: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        value["pid"].as_u64().ok_or_else(|| value.to_string())
    })
    .await;
    let owner = u32::try_from(owner).unwrap();
    assert!(pids.contains(&owner), "{owner} is none of {pids:?}");
    let mut handed_over = 0;
    for start in starts.drain(..).filter(|start| start.id() != owner).collect::<Vec<_>>() {
        let pid = start.id();
        let done = tokio::task::spawn_blocking(move || start.wait_with_output().unwrap()).await.unwrap();
        let (said, complaint) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        match done.status.code() {
            Some(0) => {
                handed_over += 1;
                assert!(said.contains("#ticket="), "{pid}: {said}");
            }
            // The owner was there, but not yet listening.
            Some(1) => {
                let names = format!("another Molecule (process {owner})");
                assert!(complaint.contains(&names), "{pid}: {complaint}");
            }
            other => panic!("{pid} ended with {other:?}: {complaint}"),
        }
    }
    println!("{handed_over} of 6 handed over, the others named the owner");
    assert!(process::is_alive(owner));
    process::signal(owner, rustix::process::Signal::TERM);
    assert!(process::ends_within(owner, std::time::Duration::from_secs(20)));
}

#[tokio::test]
async fn bad_input_a_data_directory_that_cannot_be_written_is_named_with_the_way_out() {
    // A file where the folder should be: refused for every user, root included.
    let builder = TestServer::builder();
    let file = builder.data().join("taken");
    fs::write(&file, "not a folder").unwrap();
    let builder = builder.env("MOLECULE_HOME", file.join("below"));
    let (code, _, complaint) = output(&mut builder.command());
    assert_eq!(code, Some(1));
    assert!(complaint.contains("cannot be written") && complaint.contains("MOLECULE_HOME"), "{complaint}");
    assert!(!complaint.contains("panicked"), "{complaint}");
}

/// The same for a folder without the right to write; the administrator of a machine may always write.
#[tokio::test]
async fn bad_input_a_read_only_data_directory_is_named_with_the_way_out() {
    use std::os::unix::fs::PermissionsExt;
    let builder = TestServer::builder();
    let data = builder.data();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o500)).unwrap();
    if crate::support::server::can_write(&data) {
        println!("skipped bad_input_a_read_only_data_directory: root may write everywhere");
        return;
    }
    let parent = data.join("below");
    let builder = builder.env("MOLECULE_HOME", parent);
    let (code, _, complaint) = output(&mut builder.command());
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(code, Some(1));
    assert!(complaint.contains("cannot be written"), "{complaint}");
}

#[tokio::test]
async fn r5_an_origin_without_a_scheme_refuses_the_start() {
    let builder = TestServer::builder().env("CORS_ORIGINS", "http://localhost:3000,evil.example");
    let (code, _, complaint) = output(&mut builder.command());
    assert_eq!(code, Some(1));
    assert!(complaint.contains("evil.example") && complaint.contains("http://"), "{complaint}");
}

#[tokio::test]
async fn s136_a_bad_number_in_a_variable_is_logged_with_what_is_used_instead() {
    let server = TestServer::builder().env("A2A_IDLE_TIMEOUT_SECONDS", "30s").start().await;
    let log = server.log();
    let line = log.lines().find(|line| line.contains("A2A_IDLE_TIMEOUT_SECONDS")).unwrap_or_default();
    assert!(line.contains("30s") && line.contains("300"), "{line:?}");
}

#[tokio::test]
async fn the_server_stops_when_told_and_takes_its_address_away() {
    let mut server = TestServer::start().await;
    let data = server.data();
    let pid = server.pid();
    server.stop();
    assert!(!process::is_alive(pid));
    assert!(!data.join("endpoint.json").exists());
    let (code, said, _) = output(&mut server.command(&["doctor"]));
    assert_eq!(code, Some(0));
    assert!(said.contains("not running"), "{said}");
    server.restart().await;
    let (_, said, _) = output(&mut server.command(&["doctor"]));
    assert!(said.contains("running, version"), "{said}");
}
