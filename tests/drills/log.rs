//! The warnings of the crate, kept so that drills can look at them.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Takes what is warned of in this process from here on. No more, since a span for each load costs its
    /// subscriber about as much as the load costs the cache, which a drill measures.
    pub fn start() -> Self {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt().with_max_level(Level::WARN);
        subscriber.with_ansi(false).with_writer(log.clone()).init();
        log
    }

    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// How many lines hold this word.
    pub fn count(&self, word: &str) -> usize {
        self.text()
            .lines()
            .filter(|line| line.contains(word))
            .count()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
