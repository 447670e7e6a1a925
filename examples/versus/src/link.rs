//! A link with a round-trip time, between callers and their server: a proxy that hands bytes on late.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use redis::{Connection, ConnectionLike};

use crate::measure::median;

pub struct Link {
    url: String,
    port: u16,
}

impl Link {
    /// A link to a server on loopback. Without a round-trip time it is loopback itself.
    pub fn to(server: u16, round_trip: Duration) -> Self {
        let port = match round_trip.is_zero() {
            true => server,
            false => delaying(server, round_trip / 2),
        };
        let url = format!("redis://127.0.0.1:{port}");
        Self { url, port }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the link comes to by itself.
    pub fn ceiling(&self) -> Ceiling {
        let mut connection = self.connect();
        let ping = redis::cmd("PING").get_packed_command();
        let micros = |_| {
            let began = Instant::now();
            let answer = connection.req_packed_command(&ping);
            answer.expect("the server answers");
            began.elapsed().as_secs_f64() * 1e6
        };
        let ping_micros = median((0..30).map(micros));
        Ceiling {
            ping_micros,
            reads_per_second: self.reads_per_second(),
        }
    }

    /// Reads that nobody waits for before the next are sent, from four connections.
    fn reads_per_second(&self) -> f64 {
        const READS: usize = 20_000;
        const CONNECTIONS: usize = 4;
        let mut reads = redis::Pipeline::new();
        for _ in 0..READS {
            reads.get("nothing");
        }
        let connections: Vec<_> = (0..CONNECTIONS).map(|_| self.connect()).collect();
        let began = Instant::now();
        thread::scope(|threads| {
            for mut connection in connections {
                let reads = &reads;
                threads.spawn(move || reads.exec(&mut connection).expect("the server answers"));
            }
        });
        (CONNECTIONS * READS) as f64 / began.elapsed().as_secs_f64()
    }

    fn connect(&self) -> Connection {
        let client = redis::Client::open(("127.0.0.1", self.port)).expect("it is an address");
        client.get_connection().expect("the server is there")
    }
}

pub struct Ceiling {
    /// Of a lone caller.
    pub ping_micros: f64,
    /// That go through it one behind the other.
    pub reads_per_second: f64,
}

/// The port of a proxy that hands on what comes, each byte late by so much.
fn delaying(server: u16, by: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for caller in listener.incoming().flatten() {
            // A caller whose server is gone is let go, as by the server.
            let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
                continue;
            };
            let pair = [&caller, &server].map(|of| {
                of.set_nodelay(true)?;
                of.try_clone()
            });
            if let [Ok(to_caller), Ok(to_server)] = pair {
                pipe(caller, to_server, by);
                pipe(server, to_caller, by);
            }
        }
    });
    port
}

/// One direction. What waits for its time does not keep the next bytes from being taken.
fn pipe(mut from: TcpStream, mut to: TcpStream, by: Duration) {
    let (hand_on, late) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut room = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut room) {
            let due = Instant::now() + by;
            if hand_on.send((due, room[..read].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in late {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        // The other end may be gone before.
        let _ = to.shutdown(Shutdown::Both);
    });
}
