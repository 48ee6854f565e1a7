//! The authenticated state: one ordered map of bytes, its root, and what a command may see of it.

mod buckets;
mod map;
mod overlay;
mod proof;
pub(crate) mod view;

pub(crate) use map::AuthenticatedMap;
pub(crate) use overlay::Overlay;
pub use proof::{BucketRange, RangeError, STATE_BUCKETS, StateTree, verify_range};
pub use view::View;
