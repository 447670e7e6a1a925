//! A server in between that refuses some commands, as another version of Redis would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Passes commands on to the server at `port`, but answers those that `refuses` picks with a syntax
/// error. It ends with the process, and its connections with their clients.
pub fn refusing(port: u16, refuses: fn(&[String]) -> bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            std::thread::spawn(move || serve(client, &server, refuses));
        }
    });
    own
}

/// One command at a time, so that answers stay in their order.
fn serve(mut client: TcpStream, server: &TcpStream, refuses: fn(&[String]) -> bool) {
    let mut commands = BufReader::new(client.try_clone().unwrap());
    let mut answers = BufReader::new(server.try_clone().unwrap());
    while let Some(bytes) = element(&mut commands) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let words: Vec<_> = text.split("\r\n").map(str::to_owned).collect();
        let answer = if refuses(&words) {
            b"-ERR syntax error\r\n".to_vec()
        } else {
            let mut server = server;
            server.write_all(&bytes).unwrap();
            element(&mut answers).unwrap_or_default()
        };
        if client.write_all(&answer).is_err() {
            return;
        }
    }
}

/// The bytes of one element of the protocol.
fn element(from: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    from.read_until(b'\n', &mut bytes)
        .ok()
        .filter(|read| *read > 0)?;
    let count = std::str::from_utf8(&bytes[1..]).ok()?.trim().parse::<i64>();
    match (bytes[0], count) {
        (b'$', Ok(length)) if length >= 0 => {
            let length = u64::try_from(length).unwrap() + 2;
            from.by_ref().take(length).read_to_end(&mut bytes).ok()?;
        }
        (b'*' | b'%' | b'>', Ok(count)) => {
            for _ in 0..count {
                bytes.extend(element(from)?);
            }
        }
        _ => {}
    }
    Some(bytes)
}

/// Passes everything on, until the returned function is called: from then on the connections that
/// were open are silent, as behind a firewall that forgot them, and new ones work.
pub fn swallowing(port: u16) -> (u16, impl Fn()) {
    let generation = Arc::new(AtomicU32::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let current = generation.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let born = current.load(Ordering::SeqCst);
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let current = current.clone();
                std::thread::spawn(move || {
                    pass(from, to, || current.load(Ordering::SeqCst) == born)
                });
            }
        }
    });
    let swallow = move || {
        generation.fetch_add(1, Ordering::SeqCst);
    };
    (own, swallow)
}

fn pass(mut from: TcpStream, mut to: TcpStream, passes: impl Fn() -> bool) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if passes() && to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}
