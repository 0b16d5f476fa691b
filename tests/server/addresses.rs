//! S3 of the targets on the real program: which settings open an address, and which do not (R-34, S248–S250). The
//! whole table is in the platform's own suite.

use serde_json::json;

use crate::support::{Builder, TestServer};

/// Statuses of a register with an address of this machine, of the local network, of a cloud's metadata service and of
/// the platform itself.
async fn opened(builder: Builder) -> [u16; 4] {
    let server = builder.start().await;
    let row = server.admin().post("/workspaces", &json!({"name": "Agent", "external": true})).await.expect(201);
    let id = row["id"].as_str().unwrap();
    let made = server.admin().post(&format!("/workspaces/{id}/tokens"), &json!({})).await.expect(201);
    let agent = server.bearer(made["auth_token"].as_str().unwrap());
    let mut statuses = [0; 4];
    let urls = ["http://127.0.0.1:9", "http://192.168.1.9:9000", "http://169.254.169.254", &server.url()];
    for (status, url) in statuses.iter_mut().zip(urls) {
        let body = json!({"id": id, "url": url, "delivery_mode": "push", "agent_card": {}});
        *status = agent.post("/registry/register", &body).await.status;
    }
    statuses
}

#[tokio::test]
async fn s3_s248_s250_only_the_lan_switch_opens_the_lan() {
    assert_eq!(opened(TestServer::builder()).await, [200, 400, 400, 400]);
    assert_eq!(opened(TestServer::builder().env("MOLECULE_ALLOW_LAN", "1")).await, [200, 200, 400, 400]);
    for (name, value) in [
        ("MOLECULE_ALLOW_LAN", "0"),
        ("MOLECULE_ENV", "development"),
        // The hosted product's modes are not this machine's.
        ("MOLECULE_DEPLOY_MODE", "saas"),
        ("MOLECULE_ORG_ID", "an-org"),
    ] {
        let got = opened(TestServer::builder().env(name, value)).await;
        assert_eq!(got, [200, 400, 400, 400], "{name}={value}");
    }
}

/// No part of the server's own name is an agent's address, whatever the machine calls itself.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn s3_the_machine_s_own_name_with_our_port_is_refused() {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for builder in [TestServer::builder(), TestServer::builder().env("MOLECULE_ALLOW_LAN", "1")] {
        let server = builder.start().await;
        let id = uuid::Uuid::new_v4();
        let url = format!("http://{}:{}", name.trim(), server.port());
        let body = json!({"id": id, "url": url, "delivery_mode": "push", "agent_card": {}});
        let refused = server.admin().post("/registry/register", &body).await;
        refused.expect(400);
        assert!(!refused.error().is_empty(), "{}", refused.text());
    }
}
