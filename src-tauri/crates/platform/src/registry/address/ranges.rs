//! What each range of addresses is for (10 §8).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is.
pub(super) enum Place {
    Here,
    Lan,
    Public,
    Never,
}

pub(super) fn place_of_v4(ip: Ipv4Addr) -> Place {
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

pub(super) fn place_of_v6(ip: Ipv6Addr) -> Place {
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
pub(super) fn embedded_v4(ip: IpAddr) -> IpAddr {
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
