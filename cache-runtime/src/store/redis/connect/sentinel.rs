//! A master that moves, and the sentinels that know where it is.
//!
//! They are all asked at once, each time a connection is made, and the first who names a master that
//! says so itself is believed: a sentinel that is silent costs nothing.

use std::collections::HashMap;
use std::panic::resume_unwind;

use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{Client, ConnectionInfo, ErrorKind as Kind, RedisError, RedisResult, TlsMode};
use tokio::task::JoinSet;

use super::super::failure::UNKNOWN_MASTER;
use super::address::Watched;
use super::tls::{Tls, is_tls};
use crate::config::Config;
use crate::error::Error;

pub(super) struct Sentinels {
    watched: Watched,
    #[cfg(feature = "tls-rustls")]
    certificates: Option<redis::TlsCertificates>,
}

impl Sentinels {
    pub(super) fn new(mut watched: Watched, config: &Config) -> Result<Self, Error> {
        let tls = Tls(config);
        tls.check_for_found()?;
        for sentinel in &mut watched.sentinels {
            *sentinel = tls.with(sentinel.clone())?;
        }
        Ok(Self {
            #[cfg(feature = "tls-rustls")]
            certificates: is_tls(&watched.master)
                .then(|| tls.certificates())
                .flatten(),
            watched,
        })
    }

    /// The master that they name now.
    pub(super) async fn master(&self) -> RedisResult<Client> {
        let mut lookups = JoinSet::new();
        for sentinel in &self.watched.sentinels {
            let mut client = self.client(sentinel)?;
            lookups.spawn(async move { client.async_get_client().await });
        }
        let mut failed = None;
        while let Some(found) = lookups.join_next().await {
            match found {
                Ok(Ok(master)) => return Ok(master),
                Ok(Err(error)) => failed = Some(clearer(failed, error)),
                Err(ended) if ended.is_panic() => resume_unwind(ended.into_panic()),
                Err(_) => {}
            }
        }
        if let Some(failed) = &failed
            && failed.kind() == Kind::MasterNameNotFoundBySentinel
            && self.know_other_names().await
        {
            let why = UNKNOWN_MASTER.to_owned();
            return Err((Kind::InvalidClientConfig, "sentinels", why).into());
        }
        Err(failed.unwrap_or_else(|| (Kind::EmptySentinelList, "no sentinel was asked").into()))
    }

    /// Whether each sentinel that answers knows the names of masters and not this one, which so is no
    /// master that is down.
    async fn know_other_names(&self) -> bool {
        let mut answers = 0;
        for sentinel in &self.watched.sentinels {
            if let Ok(masters) = masters_of(sentinel).await {
                answers += 1;
                let is_ours =
                    |of: &HashMap<String, String>| of.get("name") == Some(&self.watched.name);
                if masters.iter().any(is_ours) {
                    return false;
                }
            }
        }
        answers > 0
    }

    /// A client that keeps nothing: a connection to a sentinel would end with its runtime, and a
    /// silent one would be asked for ever.
    fn client(&self, sentinel: &ConnectionInfo) -> RedisResult<SentinelClient> {
        let Watched { name, master, .. } = &self.watched;
        let (asked, told) = (sentinel.redis_settings(), master.redis_settings());
        let place = [sentinel.addr().clone()];
        let mut client = SentinelClientBuilder::new(place, name, SentinelServerType::Master)?
            .set_client_to_sentinel_tcp_settings(sentinel.tcp_settings().clone())
            .set_client_to_redis_tcp_settings(master.tcp_settings().clone())
            .set_client_to_redis_protocol(told.protocol())
            .set_client_to_redis_db(told.db());
        if let Some(user) = asked.username() {
            client = client.set_client_to_sentinel_username(user);
        }
        if let Some(password) = asked.password() {
            client = client.set_client_to_sentinel_password(password);
        }
        if let Some(user) = told.username() {
            client = client.set_client_to_redis_username(user);
        }
        if let Some(password) = told.password() {
            client = client.set_client_to_redis_password(password);
        }
        if is_tls(master) {
            client = client.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        #[cfg(feature = "tls-rustls")]
        if let Some(certificates) = &self.certificates {
            client = client.set_client_to_redis_certificates(certificates.clone());
        }
        client.build()
    }
}

async fn masters_of(sentinel: &ConnectionInfo) -> RedisResult<Vec<HashMap<String, String>>> {
    let client = Client::open(sentinel.clone())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let mut masters = redis::cmd("SENTINEL");
    masters.arg("MASTERS").query_async(&mut connection).await
}

/// Of several sentinels' errors the one that says more: that the master is unknown or down may come
/// of one that was just started.
fn clearer(one: Option<RedisError>, other: RedisError) -> RedisError {
    match one {
        Some(one) if one.kind() != Kind::MasterNameNotFoundBySentinel => one,
        _ => other,
    }
}
