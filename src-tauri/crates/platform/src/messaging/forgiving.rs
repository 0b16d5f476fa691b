//! A connection whose other end may hang up while we still write.
//!
//! An agent that refuses an upload answers and closes before it has read it. What we write then fails, and a client
//! that ends there never reads the refusal that has already come. So what cannot be written is thrown away, and what
//! is read decides: the answer, or the end of the connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// The connection.
pub struct Forgiving {
    inner: TcpStream,
    /// Nobody takes what is written any more.
    deaf: bool,
}

impl Forgiving {
    /// Nothing was written yet.
    pub const fn new(inner: TcpStream) -> Self {
        Self { inner, deaf: false }
    }

    /// What became of a write of `length` bytes.
    fn forgiven(&mut self, written: io::Result<usize>, length: usize) -> io::Result<usize> {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match written {
            Err(error) if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset) => {
                self.deaf = true;
                Ok(length)
            }
            written => written,
        }
    }
}

impl AsyncRead for Forgiving {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, into)
    }
}

impl AsyncWrite for Forgiving {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = std::task::ready!(Pin::new(&mut self.inner).poll_write(cx, bytes));
        Poll::Ready(self.forgiven(written, bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        if self.deaf {
            return Poll::Ready(Ok(length));
        }
        let written = std::task::ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, pieces));
        Poll::Ready(self.forgiven(written, length))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl Connection for Forgiving {
    fn connected(&self) -> Connected {
        self.inner.connected()
    }
}
