//! Names that lead to public addresses alone, whatever the one who owns a name says today.

use std::io;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::url::is_public;

/// Resolves names by the system, and passes over every address that is not public. A client asks it for each connection, so a name
/// that is moved after it was looked at leads nowhere else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublicAddresses;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                let reason = format!("{} leads to no public address", name.as_str());
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_of_this_machine_leads_nowhere() {
        let Err(error) = PublicAddresses.resolve("localhost".parse().unwrap()).await else {
            panic!("an address");
        };
        assert!(error.to_string().contains("no public address"), "{error}");
    }
}
