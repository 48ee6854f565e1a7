//! A NEW-VIEW that a correct replica stands for proposes what follows from the VIEW-CHANGEs in it: for each
//! sequence above the highest stable checkpoint the batch that was prepared in the latest view, without a gap.

use std::collections::BTreeMap;

use quorate_pbft::message::NewView;
use quorate_protocol::{Digest, Sequence, View};

use crate::violation::{Verdict, Violation};

/// A correct replica opens a view with `new_view`, or hands on that it entered it.
///
/// # Errors
/// When it forgets a batch that may be committed, prefers one of an earlier view, or leaves a sequence out.
pub fn follows(who: &str, base: Sequence, new_view: &NewView) -> Verdict {
    let stable = new_view.view_changes.iter().filter_map(|asked| asked.stable.as_ref());
    let low = stable.map(|stable| stable.checkpoint.sequence).fold(base, Sequence::max);
    let mut latest: BTreeMap<Sequence, (View, Digest)> = BTreeMap::new();
    for shown in new_view.view_changes.iter().flat_map(|asked| &asked.prepared) {
        let claim = (shown.view, shown.digest);
        if shown.sequence > low {
            let known = latest.entry(shown.sequence).or_insert(claim);
            *known = claim.max(*known);
        }
    }
    let high = latest.last_key_value().map_or(low, |(sequence, _)| *sequence);
    let bad = |detail: String| {
        Err(Violation::new("new_view", format!("{who} opens view {}: {detail}", new_view.view)))
    };
    let proposed: Vec<u64> = new_view.reproposals.iter().map(|again| again.sequence.0).collect();
    if !proposed.iter().copied().eq(low.0 + 1..=high.0) {
        return bad(format!("it proposes {proposed:?} again, not {} to {high}", low.0 + 1));
    }
    for again in &new_view.reproposals {
        let wanted = latest.get(&again.sequence);
        if let Some((view, _)) = wanted.filter(|(_, digest)| *digest != again.digest) {
            return bad(format!("{} is not the batch of view {view}", again.sequence));
        }
    }
    Ok(())
}
