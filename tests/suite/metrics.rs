//! What an exporter sees, and that the dashboard in `examples/` shows exactly that.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use cache_runtime::{Cache, Config, Faults, metrics as names, read_through};
use expect_test::expect;
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::support::{Server, in_own_process, is_own_process};

const NAMES: [&str; 14] = [
    names::GETS,
    names::WAITS,
    names::LOADS,
    names::LOAD_SECONDS,
    names::REFRESHES,
    names::INVALIDATIONS,
    names::VALUE_ERRORS,
    names::SERVER_ERRORS,
    names::BREAKER_OPEN,
    names::WRITES_SUSPENDED,
    names::OWED,
    names::SIZE,
    names::SIZE_BYTES,
    names::EVICTIONS,
];

thread_local! {
    /// Of the test on this thread.
    static FAILS: Cell<bool> = const { Cell::new(false) };
}

#[read_through(name = "user", ttl = 60, stale = "1h")]
async fn user(id: u64) -> Result<String, &'static str> {
    tokio::time::sleep(Duration::from_millis(2)).await;
    if FAILS.get() {
        return Err("no");
    }
    Ok(format!("user {id}"))
}

/// What a scrape gives after some calls in a cache of its own.
fn scraped(calls: impl AsyncFnOnce(&Cache)) -> String {
    let builder = PrometheusBuilder::new();
    let recorder = builder
        .set_buckets(names::LOAD_SECONDS_BUCKETS)
        .unwrap()
        .build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || {
        let config = Config::new("memory://").prefix("shop").memory_bytes(20_000);
        let cache = Cache::new(config).unwrap();
        runtime.block_on(cache.scope(calls(&cache)));
    });
    recorder.handle().render()
}

async fn everything(cache: &Cache) {
    let _ = tokio::join!(user(1), user(1)); // a miss, and one that joins it
    user(1).await.unwrap(); // a hit

    cache.advance(Duration::from_secs(60));
    FAILS.set(true);
    user(1).await.unwrap(); // stale, and a refresh that fails
    assert!(user(2).await.is_err()); // a lease that is given back
    while cache.stats().function("user").unwrap().refreshes_failed < 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    FAILS.set(false);

    cache.set(user::key(3), &3, None).await.unwrap();
    user(3).await.unwrap(); // unreadable, then a load
    user::invalidate(3).await.unwrap();

    cache.failing(Faults::down());
    user(4).await.unwrap(); // past the cache
    user::invalidate(1).await.unwrap(); // owed
}

