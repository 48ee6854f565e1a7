//! Running one input within bounds.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

use crate::targets::Target;

/// Counts what Rust code has allocated at once; libFuzzer's own memory is not among it.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// An input that takes longer than this hangs. Real ones take microseconds; the rest is for a machine that does
/// other things meanwhile.
pub const MAX_TIME: Duration = Duration::from_secs(10);

/// What an input cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// The most bytes that were allocated at once.
    pub peak: usize,
    /// How long it took.
    pub time: Duration,
}

/// An input that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A panic: the decoder's own, or that of a property that does not hold.
    #[error("{0}")]
    Panic(String),
    /// More memory than the input may cost.
    #[error("{peak} bytes of memory for an input of {len} bytes, at most {most} are allowed")]
    Memory {
        /// The most bytes that were allocated at once.
        peak: usize,
        /// The input's length.
        len: usize,
        /// The bound.
        most: usize,
    },
    /// More time than any input may take.
    #[error("{0:?} for one input, at most {MAX_TIME:?} are allowed")]
    Time(Duration),
}

/// Runs `target` on `input`.
///
/// Memory is counted for the whole process, so nothing else may run beside it, and what the target makes once and
/// keeps must be there already ([`Target::warm`]).
///
/// # Errors
/// The rule that the input breaks.
pub fn judge(target: &Target, input: &[u8]) -> Result<Cost, Fault> {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let start = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.check)(input)));
    let cost = Cost { time: start.elapsed(), peak: MEMORY.peak_usage().saturating_sub(before) };
    outcome.map_err(|panic| Fault::Panic(message(&*panic)))?;
    let most = target.memory.bound(input.len());
    if cost.peak > most {
        return Err(Fault::Memory { peak: cost.peak, len: input.len(), most });
    }
    if cost.time > MAX_TIME { Err(Fault::Time(cost.time)) } else { Ok(cost) }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".into())
}
