//! Which announced URLs may be followed.

use std::net::IpAddr;

use reqwest::Url;

/// The most bytes of an announced URL: what the `Directory` keeps.
pub const MAX_URL_BYTES: usize = 256;

/// How far an announced URL may lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// To public addresses alone: else whoever announces a URL could have this machine ask its own network. Names are held to it
    /// each time that they are resolved.
    #[default]
    Public,
    /// Anywhere: for groups within one network or one machine.
    Anywhere,
}

/// Why an announced URL is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableUrl {
    /// There is none.
    #[error("nothing was announced")]
    Empty,
    /// More bytes than are read.
    #[error("it has more than {MAX_URL_BYTES} bytes")]
    TooLong,
    /// Spaces, control characters, or what is not ASCII: a host of other letters is written in Punycode.
    #[error("it has characters that no URL has")]
    Characters,
    /// No URL.
    #[error("it is no URL")]
    Malformed,
    /// Neither http nor https.
    #[error("it is neither http nor https")]
    Scheme,
    /// A name or password, a query or a fragment: none belongs to a node's base.
    #[error("it has more than a host, a port and a path")]
    Parts,
    /// An address of one's own machine or network.
    #[error("it leads to an address that is not public")]
    NotPublic,
}

/// The URL as a client takes it, if it may be followed.
///
/// # Errors
/// [`UnusableUrl`]
pub fn checked_url(announced: &str, reach: Reach) -> Result<String, UnusableUrl> {
    if announced.is_empty() {
        return Err(UnusableUrl::Empty);
    }
    if announced.len() > MAX_URL_BYTES {
        return Err(UnusableUrl::TooLong);
    }
    if !announced.chars().all(|c| c.is_ascii_graphic()) {
        return Err(UnusableUrl::Characters);
    }
    let url: Url = announced.parse().map_err(|_| UnusableUrl::Malformed)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UnusableUrl::Scheme);
    }
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !is_plain {
        return Err(UnusableUrl::Parts);
    }
    let host = url.host_str().ok_or(UnusableUrl::Malformed)?;
    if reach == Reach::Public && !may_be_public(host) {
        return Err(UnusableUrl::NotPublic);
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether a host, as a parsed URL has it, is a public address or a name that may stand for one.
fn may_be_public(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = literal.parse() {
        return is_public(address);
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    // A name without a dot is one of the own network, as are these.
    let is_local = ["localhost", "local", "internal", "home.arpa"]
        .iter()
        .any(|suffix| name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
    name.contains('.') && !is_local
}

/// Whether an address is one of the public internet, by the registries of special-purpose addresses (RFC 6890).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, third, _] = address.octets();
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_broadcast()
                || address.is_documentation()
                || address.is_multicast()
                // This network, shared address space, protocol assignments, benchmarks, and what is reserved.
                || first == 0
                || (first == 100 && second & 0xc0 == 64)
                || (first == 192 && second == 0 && third == 0)
                || (first == 198 && second & 0xfe == 18)
                || first >= 240)
        }
        IpAddr::V6(address) => {
            if let Some(mapped) = address.to_ipv4_mapped() {
                return is_public(mapped.into());
            }
            let [first, second, ..] = address.segments();
            // Global unicast, but documentation, Teredo and 6to4, which carry other addresses within.
            first & 0xe000 == 0x2000
                && !(first == 0x2001 && (second == 0x0db8 || second == 0))
                && first != 0x2002
                && first & 0xfff0 != 0x3ff0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_of_the_public_internet_is_followed() {
        for (announced, url) in [
            ("https://node.example:8443", "https://node.example:8443"),
            ("http://8.8.8.8:8100/", "http://8.8.8.8:8100"),
            ("https://node.example/quorate/", "https://node.example/quorate"),
            ("HTTPS://NODE.example", "https://node.example"),
            ("http://[2606:4700::1111]:8100", "http://[2606:4700::1111]:8100"),
        ] {
            assert_eq!(checked_url(announced, Reach::Public).as_deref(), Ok(url));
        }
    }

    #[test]
    fn what_is_no_base_of_a_node_is_not() {
        let long = format!("https://node.example/{}", "x".repeat(MAX_URL_BYTES));
        for (announced, reason) in [
            ("", UnusableUrl::Empty),
            (&*long, UnusableUrl::TooLong),
            ("https://node.example\n", UnusableUrl::Characters),
            ("https://node .example", UnusableUrl::Characters),
            ("https://n\u{f6}de.example", UnusableUrl::Characters),
            ("https://node.example\u{202e}", UnusableUrl::Characters),
            ("node.example:8100", UnusableUrl::Scheme),
            ("node", UnusableUrl::Malformed),
            ("http://", UnusableUrl::Malformed),
            ("file:///etc/passwd", UnusableUrl::Scheme),
            ("ftp://node.example", UnusableUrl::Scheme),
            ("javascript:alert(1)", UnusableUrl::Scheme),
            ("https://user@node.example", UnusableUrl::Parts),
            ("https://:secret@node.example", UnusableUrl::Parts),
            ("https://node.example?x=1", UnusableUrl::Parts),
            ("https://node.example#x", UnusableUrl::Parts),
        ] {
            for reach in [Reach::Public, Reach::Anywhere] {
                assert_eq!(checked_url(announced, reach), Err(reason), "{announced:?}");
            }
        }
    }

    /// Also in the ways of writing an address that the URL's standard takes for the same.
    #[test]
    fn what_is_not_public_is_followed_only_where_the_caller_says_so() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fc00::1]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[2001::1]",
            "[2001:db8::1]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "node",
            "node.local",
            "metadata.google.internal",
            "node.home.arpa",
        ] {
            let announced = format!("http://{host}:8100");
            assert_eq!(checked_url(&announced, Reach::Public), Err(UnusableUrl::NotPublic), "{host}");
            assert!(checked_url(&announced, Reach::Anywhere).is_ok(), "{host}");
        }
        assert!(checked_url("http://notlocalhost.example", Reach::Public).is_ok());
    }
}
