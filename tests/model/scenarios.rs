//! How a scenario is run: all that can happen is tried, and the verdict has to be the expected one.
//!
//! A faulty rule must be found failing, by the property that it breaks: so it shows that the model
//! still sees what it is there to see.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

pub type Scenario = (&'static str, fn());

/// Makes a list of the functions in it, so that the test of all of them leaves none out. Those that
/// are quick are tests of their own too.
macro_rules! listed {
    ($($(#[$attribute:meta])* fn $name:ident() $body:block)*) => {
        $($(#[$attribute])* fn $name() $body)*

        pub const ALL: &[$crate::scenarios::Scenario] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use listed;

pub fn holds<M>(model: M)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + PartialEq + Hash + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync + 'static,
{
    explore(None, model);
}

pub fn fails<M>(property: &'static str, model: M)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + PartialEq + Hash + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync + 'static,
{
    explore(Some(property), model);
}

fn explore<M>(expected: Option<&'static str>, model: M)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + PartialEq + Hash + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync + 'static,
{
    let start = Instant::now();
    // Breadth first on one thread: a trace that is found is a shortest one, and always the same.
    let checker = model
        .checker()
        .threads(1)
        .finish_when(HasDiscoveries::Any)
        .spawn_bfs()
        .join();
    let found = checker.discoveries().into_iter().next();
    println!(
        "{:>9} states, {:>2} deep, {:>5.1} s, {}: {}",
        checker.unique_state_count(),
        checker.max_depth(),
        start.elapsed().as_secs_f32(),
        found.as_ref().map_or("holds", |(property, _)| property),
        thread::current().name().unwrap_or_default(),
    );
    match (expected, found) {
        (None, None) => {}
        (Some(expected), Some((property, _))) if expected == property => {}
        (Some(expected), None) => panic!("{expected}: the fault in the rules was not found"),
        (_, Some((property, path))) => {
            let steps = path.into_vec();
            let told = steps
                .iter()
                .filter_map(|(state, action)| checker.model().format_step(state, action.clone()?));
            panic!("{property}:\n{}", told.collect::<Vec<_>>().join("\n"))
        }
    }
}

/// Runs them side by side, two at a time, each on a thread that bears its name.
pub fn run(scenarios: &[Scenario]) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failed = vec![];
        while let Some(&(name, scenario)) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
            let thread = thread::Builder::new().name(name.to_owned());
            if thread.spawn(scenario).unwrap().join().is_err() {
                failed.push(name);
            }
        }
        failed
    };
    let failed = thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.map(|worker| worker.join().unwrap()).concat()
    });
    assert!(failed.is_empty(), "{failed:?}");
}
