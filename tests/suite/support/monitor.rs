//! What a server was sent, and on which connection, by its own word (MONITOR).

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use super::Server;

/// All commands that a server was sent.
#[derive(Debug)]
pub struct Monitor {
    lines: BufReader<TcpStream>,
}

/// One of them, and the connection that it came on.
#[derive(Debug)]
pub struct Sent {
    pub connection: String,
    pub command: String,
}

impl Monitor {
    pub fn of(server: &Server) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.write_all(b"MONITOR\r\n").unwrap();
        let mut lines = BufReader::new(stream);
        let mut answer = String::new();
        lines.read_line(&mut answer).unwrap();
        assert_eq!(answer, "+OK\r\n");
        Self { lines }
    }

    /// Those from its beginning until now, without what scripts did.
    pub fn end(self, server: &Server) -> Vec<Sent> {
        let mut sent = self.all(server);
        sent.retain(|sent| !sent.connection.ends_with("lua"));
        sent
    }

    /// With that. `+17.2 [0 127.0.0.1:4242] "GET" "cache:small:7"`
    pub fn all(self, server: &Server) -> Vec<Sent> {
        server.cli(&["ECHO", "that is all"]);
        let lines = self.lines.lines().map(Result::unwrap);
        let lines = lines.take_while(|line| !line.contains("that is all"));
        let sent = |line: String| {
            let (_, rest) = line.split_once('[')?;
            let (connection, command) = rest.split_once("] ")?;
            Some(Sent {
                connection: connection.to_owned(),
                command: command.to_owned(),
            })
        };
        lines.filter_map(sent).collect()
    }
}

/// The connections that a command of one of these names came on which names such a key.
pub fn connections<'a>(sent: &'a [Sent], names: &[&str], key: &str) -> BTreeSet<&'a str> {
    let is_named = |command: &str| {
        let is = |name: &&str| command.starts_with(&format!("\"{name}\""));
        names.iter().any(is) && command.contains(key)
    };
    let of = sent.iter().filter(|sent| is_named(&sent.command));
    of.map(|sent| sent.connection.as_str()).collect()
}

pub const READS: &[&str] = &["GET", "MGET"];
