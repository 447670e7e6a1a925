//! A connection of threads, which are blocked while they wait: a command and its answer have one
//! deadline together.
//!
//! The one of redis-rs has a deadline for each piece in which an answer comes, and a network that drips
//! would keep a thread for as many of them as there are pieces. So the socket is our own, and so is the room
//! for what comes, which redis-rs would overwrite with zeros before each read. With TLS in between it is a
//! connection of redis-rs; there, what took too long is seen afterwards.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use redis::{Client, ConnectionAddr, ConnectionInfo, ConnectionLike, RedisResult, Value};

use super::login::login;
use crate::store::redis::resp;

/// Room for what most answers need, and what is kept of it after a larger one.
const ROOM: usize = 16 << 10;

pub(in super::super) struct Blocking {
    wire: Wire,
    /// How long one answer may take.
    limit: Duration,
}

enum Wire {
    Own(Own),
    Tls(redis::Connection),
}

impl Blocking {
    pub(super) fn connect(
        client: &Client,
        to_connect: Duration,
        limit: Duration,
    ) -> RedisResult<Self> {
        let info = client.get_connection_info();
        let wire = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Wire::Own(Own::connect(
                Socket::tcp(host, *port, to_connect)?,
                info,
                limit,
            )?),
            ConnectionAddr::Unix(path) => {
                Wire::Own(Own::connect(Socket::unix(path)?, info, limit)?)
            }
            _ => {
                let connection = client.get_connection_with_timeout(to_connect)?;
                connection.set_read_timeout(Some(limit))?;
                connection.set_write_timeout(Some(limit))?;
                Wire::Tls(connection)
            }
        };
        Ok(Self { wire, limit })
    }

    /// The answer to a command that is sent now, as `parse` finds it in what came, which may be an error of
    /// the server. After any other error the connection is of no use any more: what is late would be taken
    /// for the next answer.
    pub(in super::super) fn ask(
        &mut self,
        command: &[u8],
        parse: impl Fn(&[u8]) -> Option<RedisResult<Value>>,
        now: Instant,
    ) -> RedisResult<Value> {
        match &mut self.wire {
            Wire::Own(own) => own.ask(command, parse, now, self.limit),
            Wire::Tls(connection) => {
                let answer = connection.req_packed_command(command)?;
                match now.elapsed() > self.limit {
                    true => Err(late().into()),
                    false => Ok(answer),
                }
            }
        }
    }
}

struct Own {
    socket: Socket,
    /// Room for the next answer.
    bytes: Vec<u8>,
}

impl Own {
    fn connect(socket: Socket, info: &ConnectionInfo, limit: Duration) -> RedisResult<Self> {
        socket.set_read_timeout(limit)?;
        socket.set_write_timeout(limit)?;
        let bytes = vec![0; ROOM];
        let mut own = Self { socket, bytes };
        for command in login(info) {
            let command = command.get_packed_command();
            let answer = own.ask(&command, resp::answer, Instant::now(), limit);
            answer.and_then(Value::extract_error)?;
        }
        Ok(own)
    }

    fn ask(
        &mut self,
        command: &[u8],
        parse: impl Fn(&[u8]) -> Option<RedisResult<Value>>,
        now: Instant,
        limit: Duration,
    ) -> RedisResult<Value> {
        let mut within = Within {
            socket: &mut self.socket,
            end: now + limit,
            writes: 0,
            reads: 0,
            looked: false,
        };
        within.write_all(command)?;
        if command.len() > ROOM {
            // One write may have taken most of the time.
            within.reads += 1;
        }
        let answer = read_answer(&mut within, &mut self.bytes, parse)?;
        let (writes, reads) = (within.writes, within.reads);
        // Nearly always it was one of each.
        if writes > 1 {
            self.socket.set_write_timeout(limit)?;
        }
        if reads > 1 {
            self.socket.set_read_timeout(limit)?;
        }
        Ok(answer)
    }
}

fn read_answer(
    within: &mut Within<'_>,
    bytes: &mut Vec<u8>,
    parse: impl Fn(&[u8]) -> Option<RedisResult<Value>>,
) -> RedisResult<Value> {
    let mut filled = 0;
    let answer = loop {
        if filled == bytes.len() {
            bytes.resize(2 * filled, 0);
        }
        match within.read(&mut bytes[filled..])? {
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            read => filled += read,
        }
        if let Some(answer) = parse(&bytes[..filled]) {
            break answer;
        }
    };
    bytes.truncate(ROOM);
    bytes.shrink_to(ROOM);
    answer
}

/// A socket until a moment. It has the whole time as its own limit for what is written first and read
/// first, and is given what is left of it only for what comes after that.
struct Within<'a> {
    socket: &'a mut Socket,
    end: Instant,
    writes: u32,
    reads: u32,
    /// What came until the end was looked at.
    looked: bool,
}

impl Within<'_> {
    fn left(&self) -> io::Result<Duration> {
        let left = self.end.saturating_duration_since(Instant::now());
        // A limit of zero would be none.
        match left.is_zero() {
            true => Err(late()),
            false => Ok(left),
        }
    }

    /// The same for a read. At the end what is there already is looked at once, in no time: where this
    /// process was stopped, the answer did not come late.
    fn left_to_read(&mut self) -> io::Result<Duration> {
        const NO_TIME: Duration = Duration::from_micros(1);
        match self.left() {
            Err(_) if !std::mem::replace(&mut self.looked, true) => Ok(NO_TIME),
            left => left,
        }
    }
}

impl Read for Within<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            self.reads += 1;
            if self.reads > 1 {
                let left = self.left_to_read()?;
                self.socket.set_read_timeout(left)?;
            }
            match self.socket.read(into) {
                // This process was stopped and goes on
                // ([signal(7)](https://man7.org/linux/man-pages/man7/signal.7.html)): the answer comes.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl Write for Within<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        if self.writes > 1 {
            self.socket.set_write_timeout(self.left()?)?;
        }
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Socket {
    fn tcp(host: &str, port: u16, limit: Duration) -> io::Result<Self> {
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, limit) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Self::Tcp(stream));
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    #[cfg(unix)]
    fn unix(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path).map(Self::Unix)
    }

    #[cfg(not(unix))]
    fn unix(_path: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_read_timeout(&self, limit: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(limit)),
            #[cfg(unix)]
            Self::Unix(stream) => stream.set_read_timeout(Some(limit)),
        }
    }

    fn set_write_timeout(&self, limit: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(Some(limit)),
            #[cfg(unix)]
            Self::Unix(stream) => stream.set_write_timeout(Some(limit)),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(into),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(bytes),
        }
    }
}

fn late() -> io::Error {
    io::ErrorKind::TimedOut.into()
}
