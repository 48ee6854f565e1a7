//! HTTP clients, and the proxies of the environment that they go through.

use std::net::IpAddr;

use alloy::transports::http::reqwest::{self, Client, ClientBuilder, Url};

/// Begins a client for requests to `url`. A service of this machine is asked directly, whatever proxies the environment
/// names: no proxy elsewhere could reach it. Redirections are not followed.
pub fn http_client(url: &Url) -> ClientBuilder {
    let builder = Client::builder().redirect(reqwest::redirect::Policy::none());
    if is_loopback(url) { builder.no_proxy() } else { builder }
}

/// Whether the address is of this machine alone.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    match address {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

/// The variable of the environment whose proxy requests to `url` go through, with the proxy's address, without its password;
/// as far as that can be told: `NO_PROXY` may exempt the host.
pub fn proxy_of(url: &Url) -> Option<String> {
    named_proxy(url, |variable| std::env::var(variable).ok())
}

fn named_proxy(url: &Url, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    if is_loopback(url) {
        return None;
    }
    let own =
        if url.scheme() == "https" { ["https_proxy", "HTTPS_PROXY"] } else { ["http_proxy", "HTTP_PROXY"] };
    let names = own.into_iter().chain(["all_proxy", "ALL_PROXY"]);
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(|value| (name, value));
    let (name, value) = names.into_iter().find_map(set)?;
    let address = value.rsplit_once('@').map_or(value.as_str(), |(_, address)| address);
    Some(format!("{name}={}", address.chars().take(80).collect::<String>()))
}

/// What went wrong with a request to `url`, in the innermost error's words, and through which proxy it went. The address
/// itself, which may hold a provider's key, is left out.
pub fn transport_error(error: reqwest::Error, url: &Url) -> String {
    let timed_out = error.is_timeout();
    let error = error.without_url();
    // The outer errors only repeat that a request failed; the innermost one says why.
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let mut reason = innermost.to_string();
    if timed_out && !reason.contains("time") {
        reason = format!("no answer in time ({reason})");
    }
    match proxy_of(url) {
        Some(proxy) => {
            format!(
                "{reason}; the request went through the proxy of {proxy}, unless NO_PROXY exempts the host"
            )
        }
        None => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_however_it_is_written() {
        for url in [
            "http://127.0.0.1:1",
            "http://127.9.9.9",
            "http://[::1]:80",
            "http://localhost",
            "https://a.LOCALHOST./",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(&url.parse().unwrap()), "{url}");
        }
        for url in ["http://128.0.0.1", "http://localhost.example", "http://[::2]", "http://notlocalhost"] {
            assert!(!is_loopback(&url.parse().unwrap()), "{url}");
        }
    }

    #[test]
    fn the_proxy_is_named_without_its_password() {
        let set = |name: &str| match name {
            "HTTP_PROXY" => Some("http://user:secret@proxy.example:3128".to_owned()),
            "all_proxy" => Some("socks5://other".to_owned()),
            _ => None,
        };
        let named = |url: &str| named_proxy(&url.parse().unwrap(), set);
        assert_eq!(named("http://rpc.example").as_deref(), Some("HTTP_PROXY=proxy.example:3128"));
        assert_eq!(named("https://rpc.example").as_deref(), Some("all_proxy=socks5://other"));
        assert_eq!(named("http://localhost:8545"), None);
    }
}
