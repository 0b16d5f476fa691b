//! Which addresses an agent may have (10 §8 with the `desktop` column of, TARGETS S3).
//!
//! One checker for registration and for dispatch. Loopback and our own bridge networks are where agents live on
//! this machine; the local network only where the person said so. Never our own port, never a Docker port, never
//! link-local, metadata or reserved ranges: the odd ranges that 10 §8 leaves open are closed here. A name is
//! judged by every address it resolves to, and only those addresses are dialled.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use http::Uri;
use ipnet::IpNet;

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

/// Whom a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// `localhost`: this machine, with no lookup.
    Local,
    /// A name to look up.
    Name(String),
}

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Whom it names.
    pub host: Host,
    /// The port, 80 or 443 where none is given.
    pub port: u16,
}

impl Destination {
    /// Reads a URL as it will be dialled.
    ///
    /// # Errors
    /// What is wrong with its text.
    pub fn of(url: &str) -> Result<Self, AddressRefused> {
        let uri: Uri = url.parse().map_err(|_| AddressRefused::NotAUrl)?;
        Self::of_uri(&uri)
    }

    /// As [`Self::of`].
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn of_uri(uri: &Uri) -> Result<Self, AddressRefused> {
        let default = match uri.scheme_str() {
            Some("http") => 80,
            Some("https") => 443,
            _ => return Err(AddressRefused::Scheme),
        };
        let authority = uri.authority().ok_or(AddressRefused::NotAUrl)?;
        if authority.as_str().contains('@') {
            return Err(AddressRefused::UserInfo);
        }
        // What follows the host is a port or nothing: `host:`, `host:x` and `1.2.3[::1].4` pass for an authority too.
        let rest = authority.as_str().strip_prefix(authority.host()).ok_or(AddressRefused::NotAUrl)?;
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => default,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| AddressRefused::NotAUrl)?
            }
            _ => return Err(AddressRefused::NotAUrl),
        };
        if port == 0 {
            return Err(AddressRefused::Port);
        }
        let host = host(authority.host())?;
        Ok(Self { host, port })
    }
}

fn host(text: &str) -> Result<Host, AddressRefused> {
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return inner.parse().map(|ip: Ipv6Addr| Host::Address(IpAddr::V6(ip))).map_err(|_| AddressRefused::NotAUrl);
    }
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Address(IpAddr::V4(ip)));
    }
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Host::Local);
    }
    // `2130706433`, `0x7f.1`, `127.1`: resolvers read them as addresses, other readers as names. Nobody needs them.
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X");
    // Nor a name with anything else in it than names have: another reader would see another host.
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if text.is_empty() || numeric || !plain {
        return Err(AddressRefused::NotAUrl);
    }
    Ok(Host::Name(text.to_owned()))
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

/// What kind of address it is.
enum Place {
    Here,
    Lan,
    Public,
    Never,
}

fn place_of_v4(ip: Ipv4Addr) -> Place {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        (10, ..) | (192, 168, _) => Place::Lan,
        (172, b, _) if (16..32).contains(&b) => Place::Lan,
        // "This network", carrier NAT, link-local and metadata, protocol assignments, the three test nets,
        // benchmarks, multicast, reserved and broadcast.
        (0, ..)
        | (169, 254, _)
        | (192, 0, 0 | 2)
        | (198, 51, 100)
        | (203, 0, 113)
        | (198, 18 | 19, _)
        | (224.., ..) => Place::Never,
        (100, b, _) if (64..128).contains(&b) => Place::Never,
        _ => Place::Public,
    }
}

fn place_of_v6(ip: Ipv6Addr) -> Place {
    // The metadata service of one cloud, inside the range that local networks use.
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    let [first, second, ..] = ip.segments();
    match first {
        _ if ip == METADATA => Place::Never,
        0xfd00..=0xfdff => Place::Lan,
        // Global unicast, without documentation, Teredo and benchmarks.
        0x2001 if matches!(second, 0xdb8 | 0 | 2) => Place::Never,
        0x2000..=0x3fff => Place::Public,
        _ => Place::Never,
    }
}

