//! What is cached: a small value and a larger one, and the bodies that make them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How many keys the callers read in turn.
pub const KEYS: u64 = 512;

/// How long a stored value lives: longer than a run.
pub const TTL_SECONDS: u64 = 900;

/// How long the body of a stampede takes.
pub const SLOW: Duration = Duration::from_millis(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    Small,
    Large,
}

/// Three fields, 59 bytes of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Small {
    pub id: u64,
    pub name: String,
    pub email: String,
}

/// About two kilobytes of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Large {
    pub id: u64,
    pub title: String,
    pub text: String,
    pub tags: Vec<String>,
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Line {
    pub product: String,
    pub quantity: u32,
    pub cents: u64,
}

/// The bodies that ran, of all functions of this process.
static BODIES: AtomicU64 = AtomicU64::new(0);

/// How long the last slow body took: a timer is late by up to a millisecond.
static LAST_SLOW: Mutex<Duration> = Mutex::new(Duration::ZERO);

pub fn bodies() -> u64 {
    BODIES.load(Ordering::Relaxed)
}

pub fn last_slow() -> Duration {
    *LAST_SLOW.lock().expect("no holder panics")
}

pub fn load_small(id: u64) -> Small {
    BODIES.fetch_add(1, Ordering::Relaxed);
    Small {
        id,
        name: format!("user {id:06}"),
        email: format!("u{id:06}@example.org"),
    }
}

pub fn load_large(id: u64) -> Large {
    BODIES.fetch_add(1, Ordering::Relaxed);
    let line = |of: u32| Line {
        product: format!("product {of:04}"),
        quantity: 1 + of % 7,
        cents: 1999 + u64::from(of) * 31,
    };
    Large {
        id,
        title: format!("order {id:06}"),
        text: "A line of text as long as people write them. ".repeat(16),
        tags: (0..10).map(|tag| format!("tag {tag:04}")).collect(),
        lines: (0..20).map(line).collect(),
    }
}

/// A body worth waiting for.
pub async fn load_slow(id: u64) -> Small {
    let began = Instant::now();
    let value = load_small(id);
    tokio::time::sleep(SLOW).await;
    *LAST_SLOW.lock().expect("no holder panics") = began.elapsed();
    value
}

/// A key that nothing was ever stored under.
pub fn cold_key() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1_000_000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Bytes of JSON of a value of this size.
pub fn json_bytes(size: Size) -> usize {
    let json = match size {
        Size::Small => serde_json::to_vec(&load_small(0)),
        Size::Large => serde_json::to_vec(&load_large(0)),
    };
    json.expect("these values are JSON").len()
}
