//! Servers in between: one that refuses some commands, as another version of Redis would, and one
//! that makes the faults of a network.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Passes commands on to the server at `port`, but answers those that `refuses` picks with a syntax
/// error. It ends with the process, and its connections with their clients.
pub fn refusing(port: u16, refuses: fn(&[String]) -> bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                continue;
            };
            for stream in [&client, &server] {
                stream.set_nodelay(true).unwrap();
            }
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
            match server.write_all(&bytes) {
                Ok(()) => element(&mut answers).unwrap_or_default(),
                Err(_) => return,
            }
        };
        if answer.is_empty() {
            return;
        }
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

/// Passes everything on, but for the faults that it is told to make. It ends with the process, and
/// its connections with either of their ends.
#[derive(Clone, Debug)]
pub struct Proxy {
    port: u16,
    faults: Arc<Faults>,
}

/// As much as is passed on at a time, where nothing drips.
const CHUNK: usize = 4096;

/// No generation: a connection of it is silent.
const NEVER: u32 = u32::MAX;

#[derive(Debug)]
struct Faults {
    /// Connections of an earlier one are silent.
    generation: AtomicU32,
    /// And so are those that are made while this holds.
    swallows_new: AtomicBool,
    delay_millis: AtomicU64,
    /// The most bytes that come at a time, and the time from one to the next.
    piece: AtomicUsize,
    pause_millis: AtomicU64,
    corrupts: AtomicBool,
    open: Mutex<Vec<Weak<TcpStream>>>,
}

impl Proxy {
    /// In front of the server at `port`.
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let faults = Arc::new(Faults::none());
        let of_connections = faults.clone();
        on_own_thread(move || {
            for client in listener.incoming().flatten() {
                // Without a server the client is told so by the end of its connection.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)) {
                    of_connections.connect(client, server);
                }
            }
        });
        Self { port: own, faults }
    }

    #[cfg(feature = "cluster")]
    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The connections that are open now are silent from here on, as behind a firewall that forgot
    /// them; new ones work.
    pub fn swallow(&self) {
        self.faults.generation.fetch_add(1, Relaxed);
    }

    /// Whether new connections are silent from the first, as where what opens one is dropped on its way;
    /// those that are open now work.
    pub fn swallow_new(&self, swallows: bool) {
        self.faults.swallows_new.store(swallows, Relaxed);
    }

    /// Whatever the server says comes so much later, over however long a way.
    pub fn delay(&self, by: Duration) {
        self.faults.delay_millis.store(millis(by), Relaxed);
    }

    /// Whatever the server says comes in pieces of so many bytes, each so long after the one before it.
    pub fn drip(&self, piece: usize, pause: Duration) {
        self.faults.piece.store(piece, Relaxed);
        self.faults.pause_millis.store(millis(pause), Relaxed);
    }

    /// Whether all that the server says is junk.
    pub fn corrupt(&self, corrupts: bool) {
        self.faults.corrupts.store(corrupts, Relaxed);
    }

    /// How many connections it holds, each with a socket on either side.
    pub fn connections(&self) -> usize {
        let open = self.faults.open.lock().unwrap();
        open.iter()
            .filter(|stream| stream.strong_count() > 0)
            .count()
    }

    /// The end of it.
    pub fn flow(&self) {
        self.drip(CHUNK, Duration::ZERO);
    }

    /// Ends the connections that are open now.
    pub fn cut(&self) {
        let open = self.faults.open.lock().unwrap();
        for stream in open.iter().filter_map(Weak::upgrade) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// What the proxy's threads are called, so that whoever counts threads can tell them from those of
/// what is tested.
pub const THREAD: &str = "fault-proxy";

fn millis(of: Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap()
}

fn on_own_thread(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name(THREAD.to_owned());
    thread.spawn(work).unwrap();
}

impl Faults {
    fn none() -> Self {
        Self {
            generation: AtomicU32::new(0),
            swallows_new: AtomicBool::new(false),
            delay_millis: AtomicU64::new(0),
            piece: AtomicUsize::new(CHUNK),
            pause_millis: AtomicU64::new(0),
            corrupts: AtomicBool::new(false),
            open: Mutex::default(),
        }
    }

    fn connect(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
        }
        let (client, server) = (Arc::new(client), Arc::new(server));
        {
            let mut open = self.open.lock().unwrap();
            open.retain(|stream| stream.strong_count() > 0);
            open.push(Arc::downgrade(&client));
        }
        let born = match self.swallows_new.load(Relaxed) {
            true => NEVER,
            false => self.generation.load(Relaxed),
        };
        let (to_server, to_client) = (self.clone(), self.clone());
        let (from, to) = (client.clone(), server.clone());
        on_own_thread(move || {
            to_server.ask(&from, &to, born);
            let _ = to.shutdown(Shutdown::Both);
        });
        on_own_thread(move || {
            to_client.answer(server, &client, born);
            if to_client.passes(born) {
                let _ = client.shutdown(Shutdown::Both);
            }
        });
    }

    fn passes(&self, born: u32) -> bool {
        self.generation.load(Relaxed) == born
    }

    fn ask(&self, mut from: &TcpStream, mut to: &TcpStream, born: u32) {
        let mut bytes = [0; CHUNK];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if self.passes(born) && to.write_all(&bytes[..count]).is_err() {
                return;
            }
        }
    }

    fn answer(self: &Arc<Self>, from: Arc<TcpStream>, mut to: &TcpStream, born: u32) {
        let (send, on_the_way) = mpsc::channel();
        let faults = self.clone();
        on_own_thread(move || {
            let (mut from, mut bytes) = (from.as_ref(), [0; CHUNK]);
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                let delay = Duration::from_millis(faults.delay_millis.load(Relaxed));
                let due = Instant::now() + delay;
                if send.send((due, bytes[..count].to_vec())).is_err() {
                    return;
                }
            }
        });
        for (due, mut bytes) in on_the_way {
            sleep(due.saturating_duration_since(Instant::now()));
            if self.corrupts.load(Relaxed) {
                bytes.fill(b'?');
            }
            let piece = self.piece.load(Relaxed);
            for bytes in bytes.chunks(piece) {
                sleep(Duration::from_millis(self.pause_millis.load(Relaxed)));
                if self.passes(born) && to.write_all(bytes).is_err() {
                    return;
                }
            }
        }
    }
}
