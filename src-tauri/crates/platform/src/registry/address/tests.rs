//! The table of addresses (10 §8), and what a name's addresses make of it.

use std::{net::IpAddr, sync::Arc};

use super::{AddressRefused, AddressRules, SystemNames};

const OWN: u16 = 8080;

fn rules(allow_lan: bool) -> AddressRules {
    let bridges = vec!["172.18.0.0/16".parse().unwrap()];
    AddressRules { own_port: OWN, allow_lan, bridges, names: Arc::new(SystemNames) }
}

/// `y` allowed, `l` only with MOLECULE_ALLOW_LAN=1, `n` never.
const TABLE: [(&str, char); 117] = [
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
    // An encoded name, and labels that only claim to be one: no other reader takes them.
    ("http://xn--bcher-kva.example", 'y'),
    ("http://XN--BCHER-KVA.example", 'y'),
    ("http://xn--a.example", 'n'),
    ("http://xn--.example", 'n'),
    ("http://agent.xn--0000h.example:9000", 'n'),
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
