//! Calls to what is neither an agent nor ours: providers of models, and model servers of this machine.
//!
//! Through the person's proxy where one is set (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`), trusting what this machine
//! trusts (its own roots, `SSL_CERT_FILE`). What lies on this machine itself is never asked for through a proxy.

use std::{net::IpAddr, sync::OnceLock, time::Duration};

use reqwest::{Client, ClientBuilder, redirect::Policy};

use crate::registry::{Destination, Host};

/// The two clients.
pub struct Outward {
    here: Client,
    /// Made when first needed.
    away: OnceLock<Client>,
}

fn builder() -> ClientBuilder {
    Client::builder().redirect(Policy::none()).connect_timeout(Duration::from_secs(10))
}

impl Outward {
    /// Reads the proxy from the environment when it is first needed.
    ///
    /// # Errors
    /// When this machine can do no TLS.
    pub fn new() -> reqwest::Result<Self> {
        Ok(Self { here: builder().no_proxy().build()?, away: OnceLock::new() })
    }

    /// For servers on this machine.
    #[must_use]
    pub const fn here(&self) -> &Client {
        &self.here
    }

    /// For `url`, wherever it leads.
    ///
    /// # Errors
    /// When this machine can do no TLS.
    pub fn to(&self, url: &str) -> reqwest::Result<&Client> {
        if is_here(url) {
            return Ok(&self.here);
        }
        if let Some(client) = self.away.get() {
            return Ok(client);
        }
        let client = builder().build()?;
        Ok(self.away.get_or_init(|| client))
    }
}

/// Whether a URL leads to this machine.
fn is_here(url: &str) -> bool {
    match Destination::of(url).map(|destination| destination.host) {
        Ok(Host::Local) => true,
        Ok(Host::Address(IpAddr::V4(ip))) => ip.is_loopback() || ip.is_unspecified(),
        Ok(Host::Address(IpAddr::V6(ip))) => {
            ip.is_loopback() || ip.is_unspecified() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_here;

    #[test]
    fn done_when_8_loopback_is_here_by_every_spelling() {
        for here in [
            "http://localhost:11434/v1",
            "http://LOCALHOST",
            "http://127.0.0.1:1234/v1",
            "https://127.8.8.8",
            "http://[::1]:1234",
            "http://[::ffff:127.0.0.1]:1234",
            "http://0.0.0.0:11434",
        ] {
            assert!(is_here(here), "{here}");
        }
        for away in
            ["https://api.example/v1", "http://10.0.0.1", "http://localhost.example", "no url", "http://[2001:db8::1]"]
        {
            assert!(!is_here(away), "{away}");
        }
    }
}
