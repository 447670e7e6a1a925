//! What the command line asks for.

use std::path::PathBuf;
use std::time::Duration;

pub const USAGE: &str = "\
usage: cargo run --release -- [--quick] [--json FILE] [--svg FILE]

  --quick      few and short rounds: whether everything runs, not how fast
  --json FILE  write all figures
  --svg FILE   write a bar chart of hits per second";

#[derive(Debug, Default)]
pub struct Options {
    pub quick: bool,
    pub json: Option<PathBuf>,
    pub svg: Option<PathBuf>,
}

impl Options {
    /// # Errors
    /// A sentence about the first argument that is none.
    pub fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let mut file = || arguments.next().ok_or(format!("{argument} needs a file"));
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--json" => options.json = Some(file()?.into()),
                "--svg" => options.svg = Some(file()?.into()),
                _ => return Err(format!("{argument} is no option")),
            }
        }
        Ok(options)
    }

    pub fn effort(&self) -> Effort {
        if self.quick {
            Effort::QUICK
        } else {
            Effort::FULL
        }
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    /// How long each contender runs in each round.
    pub slice: Duration,
    /// Lone calls a round, where calls are measured one by one.
    pub calls: u32,
}

impl Effort {
    const FULL: Self = Self {
        rounds: 9,
        slice: Duration::from_millis(90),
        calls: 300,
    };
    const QUICK: Self = Self {
        rounds: 3,
        slice: Duration::from_millis(40),
        calls: 100,
    };
}
