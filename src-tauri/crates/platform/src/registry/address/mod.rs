//! Which addresses an agent may have (10 §8 with the `desktop` column of, TARGETS S3).
//!
//! One checker for registration and for dispatch. Loopback and our own bridge networks are where agents live on
//! this machine; the local network only where the person said so. Never our own port, never a Docker port, never
//! link-local, metadata or reserved ranges: the odd ranges that 10 §8 leaves open are closed here. A name is
//! judged by every address it resolves to, and only those addresses are dialled.

mod destination;
mod ranges;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

pub use destination::{Destination, Host};
use futures_util::{FutureExt, future::BoxFuture};
use ipnet::IpNet;
use ranges::{Place, embedded_v4, place_of_v4, place_of_v6};

/// A container engine's unprotected and protected API.
const DOCKER_PORTS: [u16; 2] = [2375, 2376];
/// How long a name may take to resolve.
const LOOKUP: Duration = Duration::from_secs(5);

/// What is allowed on this machine.
#[derive(Clone, Debug)]
pub struct AddressRules {
    /// The port we listen on.
    pub own_port: u16,
    /// `MOLECULE_ALLOW_LAN=1`.
    pub allow_lan: bool,
    /// Networks of our own containers.
    pub bridges: Vec<IpNet>,
    /// Who knows the addresses of a name.
    pub names: Arc<dyn Names>,
}

/// How names become addresses: from outside, so that a test can be a name server that lies.
pub trait Names: Send + Sync + fmt::Debug {
    /// All addresses of a name. A look-up that fails is a refusal.
    fn look_up(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The resolver of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        // Port 0 is nobody's: only the addresses are asked for.
        async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) }.boxed()
    }
}

/// Why an address is refused; the text names what would be accepted, never a resolved address (S253).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    /// It does not parse.
    #[error("url is not valid")]
    NotAUrl,
    /// Neither http nor https.
    #[error("url must begin with http:// or https://")]
    Scheme,
    /// A name or password in it.
    #[error("url must not carry a user name or password")]
    UserInfo,
    /// Our own port or a Docker port.
    #[error("this port is not an agent's")]
    Port,
    /// An address that no agent may have.
    #[error(
        "this address is not allowed for an agent: use one on this computer, a public one, or set MOLECULE_ALLOW_LAN=1 for the local network"
    )]
    Address,
    /// The name leads nowhere.
    #[error("the host name of url cannot be resolved")]
    Unresolvable,
}

impl AddressRules {
    /// Judges a URL without looking anything up: all that can be said of an address, and the ports.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check_text(&self, url: &str) -> Result<Destination, AddressRefused> {
        let destination = Destination::of(url)?;
        match destination.host {
            Host::Address(ip) => self.check_address(ip, destination.port)?,
            Host::Local => self.check_address(Ipv4Addr::LOCALHOST.into(), destination.port)?,
            Host::Name(_) if DOCKER_PORTS.contains(&destination.port) => return Err(AddressRefused::Port),
            Host::Name(_) => {}
        }
        Ok(destination)
    }

    /// Judges a URL with all the addresses that its name resolves to, as registration does.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn check(&self, url: &str) -> Result<(), AddressRefused> {
        let destination = self.check_text(url)?;
        self.addresses(&destination).await.map(drop)
    }

    /// The addresses to dial, every one of them checked; IPv4 loopback stands before `::1`.
    ///
    /// # Errors
    /// When one of them is refused, or there is none.
    pub async fn addresses(&self, destination: &Destination) -> Result<Vec<SocketAddr>, AddressRefused> {
        let port = destination.port;
        let found: Vec<IpAddr> = match &destination.host {
            Host::Address(ip) => vec![*ip],
            Host::Local => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            Host::Name(name) => {
                let looked_up = tokio::time::timeout(LOOKUP, self.names.look_up(name.clone())).await;
                looked_up.map_err(|_| AddressRefused::Unresolvable)?.map_err(|_| AddressRefused::Unresolvable)?
            }
        };
        self.check_all(&found, port)
    }

    /// Judges what a name resolved to.
    ///
    /// # Errors
    /// When one of them is refused, or there is none.
    pub fn check_all(&self, found: &[IpAddr], port: u16) -> Result<Vec<SocketAddr>, AddressRefused> {
        if found.is_empty() {
            return Err(AddressRefused::Unresolvable);
        }
        found.iter().try_for_each(|ip| self.check_address(*ip, port))?;
        let mut addresses: Vec<SocketAddr> = found.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        addresses.sort_by_key(|address| address.ip() == IpAddr::V6(Ipv6Addr::LOCALHOST));
        Ok(addresses)
    }

    /// Judges one address and port.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check_address(&self, ip: IpAddr, port: u16) -> Result<(), AddressRefused> {
        let ip = embedded_v4(ip);
        let public = match self.place_of(ip) {
            Place::Never => return Err(AddressRefused::Address),
            Place::Lan if !self.allow_lan => return Err(AddressRefused::Address),
            Place::Lan | Place::Here => false,
            Place::Public => true,
        };
        if DOCKER_PORTS.contains(&port) || (!public && port == self.own_port) {
            return Err(AddressRefused::Port);
        }
        Ok(())
    }

    fn place_of(&self, ip: IpAddr) -> Place {
        if ip.is_loopback() || self.bridges.iter().any(|net| net.contains(&ip)) {
            return Place::Here;
        }
        match ip {
            IpAddr::V4(ip) => place_of_v4(ip),
            IpAddr::V6(ip) => place_of_v6(ip),
        }
    }
}
