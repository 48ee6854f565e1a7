//! Reading whole logs from the nodes, for the judges.

use std::time::Duration;

use quorate_protocol::api::{CBOR, EntriesPage, MAX_PAGE_ENTRIES};

use super::judges::leaves::{Fields, Leaf};
use crate::error::CliError;

/// How long one page may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The first `size` entries of the log that a node serves. `base` is its URL up to and with the group.
///
/// # Errors
/// When the node does not give them.
pub(super) async fn log(base: &str, size: u64) -> Result<Vec<Leaf>, CliError> {
    let failed = |cause: String| CliError::Failed {
        cause: format!("the log of {base} cannot be read: {cause}"),
        mend: "see the node's log".into(),
    };
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(LIMIT)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let mut leaves = Vec::new();
    while (leaves.len() as u64) < size {
        let limit = (size - leaves.len() as u64).min(MAX_PAGE_ENTRIES as u64);
        let url = format!("{base}/entries?from={}&limit={limit}", leaves.len());
        let answer = http.get(url).header("accept", CBOR).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status);
        let bytes = match answer {
            Ok(answer) => answer.bytes().await.map_err(|error| failed(error.to_string()))?,
            Err(error) => return Err(failed(error.to_string())),
        };
        let page = EntriesPage::decode(&bytes).map_err(|error| failed(error.to_string()))?;
        if page.entries.is_empty() {
            return Err(failed(format!("it ends after {} of {size} entries", leaves.len())));
        }
        leaves.extend(page.entries.iter().map(|record| Fields::of(&record.entry).leaf()));
    }
    Ok(leaves)
}
