//! The table: each drill with its promise beside what was seen.

use std::time::Duration;

/// How long one answer may take before a call goes past the server (`Config::response_timeout`).
pub const DEADLINE: Duration = Duration::from_millis(100);
/// How late a caller may be scheduled on a machine that also runs the server and the drill.
pub const SLACK: Duration = Duration::from_millis(60);
pub const HALF_A_SECOND: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub struct Report {
    broken: Vec<String>,
}

impl Report {
    pub fn head(&self) {
        println!("{:32} {:70} seen", "drill", "promise");
    }

    pub fn row(&mut self, drill: &str, promise: &str, seen: &str, kept: bool) {
        let mark = if kept { "" } else { "   BROKEN" };
        println!("{drill:32} {promise:70} {seen}{mark}");
        if !kept {
            self.broken.push(drill.to_owned());
        }
    }

    /// Whether every promise was kept.
    pub fn end(&self) -> bool {
        match self.broken.as_slice() {
            [] => println!("every promise was kept"),
            broken => println!("broken: {}", broken.join(", ")),
        }
        self.broken.is_empty()
    }
}

pub fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