#[test]
fn each_step_of_a_function_is_counted_under_its_name() {
    let scraped = scraped(everything);
    let counts = |line: &&str| {
        let is_time = line.contains("seconds_bucket") || line.contains("seconds_sum");
        !line.starts_with('#') && !line.ends_with(" 0") && !is_time && !line.is_empty()
    };
    let mut lines: Vec<_> = scraped.lines().filter(counts).collect();
    lines.sort_unstable();
    expect![[r#"
        cache_gets_total{cache="shop",function="user",result="bypassed"} 1
        cache_gets_total{cache="shop",function="user",result="hit"} 1
        cache_gets_total{cache="shop",function="user",result="joined"} 1
        cache_gets_total{cache="shop",function="user",result="miss"} 3
        cache_gets_total{cache="shop",function="user",result="stale"} 1
        cache_invalidations_total{cache="shop",function="user",outcome="owed"} 1
        cache_invalidations_total{cache="shop",function="user",outcome="removed"} 1
        cache_load_seconds_count{cache="shop",function="user"} 5
        cache_loads_total{cache="shop",function="user",outcome="refresh_failed"} 1
        cache_loads_total{cache="shop",function="user",outcome="released"} 1
        cache_loads_total{cache="shop",function="user",outcome="stored"} 2
        cache_owed{cache="shop"} 1
        cache_refreshes_total{cache="shop",function="user"} 1
        cache_server_errors_total{cache="shop",error="unavailable"} 2
        cache_size_bytes{cache="shop"} 354
        cache_size{cache="shop"} 2
        cache_value_errors_total{cache="shop",function="user",error="unreadable"} 1
        cache_waits_total{cache="shop",function="user"} 1
    "#]]
    .assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn what_is_emitted_is_what_is_documented_and_no_label_holds_a_key() {
    let scraped = scraped(everything);
    let typed: BTreeSet<_> = scraped
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert_eq!(typed, BTreeSet::from(NAMES));
    for name in NAMES {
        assert!(
            scraped.contains(&format!("# HELP {name} ")),
            "no help: {name}"
        );
    }
    let labels: BTreeSet<_> = scraped
        .lines()
        .filter_map(|line| line.split_once('{')?.1.split_once('}'))
        .flat_map(|(labels, _)| labels.split(','))
        .filter_map(|label| label.split('=').next())
        .collect();
    let allowed = ["cache", "error", "function", "le", "outcome", "result"];
    assert_eq!(labels, BTreeSet::from(allowed));
    assert!(!scraped.contains("user:"), "{scraped}");
}

#[test]
fn the_results_of_gets_add_up_to_the_calls() {
    const CALLS: u64 = 200;
    let scraped = scraped(async |cache| {
        cache.failing(Faults::none().errors(0.3).corrupt(0.2).seed(5));
        let calls = (0..CALLS).map(|call| user(call % 7));
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().all(Result::is_ok));
    });
    let gets = scraped
        .lines()
        .filter(|line| line.starts_with("cache_gets_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
    assert_eq!(gets.sum::<u64>(), CALLS);
}

#[test]
fn a_cache_in_memory_tells_its_size_and_what_it_gave_up() {
    let scraped = scraped(async |cache| {
        for key in 0..200 {
            let key = format!("key {key}");
            cache
                .set(key.as_str(), &"x".repeat(100), None)
                .await
                .unwrap();
        }
    });
    let value = |name: &str| {
        let start = format!("{name}{{cache=\"shop\"}} ");
        let line = scraped.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap().parse::<u64>().unwrap()
    };
    assert!(value(names::SIZE_BYTES) <= 20_000);
    assert!(value(names::EVICTIONS) > 50);
    assert_eq!(value(names::SIZE) + value(names::EVICTIONS), 200);
}

/// Each query of the dashboard.
fn queries(of: &serde_json::Value, found: &mut Vec<String>) {
    match of {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(query) if name == "expr" || name == "definition" => {
                        found.push(query.to_owned());
                    }
                    _ => queries(value, found),
                }
            }
        }
        serde_json::Value::Array(all) => all.iter().for_each(|of| queries(of, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_shows_each_metric_and_asks_for_nothing_else() {
    let scraped = scraped(everything);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/grafana.json");
    let dashboard = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut all = Vec::new();
    queries(&dashboard, &mut all);

    let mut shown = BTreeSet::new();
    for query in &all {
        let in_name = |c: char| c.is_ascii_lowercase() || c == '_';
        for word in query.split(|c| !in_name(c)) {
            if word.starts_with("cache_") {
                // As the exporter renders it.
                let is_there = |line: &str| line.starts_with(&format!("{word}{{"));
                assert!(scraped.lines().any(is_there), "{word} in {query}");
                let series = ["_bucket", "_sum", "_count"];
                let suffix = series.iter().find_map(|suffix| word.strip_suffix(suffix));
                shown.insert(suffix.unwrap_or(word));
            }
        }
        // `result=~"hit|stale"`: values that there are.
        for filter in query.split(['{', ',', '}']) {
            let Some((label, values)) = filter.split_once("=~").or(filter.split_once('=')) else {
                continue;
            };
            for value in values.trim_matches('"').split('|') {
                let pair = format!("{label}=\"{value}\"");
                assert!(
                    value.starts_with('$') || scraped.contains(&pair),
                    "{pair} in {query}"
                );
            }
        }
    }
    assert_eq!(shown, BTreeSet::from(NAMES));
}

#[test]
fn an_outage_is_seen_while_it_lasts() {
    let mut server = Server::start();
    let recorder = PrometheusBuilder::new().build_recorder();
    let scrape = || recorder.handle().render();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    metrics::with_local_recorder(&recorder, || {
        let cache = Cache::new(server.config().prefix("shop")).unwrap();
        let calls = async {
            user(1).await.unwrap();
            assert!(scrape().contains("cache_breaker_open{cache=\"shop\"} 0"));
            server.kill();
            while !cache.stats().server().away {
                user(2).await.unwrap();
            }
            user::invalidate(1).await.unwrap();
            let during = scrape();
            assert!(
                during.contains("cache_breaker_open{cache=\"shop\"} 1"),
                "{during}"
            );
            assert!(during.contains("cache_owed{cache=\"shop\"} 1"), "{during}");
            let errors = "cache_server_errors_total{cache=\"shop\",error=\"unavailable\"} ";
            let errors = during.lines().find_map(|line| line.strip_prefix(errors));
            assert!(errors.is_some_and(|count| count != "0"), "{during}");
            server.restart();
            while !scrape().contains("cache_owed{cache=\"shop\"} 0") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(scrape().contains("cache_breaker_open{cache=\"shop\"} 0"));
            cache.shutdown().await;
        };
        runtime.block_on(cache.scope(calls));
    });
}

const SPANNED: &str = "metrics::a_load_has_a_span_round_its_body_and_a_hit_has_none";

/// In a process of its own: what another test's thread meets first, without a subscriber, may stay
/// switched off for one that only this thread has.
#[test]
fn a_load_has_a_span_round_its_body_and_a_hit_has_none() {
    #[read_through(name = "spanned", ttl = 60)]
    async fn square(n: u64) -> u64 {
        tracing::info!("in the body");
        n * n
    }

    if is_own_process(SPANNED) {
        tracing_subscriber::fmt()
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .init();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let cache = Cache::in_memory();
        runtime.block_on(cache.scope(async {
            square(4).await;
            square(4).await;
            cache.failing(Faults::down());
            square(4).await;
        }));
        return;
    }
    let printed = in_own_process(SPANNED, &[]);
    let told: String = printed
        .lines()
        .filter_map(|line| line.split_once("INFO "))
        .map(|(_, told)| told.split(" time.").next().unwrap().to_owned() + "\n")
        .collect();
    expect![[r#"
        cache.load{function="spanned"}: in the body
        cache.load{function="spanned" outcome=Filled}: close
        cache.load{function="spanned" outcome=Bypassed}: in the body
        cache.load{function="spanned" outcome=Bypassed}: close
    "#]]
    .assert_eq(&told);
}
