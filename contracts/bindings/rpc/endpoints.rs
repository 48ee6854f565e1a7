//! Which endpoints are asked, and how many of them have to agree.

use std::fmt;
use std::str::FromStr;

use alloy::transports::http::reqwest::Url;

/// The most endpoints that are asked at once.
pub const MAX_ENDPOINTS: usize = 16;

/// RPC endpoints of one chain, and how many of them have to say the same before it is believed.
///
/// Written as one URL, as several with commas between them, or as `2 of URL,URL,URL`. Without a number, the majority has
/// to agree: 2 of 2, 2 of 3, 3 of 4. With `1 of`, any answer is believed, and the others only stand in for one that fails.
///
/// ```
/// use quorate_contracts::rpc::Endpoints;
///
/// let endpoints: Endpoints = "https://a.example,https://b.example/key,http://127.0.0.1:8545".parse()?;
/// assert_eq!((endpoints.urls().len(), endpoints.agree()), (3, 2));
/// assert_eq!("1 of http://a,http://b".parse::<Endpoints>()?.agree(), 1);
/// # Ok::<(), quorate_contracts::rpc::EndpointsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    urls: Vec<Url>,
    agree: usize,
}

/// Why a text names no endpoints.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no http address of an RPC endpoint, nor several with commas between them: {reason}")]
pub struct EndpointsError {
    /// The part that is wrong, cut.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Endpoints {
    /// The endpoints' addresses, at least one.
    pub fn urls(&self) -> &[Url] {
        &self.urls
    }

    /// How many of them have to say the same; at least one.
    pub fn agree(&self) -> usize {
        self.agree
    }
}

impl FromStr for Endpoints {
    type Err = EndpointsError;

    fn from_str(text: &str) -> Result<Self, EndpointsError> {
        let wrong = |part: &str, reason: &str| EndpointsError {
            text: part.chars().take(80).collect(),
            reason: reason.to_owned(),
        };
        let (number, list) = match text.trim().split_once(" of ") {
            Some((number, list)) => (Some(number), list),
            None => (None, text),
        };
        let mut urls: Vec<Url> = Vec::new();
        for part in list.split(',').map(str::trim) {
            let url = part.parse::<Url>().ok();
            let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
            let url = url.ok_or_else(|| wrong(part, "write it as http://HOST:PORT or https://HOST"))?;
            // One that is named twice would be believed twice.
            if urls.contains(&url) {
                return Err(wrong(part, "it is named twice"));
            }
            urls.push(url);
        }
        if urls.len() > MAX_ENDPOINTS {
            return Err(wrong(text, &format!("{} endpoints, at most {MAX_ENDPOINTS} are asked", urls.len())));
        }
        let agree = match number {
            None => urls.len() / 2 + 1,
            Some(number) => {
                let agree = number.trim().parse().ok().filter(|agree| (1..=urls.len()).contains(agree));
                let reason = format!("1 to {} of {} endpoints can agree", urls.len(), urls.len());
                agree.ok_or_else(|| wrong(number, &reason))?
            }
        };
        Ok(Self { urls, agree })
    }
}

impl fmt::Display for Endpoints {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.urls.len() > 1 {
            write!(formatter, "{} of ", self.agree)?;
        }
        let urls: Vec<&str> = self.urls.iter().map(Url::as_str).collect();
        formatter.write_str(&urls.join(","))
    }
}

/// Whose answer it is, without the path and the user, which may hold a provider's key.
pub(super) fn name(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_several_and_a_number_are_read_and_written() {
        for (text, count, agree) in [
            ("http://127.0.0.1:8545", 1, 1),
            ("http://a, http://b", 2, 2),
            ("http://a,http://b,http://c", 3, 2),
            ("http://a,http://b,http://c,http://d", 4, 3),
            ("1 of http://a,http://b,http://c", 3, 1),
            ("3 of http://a,http://b,http://c", 3, 3),
        ] {
            let read: Endpoints = text.parse().unwrap();
            assert_eq!((read.urls().len(), read.agree()), (count, agree), "{text}");
            assert_eq!(read.to_string().parse::<Endpoints>().unwrap(), read, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            ("localhost:8545", "http://HOST:PORT"),
            ("", "http://HOST:PORT"),
            ("http://a,", "http://HOST:PORT"),
            ("http://a,http://a", "named twice"),
            ("0 of http://a", "1 to 1 of 1"),
            ("3 of http://a,http://b", "1 to 2 of 2"),
            ("many of http://a", "1 to 1 of 1"),
        ] {
            let error = text.parse::<Endpoints>().unwrap_err();
            assert!(error.to_string().contains(words), "{text:?}: {error}");
        }
        let many: Vec<String> = (0..17).map(|number| format!("http://a:{}", 8000 + number)).collect();
        assert!(many.join(",").parse::<Endpoints>().unwrap_err().to_string().contains("at most 16"));
    }

    #[test]
    fn a_name_holds_no_key() {
        let url: Url = "https://user:secret@rpc.example:8443/v2/secret?key=secret".parse().unwrap();
        assert_eq!(name(&url), "rpc.example:8443");
    }
}
