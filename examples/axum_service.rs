//! A web service over a database: a cached repository behind a trait object, invalidation after a
//! write, metrics, and an end that drains the cache. On Unix, for its signals.
//!
//! `cargo run --release --features metrics --example axum_service`, with `REDIS_URL` set on that
//! server, with `LISTEN` on another address. Then, each twice:
//! `curl localhost:8080/products/7`
//! `curl -X PUT localhost:8080/products/7/price -H 'content-type: application/json' -d 4999`
//! `curl localhost:8080/metrics`
use std::env;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{FromRef, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use cache_runtime::metrics::LOAD_SECONDS_BUCKETS;
use cache_runtime::{Cache, invalidate, read_through};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Deserialize, Serialize, sqlx::FromRow)]
struct Product {
    name: String,
    cents: i64,
    sold: i64,
}

/// What the handlers know of the database.
#[async_trait]
trait Products: Send + Sync {
    async fn product(&self, id: i64) -> sqlx::Result<Option<Product>>;
    async fn set_price(&self, id: i64, cents: i64) -> sqlx::Result<()>;
}

struct Database(SqlitePool);

#[async_trait]
impl Products for Database {
    #[read_through(key = "id", ttl = "10m", none = "10s")]
    async fn product(&self, id: i64) -> sqlx::Result<Option<Product>> {
        let query = "SELECT name, cents, (SELECT COALESCE(SUM(quantity), 0) FROM sale
                     WHERE product = product.id) AS sold FROM product WHERE id = ?";
        sqlx::query_as(query).bind(id).fetch_optional(&self.0).await
    }

    async fn set_price(&self, id: i64, cents: i64) -> sqlx::Result<()> {
        let change = sqlx::query("UPDATE product SET cents = ? WHERE id = ?");
        change.bind(cents).bind(id).execute(&self.0).await?;
        // After the commit: a call between the two would store the old price again. While Redis is
        // away this is `Ok(Queued)`, and made up for when it is back.
        if let Err(error) = invalidate(self.product(id)).await {
            tracing::warn!(%error, "the old price may be shown for up to 10 minutes");
        }
        Ok(())
    }
}

#[derive(Clone, FromRef)]
struct App {
    products: Arc<dyn Products>,
    metrics: PrometheusHandle,
}

async fn product(
    State(products): State<Arc<dyn Products>>,
    Path(id): Path<i64>,
) -> Result<Response, Failure> {
    Ok(match products.product(id).await? {
        Some(product) => Json(product).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

async fn set_price(
    State(products): State<Arc<dyn Products>>,
    Path(id): Path<i64>,
    Json(cents): Json<i64>,
) -> Result<StatusCode, Failure> {
    products.set_price(id, cents).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn metrics(State(metrics): State<PrometheusHandle>) -> String {
    metrics.render()
}

struct Failure(sqlx::Error);

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        tracing::error!(error = %self.0, "the database failed");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    // Before the cache, which takes its meters from it.
    let metrics_handle = PrometheusBuilder::new()
        .set_buckets(LOAD_SECONDS_BUCKETS)?
        .install_recorder()?;
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "memory://".to_owned());
    let cache = Cache::open(&url)?;
    cache.install()?;

    let pool = database().await?;
    let router = Router::new()
        .route("/products/{id}", get(product))
        .route("/products/{id}/price", put(set_price))
        .route("/metrics", get(metrics))
        .with_state(App {
            products: Arc::new(Database(pool.clone())),
            metrics: metrics_handle,
        });
    let listen = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut terminate = signal(SignalKind::terminate())?;
    let asked_to_end = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    axum::serve(listener, router)
        .with_graceful_shutdown(asked_to_end)
        .await?;

    // The requests are answered; what they left to be stored or removed is done now.
    cache.shutdown().await;
    pool.close().await;
    println!("{}", cache.stats());
    Ok(())
}

/// A database of 100 products and 20,000 sales, which is built if it is not there.
async fn database() -> sqlx::Result<SqlitePool> {
    let file = env::temp_dir().join("cache-runtime-shop.sqlite");
    let pool = SqlitePool::connect(&format!("sqlite://{}?mode=rwc", file.display())).await?;
    let build = "BEGIN IMMEDIATE;
        CREATE TABLE IF NOT EXISTS product (id INTEGER PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL);
        CREATE TABLE IF NOT EXISTS sale (product INTEGER NOT NULL, quantity INTEGER NOT NULL);
        WITH RECURSIVE id(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM id WHERE n < 100)
            INSERT OR IGNORE INTO product SELECT n, 'product ' || n, 100 * n - 1 FROM id;
        WITH RECURSIVE id(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM id WHERE n < 20000)
            INSERT INTO sale SELECT 1 + n % 100, 1 + n % 7 FROM id WHERE NOT EXISTS (SELECT * FROM sale);
        COMMIT;";
    sqlx::raw_sql(build).execute(&pool).await?;
    Ok(pool)
}
