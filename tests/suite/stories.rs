//! What happens on each path, step by step, as the events tell it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Listening, Seen, observe, read_through};
use expect_test::{Expect, expect};

use crate::support::Server;

static SOURCE: AtomicU64 = AtomicU64::new(0);
static FAILS: AtomicBool = AtomicBool::new(false);

#[read_through(name = "load", ttl = 60)]
async fn load(key: u64) -> Result<Option<u64>, &'static str> {
    tokio::time::sleep(Duration::from_millis(100)).await;
    match SOURCE.load(Relaxed) {
        0 => Ok(None),
        value => Ok(Some(value + key)),
    }
    .and_then(|value| {
        if FAILS.load(Relaxed) {
            Err("no")
        } else {
            Ok(value)
        }
    })
}

#[read_through(name = "stale", ttl = "1s", stale = "1h")]
async fn load_stale(key: u64) -> Result<u64, &'static str> {
    if FAILS.load(Relaxed) {
        return Err("no");
    }
    Ok(SOURCE.fetch_add(1, Relaxed) + key)
}

/// The events of a cache, and what they come to.
struct Story {
    told: Arc<Mutex<Vec<String>>>,
    _listening: Listening,
}

impl Story {
    fn of(cache: &Cache) -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = told.clone();
        let listening = cache.on_event(move |event| {
            // What becomes of the server is no step of a call, and comes when it comes.
            if event.key.is_empty() {
                return;
            }
            let line = format!("{:?} {}", event.kind, event.key);
            tell.lock().unwrap().push(line);
        });
        Self {
            told,
            _listening: listening,
        }
    }

    fn is(&self, expected: &Expect) {
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        expected.assert_eq(
            &told
                .iter()
                .map(|line| format!("{line}\n"))
                .collect::<String>(),
        );
    }

    async fn comes_to(&self, word: &str) {
        let has_it = || {
            self.told
                .lock()
                .unwrap()
                .iter()
                .any(|line| line.starts_with(word))
        };
        let start = Instant::now();
        while !has_it() {
            assert!(start.elapsed() < Duration::from_secs(10), "no {word}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Brings the value of `load_stale(2)` past its time to live without waiting for it.
async fn past_the_ttl(cache: &Cache) {
    let left = Duration::from_secs(60 * 60 - 1);
    let key = load_stale::key(2);
    cache.set(key, &42, Some(left)).await.unwrap();
}

/// One test at a time: they share a source.
static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn on_each_store(test: impl AsyncFn(&Cache, &Story)) {
    let _one = ONE.lock().await;
    let server = Server::start();
    for cache in [server.patient(), Cache::in_memory()] {
        SOURCE.store(40, Relaxed);
        FAILS.store(false, Relaxed);
        let story = Story::of(&cache);
        cache.scope(test(&cache, &story)).await;
        cache.shutdown().await;
    }
}

#[tokio::test]
async fn a_miss_then_a_hit() {
    on_each_store(async |_, story| {
        assert_eq!(observe(load(2)).await, (Ok(Some(42)), Seen::Loaded));
        assert_eq!(observe(load(2)).await, (Ok(Some(42)), Seen::Stored));
        story.is(&expect![[r#"
            Miss cache:load:2
            Led cache:load:2
            Filled cache:load:2
            Hit cache:load:2
        "#]]);
    })
    .await;
}

#[tokio::test]
async fn a_follower_joins_its_leader() {
    on_each_store(async |_, story| {
        let (first, second) = tokio::join!(observe(load(2)), observe(load(2)));
        let seen = [first.1, second.1];
        assert!(seen.contains(&Seen::Loaded), "{seen:?}");
        let told = story.told.lock().unwrap().join("\n");
        assert_eq!(
            told.matches("Led").count()
                + told.matches("Joined").count()
                + told.matches("Hit").count(),
            2,
            "{told}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_error_gives_the_lease_back() {
    on_each_store(async |_, story| {
        FAILS.store(true, Relaxed);
        assert_eq!(load(2).await, Err("no"));
        story.comes_to("Released").await;
        FAILS.store(false, Relaxed);
        assert_eq!(load(2).await, Ok(Some(42)));
        story.is(&expect![[r#"
            Miss cache:load:2
            Led cache:load:2
            Released cache:load:2
            Miss cache:load:2
            Led cache:load:2
            Filled cache:load:2
        "#]]);
    })
    .await;
}

#[tokio::test]
async fn an_absence_gives_the_lease_back() {
    on_each_store(async |_, story| {
        SOURCE.store(0, Relaxed);
        assert_eq!(load(2).await, Ok(None));
        story.comes_to("Released").await;
        story.is(&expect![[r#"
            Miss cache:load:2
            Led cache:load:2
            Released cache:load:2
        "#]]);
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_leaves_gives_the_lease_back() {
    on_each_store(async |_, story| {
        tokio::select! {
            biased;
            () = story.comes_to("Led") => {}
            answer = load(2) => panic!("it is not to be answered: {answer:?}"),
        }
        story.comes_to("Released").await;
        assert_eq!(load(2).await, Ok(Some(42)));
        story.is(&expect![[r#"
            Miss cache:load:2
            Led cache:load:2
            Released cache:load:2
            Miss cache:load:2
            Led cache:load:2
            Filled cache:load:2
        "#]]);
    })
    .await;
}

#[tokio::test]
async fn a_load_that_an_invalidation_overtakes_stores_nothing() {
    on_each_store(async |_, story| {
        let (value, ()) = tokio::join!(load(2), async {
            story.comes_to("Led").await;
            load::invalidate(2).await.unwrap();
        });
        assert_eq!(value, Ok(Some(42)));
        story.is(&expect![[r#"
            Miss cache:load:2
            Led cache:load:2
            Invalidated cache:load:2
            Refused cache:load:2
        "#]]);
        assert_eq!(load::peek(2).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn junk_is_replaced() {
    on_each_store(async |cache, story| {
        cache.set(load::key(2), "junk", None).await.unwrap();
        assert_eq!(load(2).await, Ok(Some(42)));
        assert_eq!(load(2).await, Ok(Some(42)));
        story.is(&expect![[r#"
            Unreadable cache:load:2
            Miss cache:load:2
            Led cache:load:2
            Filled cache:load:2
            Hit cache:load:2
        "#]]);
    })
    .await;
}

#[tokio::test]
async fn a_stale_value_is_served_while_one_caller_refreshes_behind() {
    on_each_store(async |cache, story| {
        assert_eq!(load_stale(2).await, Ok(42));
        past_the_ttl(cache).await;
        assert_eq!(observe(load_stale(2)).await, (Ok(42), Seen::Stale));
        while cache.stats().function("stale").unwrap().stored < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(load_stale(2).await.unwrap() > 42);
        story.is(&expect![[r#"
            Miss cache:stale:2
            Led cache:stale:2
            Filled cache:stale:2
            Refreshing cache:stale:2
            Stale cache:stale:2
            Filled cache:stale:2
            Hit cache:stale:2
        "#]]);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_old_value_and_is_not_tried_again_at_once() {
    on_each_store(async |cache, story| {
        assert_eq!(load_stale(2).await, Ok(42));
        past_the_ttl(cache).await;
        FAILS.store(true, Relaxed);
        assert_eq!(load_stale(2).await, Ok(42));
        story.comes_to("RefreshFailed").await;
        assert_eq!(load_stale(2).await, Ok(42));
        story.is(&expect![[r#"
            Miss cache:stale:2
            Led cache:stale:2
            Filled cache:stale:2
            Refreshing cache:stale:2
            Stale cache:stale:2
            RefreshFailed cache:stale:2
            Stale cache:stale:2
        "#]]);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_that_is_asked_for_keeps_the_old_value_until_the_new_one_is_there() {
    on_each_store(async |_, story| {
        assert_eq!(load(2).await, Ok(Some(42)));
        story.is(&expect![[r#"
            Miss cache:load:2
            Led cache:load:2
            Filled cache:load:2
        "#]]);
        SOURCE.store(50, Relaxed);
        let (new, old) = tokio::join!(load::refresh(2), async {
            story.comes_to("Led").await;
            load(2).await
        });
        assert_eq!((new, old), (Ok(Some(52)), Ok(Some(42))));
        assert_eq!(load(2).await, Ok(Some(52)));
        story.is(&expect![[r#"
            Led cache:load:2
            Hit cache:load:2
            Filled cache:load:2
            Hit cache:load:2
        "#]]);
    })
    .await;
}

#[tokio::test]
async fn a_value_put_by_hand_is_fenced_like_a_load() {
    on_each_store(async |_, story| {
        let (value, ()) = tokio::join!(load(2), async {
            story.comes_to("Led").await;
            load::put(2, &1_u64).await.unwrap();
        });
        assert_eq!(value, Ok(Some(42)));
        assert_eq!(load(2).await, Ok(Some(1)));
        story.is(&expect![[r#"
            Miss cache:load:2
            Led cache:load:2
            Refused cache:load:2
            Hit cache:load:2
        "#]]);
    })
    .await;
}

#[tokio::test]
async fn without_a_server_the_body_runs() {
    let _one = ONE.lock().await;
    SOURCE.store(40, Relaxed);
    FAILS.store(false, Relaxed);
    let cache = Cache::open("redis://127.0.0.1:1").unwrap();
    let story = Story::of(&cache);
    cache
        .scope(async {
            assert_eq!(observe(load(2)).await, (Ok(Some(42)), Seen::Bypassed));
            let _ = load::invalidate(2).await.unwrap();
            assert_eq!(observe(load(2)).await, (Ok(Some(42)), Seen::Bypassed));
        })
        .await;
    story.is(&expect![[r#"
        Miss cache:load:2
        Bypassed cache:load:2
        Owed cache:load:2
        Bypassed cache:load:2
    "#]]);
}

#[tokio::test]
async fn a_detached_load_goes_on_when_its_caller_leaves() {
    #[read_through(name = "detached", ttl = 60, detach)]
    async fn detached(name: &str) -> usize {
        tokio::time::sleep(Duration::from_millis(50)).await;
        name.len()
    }

    on_each_store(async |_, story| {
        tokio::select! {
            biased;
            () = story.comes_to("Led") => {}
            answer = detached("four") => panic!("it is not to be answered: {answer:?}"),
        }
        story.comes_to("Filled").await;
        assert_eq!(detached("four").await, 4);
        story.is(&expect![[r#"
            Miss cache:detached:four
            Led cache:detached:four
            Filled cache:detached:four
            Hit cache:detached:four
        "#]]);
    })
    .await;
}