/// The IPv4 address inside an IPv6 one: mapped, NAT64, 6to4. It is judged as what it leads to.
fn embedded_v4(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return v4.into();
    }
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low),
        _ => ip,
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::Arc};

    use super::{AddressRefused, AddressRules, SystemNames};

    const OWN: u16 = 8080;

    fn rules(allow_lan: bool) -> AddressRules {
        let bridges = vec!["172.18.0.0/16".parse().unwrap()];
        AddressRules { own_port: OWN, allow_lan, bridges, names: Arc::new(SystemNames) }
    }

    /// `y` allowed, `l` only with MOLECULE_ALLOW_LAN=1, `n` never.
    const TABLE: [(&str, char); 112] = [
        // Loopback by name and by number is one and the same.
        ("http://localhost:9000", 'y'),
        ("http://LOCALHOST:9000", 'y'),
        ("http://127.0.0.1:9000", 'y'),
        ("http://127.0.0.1", 'y'),
        ("http://127.0.0.1:9000/a2a/inbound?x=1", 'y'),
        ("https://127.0.0.1:9000", 'y'),
        ("http://127.255.255.254:9000", 'y'),
        ("http://[::1]:9000", 'y'),
        ("http://[0:0:0:0:0:0:0:1]:9000", 'y'),
        ("http://[::ffff:127.0.0.1]:9000", 'y'),
        ("http://[::ffff:7f00:1]:9000", 'y'),
        // Our own bridge.
        ("http://172.18.0.5:8000", 'y'),
        ("http://172.18.255.254:8000", 'y'),
        // Our own port, by every spelling.
        ("http://localhost:8080", 'n'),
        ("http://127.0.0.1:8080", 'n'),
        ("http://127.9.9.9:8080", 'n'),
        ("http://[::1]:8080", 'n'),
        ("http://[::ffff:127.0.0.1]:8080", 'n'),
        ("http://172.18.0.1:8080", 'n'),
        ("http://192.168.1.4:8080", 'n'),
        ("http://[64:ff9b::7f00:1]:8080", 'n'),
        // A container engine's API, anywhere.
        ("http://localhost:2375", 'n'),
        ("http://localhost:2376", 'n'),
        ("http://127.0.0.1:2375", 'n'),
        ("https://127.0.0.1:2376", 'n'),
        ("http://[::1]:2375", 'n'),
        ("http://172.18.0.1:2375", 'n'),
        ("http://93.184.216.34:2375", 'n'),
        ("http://agent.example:2375", 'n'),
        ("http://agent.example:2376", 'n'),
        // Link-local and metadata.
        ("http://169.254.169.254", 'n'),
        ("http://169.254.169.254/latest/meta-data/", 'n'),
        ("http://169.254.0.1:9000", 'n'),
        ("http://[::ffff:169.254.169.254]", 'n'),
        ("http://[::ffff:a9fe:a9fe]", 'n'),
        ("http://[64:ff9b::a9fe:a9fe]", 'n'),
        ("http://[2002:a9fe:a9fe::1]", 'n'),
        ("http://[fd00:ec2::254]", 'n'),
        ("http://[fe80::1]:9000", 'n'),
        ("http://[fe80::1%25eth0]:9000", 'n'),
        ("http://[febf::1]:9000", 'n'),
        // The local network.
        ("http://10.0.0.1:9000", 'l'),
        ("http://10.255.255.254:9000", 'l'),
        ("http://172.16.0.1:9000", 'l'),
        ("http://172.31.255.254:9000", 'l'),
        ("http://192.168.0.1:9000", 'l'),
        ("http://192.168.255.254:9000", 'l'),
        ("http://[::ffff:10.0.0.1]:9000", 'l'),
        ("http://[fd12:3456::1]:9000", 'l'),
        ("http://[fdff::1]:9000", 'l'),
        // Just outside it.
        ("http://9.255.255.255:9000", 'y'),
        ("http://11.0.0.1:9000", 'y'),
        ("http://172.15.255.255:9000", 'y'),
        ("http://172.32.0.1:9000", 'y'),
        ("http://192.167.255.255:9000", 'y'),
        ("http://192.169.0.1:9000", 'y'),
        // Carrier NAT and its neighbours.
        ("http://100.64.0.1:9000", 'n'),
        ("http://100.127.255.254:9000", 'n'),
        ("http://100.63.255.255:9000", 'y'),
        ("http://100.128.0.1:9000", 'y'),
        // Test nets, benchmarks, documentation.
        ("http://192.0.2.1", 'n'),
        ("http://198.51.100.1", 'n'),
        ("http://203.0.113.1", 'n'),
        ("http://198.18.0.1", 'n'),
        ("http://198.19.255.254", 'n'),
        ("http://192.0.0.1", 'n'),
        ("http://[2001:db8::1]", 'n'),
        ("http://[2001::1]", 'n'),
        // Multicast, unspecified, reserved, broadcast.
        ("http://224.0.0.1", 'n'),
        ("http://224.0.1.1", 'n'),
        ("http://239.255.255.250", 'n'),
        ("http://240.0.0.1", 'n'),
        ("http://255.255.255.255", 'n'),
        ("http://0.0.0.0:9000", 'n'),
        ("http://0.1.2.3:9000", 'n'),
        ("http://[::]:9000", 'n'),
        ("http://[ff01::1]", 'n'),
        ("http://[ff02::1]", 'n'),
        ("http://[ff0e::1]", 'n'),
        // The half of the local range that nobody assigned, old site-local, old compatible.
        ("http://[fc00::1]", 'n'),
        ("http://[fcff::1]", 'n'),
        ("http://[fec0::1]", 'n'),
        ("http://[::7f00:2]", 'n'),
        // Public.
        ("http://93.184.216.34", 'y'),
        ("https://93.184.216.34:8080/a2a", 'y'),
        ("https://[2606:2800:220:1:248:1893:25c8:1946]", 'y'),
        ("https://agent.example", 'y'),
        ("https://agent.example:8080/", 'y'),
        // Numbers in disguise.
        ("http://2130706433:9000", 'n'),
        ("http://0x7f000001:9000", 'n'),
        ("http://0x7f.1:9000", 'n'),
        ("http://0177.0.0.1:9000", 'n'),
        ("http://127.1:9000", 'n'),
        ("http://127.0.0.1.:9000", 'n'),
        ("http://127.0.0[::1].1:9000", 'n'),
        ("http://[::1]x:9000", 'n'),
        ("http://agent.example:+80", 'n'),
        ("http://agent!example", 'n'),
        // Other schemes and broken text.
        ("remote://no-inbound", 'n'),
        ("file:///etc/passwd", 'n'),
        ("ftp://127.0.0.1", 'n'),
        ("gopher://127.0.0.1:6379/_", 'n'),
        ("127.0.0.1:9000", 'n'),
        ("http://", 'n'),
        ("http:///path", 'n'),
        ("http://user@127.0.0.1:9000", 'n'),
        ("http://user:password@agent.example", 'n'),
        ("http://127.0.0.1:9000@169.254.169.254", 'n'),
        ("http://127.0.0.1:99999", 'n'),
        ("http://127.0.0.1:0", 'n'),
        ("http://exa mple", 'n'),
        ("", 'n'),
    ];

    #[test]
    fn s3_s247_s250_the_table() {
        for (url, want) in TABLE {
            let strict = rules(false).check_text(url);
            let lan = rules(true).check_text(url);
            let got = match (&strict, &lan) {
                (Ok(_), Ok(_)) => 'y',
                (Err(_), Ok(_)) => 'l',
                (Err(_), Err(_)) => 'n',
                (Ok(_), Err(_)) => '?',
            };
            assert_eq!(got, want, "{url}: {strict:?}");
        }
    }

    #[test]
    fn s3_a_name_is_as_good_as_the_worst_of_its_addresses() {
        let all = |list: &[&str], port| {
            let list: Vec<IpAddr> = list.iter().map(|ip| ip.parse().unwrap()).collect();
            rules(false).check_all(&list, port)
        };
        assert_eq!(all(&[], 80), Err(AddressRefused::Unresolvable));
        assert_eq!(all(&["93.184.216.34", "169.254.169.254"], 80), Err(AddressRefused::Address), "a rebinding name");
        assert_eq!(all(&["93.184.216.34", "127.0.0.1"], OWN), Err(AddressRefused::Port));
        let sorted: Vec<String> = all(&["::1", "127.0.0.1"], 9000).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(sorted, ["127.0.0.1:9000", "[::1]:9000"]);
    }

    #[tokio::test]
    async fn r62_localhost_is_never_looked_up() {
        let rules = rules(false);
        let destination = rules.check_text("http://localhost:9000").unwrap();
        let found: Vec<String> = rules.addresses(&destination).await.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["127.0.0.1:9000", "[::1]:9000"]);
    }
}
