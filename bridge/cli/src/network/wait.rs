//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

use crate::error::CliError;

/// How long to pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// What one look found.
pub(crate) enum Look<T> {
    /// What was waited for.
    Found(T),
    /// Not yet, and what was seen instead.
    NotYet(String),
}

/// Looks until something is found, at most for `limit`.
///
/// # Errors
/// [`CliError::TimeOut`] with what the last look saw, or the first error of a look.
pub(crate) async fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<Look<T>, CliError>,
) -> Result<T, CliError> {
    let start = Instant::now();
    let mut last = None;
    loop {
        let left = limit.saturating_sub(start.elapsed());
        match tokio::time::timeout(left, look()).await {
            Ok(found) => match found? {
                Look::Found(found) => return Ok(found),
                Look::NotYet(seen) => last = Some(seen),
            },
            Err(_) => return Err(CliError::TimeOut { what: what.to_owned(), limit, last }),
        }
        if start.elapsed() >= limit {
            return Err(CliError::TimeOut { what: what.to_owned(), limit, last });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_is_looked_at_until_it_holds() {
        let mut looks = 0;
        let found = wait_for("three looks", Duration::from_secs(10), async || {
            looks += 1;
            Ok(if looks == 3 { Look::Found(looks) } else { Look::NotYet(format!("look {looks}")) })
        });
        assert_eq!(found.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_limit_ends_the_waiting_even_within_a_look() {
        let never =
            wait_for::<()>("nothing", Duration::from_millis(60), async || Ok(Look::NotYet("empty".into())));
        let error = never.await.unwrap_err();
        assert!(matches!(&error, CliError::TimeOut { last: Some(last), .. } if last == "empty"), "{error}");

        let stuck =
            wait_for::<()>("a stuck look", Duration::from_millis(60), async || std::future::pending().await);
        assert!(matches!(stuck.await, Err(CliError::TimeOut { last: None, .. })));
    }
}
