//! `agent.log`: what an agent writes to stderr, in two files of bounded size.

use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// Bytes read from the agent at once.
const CHUNK: usize = 16 * 1024;

/// An open log that appends, and turns over to `<name>.1` before it would pass `limit` bytes.
pub(super) struct ConsoleLog {
    path: PathBuf,
    limit: u64,
    file: File,
    size: u64,
    written: Arc<AtomicU64>,
}

impl ConsoleLog {
    pub(super) async fn open(path: &Path, limit: u64) -> io::Result<Self> {
        let file = open_append(path).await?;
        let size = file.metadata().await?.len();
        let written = Arc::default();
        Ok(Self { path: path.to_owned(), limit, file, size, written })
    }

    /// Counts the bytes appended since [`open`](Self::open), i.e. by this run of the agent.
    pub(super) fn written(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.written)
    }

    /// Copies until `source` ends. Reads on when the log cannot be written (a full disk, say): an
    /// agent must never block on its own console.
    pub(super) async fn fill_from(mut self, mut source: impl AsyncRead + Unpin) {
        let mut chunk = vec![0; CHUNK];
        let mut failing = false;
        while let Ok(length @ 1..) = source.read(&mut chunk).await {
            match self.append(&chunk[..length]).await {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "agent console is not being written");
                }
                Err(_) => {}
            }
        }
    }

    async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u64;
        if self.size > 0 && self.size + length > self.limit {
            fs::rename(&self.path, older(&self.path)).await?;
            self.file = open_append(&self.path).await?;
            self.size = 0;
        }
        self.file.write_all(bytes).await?;
        self.file.flush().await?;
        self.size += length;
        self.written.fetch_add(length, Ordering::Release);
        Ok(())
    }
}

/// The last `bytes` of the log at `path`, its older half included. A missing log is empty.
pub(super) async fn tail(path: &Path, bytes: u64) -> io::Result<String> {
    let newer = tail_of(path, bytes).await?;
    let mut all = tail_of(&older(path), bytes - newer.len() as u64).await?;
    all.extend(newer);
    // The cut may be inside a character: its rest is dropped, so that no replacement sign opens
    // the text.
    let cut = all.iter().take_while(|byte| (**byte & 0b1100_0000) == 0b1000_0000).count();
    Ok(String::from_utf8_lossy(&all[cut..]).into_owned())
}

async fn tail_of(path: &Path, bytes: u64) -> io::Result<Vec<u8>> {
    let mut file = match File::open(path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let length = file.metadata().await?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes))).await?;
    let mut content = Vec::new();
    file.take(bytes).read_to_end(&mut content).await?;
    Ok(content)
}

fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

async fn open_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path).await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn append_all(path: &Path, limit: u64, chunks: &[&str]) {
        let mut log = ConsoleLog::open(path, limit).await.unwrap();
        for chunk in chunks {
            log.append(chunk.as_bytes()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn turns_over_before_the_limit_and_keeps_one_older_half() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.log");
        append_all(&path, 10, &["one\n", "two\n", "three\n", "four\n"]).await;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "four\n");
        assert_eq!(std::fs::read_to_string(older(&path)).unwrap(), "three\n");

        // The next run goes on in the same file.
        append_all(&path, 10, &["five\n"]).await;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "four\nfive\n");
    }

    #[tokio::test]
    async fn tail_spans_both_halves_and_starts_with_a_whole_character() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.log");
        assert_eq!(tail(&path, 100).await.unwrap(), "");
        append_all(&path, 10, &["né\n", "zwölf\n", "drei\n"]).await;
        assert_eq!(tail(&path, 100).await.unwrap(), "zwölf\ndrei\n");
        assert_eq!(tail(&path, 9).await.unwrap(), "lf\ndrei\n");
        assert_eq!(tail(&path, 3).await.unwrap(), "ei\n");
        assert_eq!(tail(&path, 0).await.unwrap(), "");
    }

    #[tokio::test]
    async fn reads_on_when_the_log_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.log");
        let log = ConsoleLog::open(&path, 4).await.unwrap();
        std::fs::create_dir_all(older(&path).join("in the way")).unwrap();
        let (mut writer, reader) = tokio::io::duplex(8);
        let filling = tokio::spawn(log.fill_from(reader));
        for _ in 0..100 {
            writer.write_all(b"line\n").await.unwrap();
        }
        drop(writer);
        filling.await.unwrap();
    }
}
