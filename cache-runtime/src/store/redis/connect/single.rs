//! A connection of one caller at a time, who drives it himself: a socket without a task of its own.

use std::io;

use redis::{ConnectionAddr, ConnectionInfo, RedisResult, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::login::login;
use crate::store::redis::resp;

/// Room for what most answers need, and what is kept of it after a larger one.
const ROOM: usize = 4 << 10;

pub(in super::super) struct Single {
    socket: Socket,
    /// Room for the next answer.
    bytes: Vec<u8>,
}

enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Single {
    /// A connection that was seen to answer, driven by the runtime that this is polled on; none where TLS is
    /// in between.
    pub(super) async fn connect(info: &ConnectionInfo) -> Option<RedisResult<Self>> {
        let socket = match info.addr() {
            ConnectionAddr::Tcp(host, port) => tcp(host, *port).await,
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
            _ => return None,
        };
        Some(match socket {
            Ok(socket) => Self::over(socket, info).await,
            Err(error) => Err(error.into()),
        })
    }

    async fn over(socket: Socket, info: &ConnectionInfo) -> RedisResult<Self> {
        let bytes = Vec::with_capacity(ROOM);
        let mut connection = Self { socket, bytes };
        for command in login(info) {
            let answer = connection.ask(&command.get_packed_command()).await;
            answer.and_then(Value::extract_error)?;
        }
        Ok(connection)
    }

    /// The answer to a command that is sent now, which may be an error of the server. After any other error,
    /// or if this is dropped half way, the connection is of no use any more: what is late would be taken for
    /// the next answer.
    pub(in super::super) async fn ask(&mut self, command: &[u8]) -> RedisResult<Value> {
        self.bytes.clear();
        self.bytes.shrink_to(ROOM);
        match &mut self.socket {
            Socket::Tcp(socket) => exchange(socket, command, &mut self.bytes).await,
            #[cfg(unix)]
            Socket::Unix(socket) => exchange(socket, command, &mut self.bytes).await,
        }
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<Socket> {
    let socket = TcpStream::connect((host, port)).await?;
    socket.set_nodelay(true)?;
    Ok(Socket::Tcp(socket))
}

async fn exchange(
    socket: &mut (impl AsyncRead + AsyncWrite + Unpin),
    command: &[u8],
    bytes: &mut Vec<u8>,
) -> RedisResult<Value> {
    socket.write_all(command).await?;
    loop {
        bytes.reserve(ROOM);
        if socket.read_buf(bytes).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Some(answer) = resp::answer(bytes) {
            return answer;
        }
    }
}
