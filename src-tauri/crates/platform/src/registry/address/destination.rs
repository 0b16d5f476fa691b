//! Where a URL leads, read as it will be dialled.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

use super::AddressRefused;

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
    // Nor one that the reader of browsers refuses, as it does with an encoded label (`xn--`) that says nothing.
    match url::Host::parse(text) {
        Ok(url::Host::Domain(name)) if name.eq_ignore_ascii_case(text) => Ok(Host::Name(text.to_owned())),
        _ => Err(AddressRefused::NotAUrl),
    }
}
