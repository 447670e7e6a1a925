//! The slowest calls of the soak, each with what was told of its key and which faults were made while it
//! lasted.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, EventKind, Listening, Seen as How};

use crate::report::{DEADLINE, millis};

/// So many are printed.
const PRINTED: usize = 3;
/// What is told is remembered for longer than the slowest call lasts.
const REMEMBERED: Duration = Duration::from_secs(2);

/// What happened.
#[derive(Clone, Copy)]
enum What {
    Fault(&'static str),
    /// To a key, or to the server.
    Told(EventKind, Option<usize>),
}

impl What {
    /// Whether a call of this key may have to do with it.
    fn concerns(self, key: usize) -> bool {
        matches!(self, Self::Fault(_) | Self::Told(_, None))
            || matches!(self, Self::Told(_, Some(of)) if of == key)
    }
}

impl fmt::Display for What {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(name) => write!(to, "[{name}]"),
            Self::Told(kind, _) => write!(to, "{kind:?}"),
        }
    }
}

#[derive(Default)]
pub struct Slowest(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    events: VecDeque<(Instant, What)>,
    worst: Duration,
    /// Of those that waited for the load of another.
    worst_joined: Duration,
    /// The slowest first.
    stories: Vec<(Duration, String)>,
}

impl Slowest {
    /// For as long as the second one lives.
    pub fn of(cache: &Cache) -> (Arc<Self>, Listening) {
        // All of the room at once, since the soak looks at what grows.
        const MOST: usize = 1 << 17;
        let slowest = Arc::<Self>::default();
        slowest.0.lock().unwrap().events.reserve(MOST);
        let of_listener = slowest.clone();
        let listening = cache.on_event(move |event| {
            let key = event
                .key
                .rsplit(':')
                .next()
                .and_then(|key| key.parse().ok());
            of_listener.add(What::Told(event.kind, key));
        });
        (slowest, listening)
    }

    pub fn fault(&self, name: &'static str) {
        self.add(What::Fault(name));
    }

    fn add(&self, what: What) {
        let now = Instant::now();
        let events = &mut self.0.lock().unwrap().events;
        events.push_back((now, what));
        while events.front().is_some_and(|(at, _)| now - *at > REMEMBERED) {
            events.pop_front();
        }
    }

    /// A call that began then has ended.
    pub fn ended(&self, kind: &str, key: usize, began: Instant, how: How) {
        let took = began.elapsed();
        if took < DEADLINE / 2 {
            return;
        }
        let seen = &mut *self.0.lock().unwrap();
        let worst = match how {
            How::Joined => &mut seen.worst_joined,
            _ => &mut seen.worst,
        };
        *worst = took.max(*worst);
        let is_slower = |(other, _): &(Duration, String)| *other >= took;
        let at = seen.stories.iter().filter(|of| is_slower(of)).count();
        if at == PRINTED {
            return;
        }
        let of_call = seen
            .events
            .iter()
            .filter(|(at, what)| what.concerns(key) && *at + REMEMBERED / 4 > began);
        let told = of_call.map(|(at, what)| match at.checked_duration_since(began) {
            Some(after) => format!("{what} +{:.0}", after.as_secs_f64() * 1e3),
            None => format!("{what} -{:.0}", (began - *at).as_secs_f64() * 1e3),
        });
        let told: Vec<_> = told.collect();
        let story = format!("{kind} call of {key}, {how:?}: {}", told.join(", "));
        seen.stories.insert(at, (took, story));
        seen.stories.truncate(PRINTED);
    }

    /// How long the slowest call took, and the slowest that waited for the load of another.
    pub fn print(&self) -> (Duration, Duration) {
        let seen = self.0.lock().unwrap();
        for (took, story) in &seen.stories {
            println!("slow: {}, {story}", millis(*took));
        }
        (seen.worst, seen.worst_joined)
    }
}
