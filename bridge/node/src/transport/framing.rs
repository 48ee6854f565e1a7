//! Frames on a stream: 4 bytes of length, big-endian, then the content. Length 0 is a heartbeat.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::SILENCE;

/// So much must move within [`SILENCE`], or the link is dead.
const STEP_BYTES: usize = 64 * 1024;

/// A heartbeat as it travels.
pub(super) const HEARTBEAT_FRAME: [u8; 4] = [0; 4];

/// Appends a frame to what is to be written next. The caller has bounded its length.
pub(super) fn append(buffer: &mut Vec<u8>, content: &[u8]) {
    let length = u32::try_from(content.len()).expect("a frame is bounded far below 4 GiB");
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(content);
}

/// Writes one frame.
pub(super) async fn write<S: AsyncWrite + Unpin>(stream: &mut S, content: &[u8]) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(4 + content.len());
    append(&mut buffer, content);
    write_all(stream, &buffer).await
}

/// Writes and flushes `bytes`; an end that takes less than [`STEP_BYTES`] in [`SILENCE`] is dead.
pub(super) async fn write_all<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    for step in bytes.chunks(STEP_BYTES) {
        moving(stream.write_all(step)).await?;
    }
    moving(stream.flush()).await
}

/// Reads the length of the next frame, which is at most `max`.
pub(super) async fn read_length<S: AsyncRead + Unpin>(stream: &mut S, max: usize) -> io::Result<usize> {
    let length = moving(stream.read_u32()).await? as usize;
    if length > max {
        let detail = format!("a frame of {length} bytes, at most {max} are allowed");
        return Err(io::Error::new(io::ErrorKind::InvalidData, detail));
    }
    Ok(length)
}

/// Reads the content of a frame. Memory is taken as bytes come, not as the length announces them.
pub(super) async fn read_content<S: AsyncRead + Unpin>(stream: &mut S, length: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::with_capacity(length.min(STEP_BYTES));
    while content.len() < length {
        let step = (length - content.len()).min(STEP_BYTES);
        let start = content.len();
        content.resize(start + step, 0);
        moving(stream.read_exact(&mut content[start..])).await?;
    }
    Ok(content)
}

/// Reads one frame of at most `max` bytes.
///
/// # Errors
/// When the frame is longer, or the other end closes the stream or is silent.
pub async fn read_short<S: AsyncRead + Unpin>(stream: &mut S, max: usize) -> io::Result<Vec<u8>> {
    let length = read_length(stream, max).await?;
    read_content(stream, length).await
}

async fn moving<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let silent = || io::Error::new(io::ErrorKind::TimedOut, "the other end is silent");
    timeout(SILENCE, step).await.map_err(|_| silent())?
}
