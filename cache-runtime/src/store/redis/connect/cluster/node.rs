//! A node of a cluster, and which of them a key belongs to.

use redis::{
    ConnectionAddr, ErrorKind as Kind, FromRedisValue, RedisError, ServerErrorKind, Value,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store::redis) struct Node {
    /// Empty where the one that was asked does not know its own.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Node {
    /// Of an answer to CLUSTER SLOTS.
    pub(super) fn told(told: &Value) -> Option<Self> {
        let Value::Array(told) = told else {
            return None;
        };
        let [host, port, ..] = told.as_slice() else {
            return None;
        };
        Some(Self {
            host: Option::from_redis_value_ref(host).ok()?.unwrap_or_default(),
            port: u16::from_redis_value_ref(port).ok()?,
        })
    }

    /// Who has a key instead, and whether its slot is only on its way to there.
    pub(in crate::store::redis) fn redirected(error: &RedisError) -> Option<(Self, bool)> {
        let (place, _) = error.redirect_node()?;
        let (host, port) = place.rsplit_once(':')?;
        let node = Self {
            host: host.to_owned(),
            port: port.parse().ok()?,
        };
        Some((node, error.kind() == Kind::Server(ServerErrorKind::Ask)))
    }

    /// How it is connected to, in the way of another node.
    pub(super) fn address(&self, other: &ConnectionAddr) -> ConnectionAddr {
        let host = |other: &String| match self.host.as_str() {
            "" | "?" => other.clone(),
            host => host.to_owned(),
        };
        match other {
            ConnectionAddr::TcpTls {
                host: other,
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host: host(other),
                port: self.port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            ConnectionAddr::Tcp(other, _) => ConnectionAddr::Tcp(host(other), self.port),
            other => other.clone(),
        }
    }
}

/// The slot of a key, by the
/// [specification](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/): what
/// stands between the first braces decides, if something does.
pub(super) fn slot(key: &[u8]) -> u16 {
    const SLOTS: u16 = 16_384;
    crc16(hashed(key)) % SLOTS
}

fn hashed(key: &[u8]) -> &[u8] {
    let inside = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let inside = &key[open + 1..];
        let end = inside.iter().position(|byte| *byte == b'}')?;
        Some(&inside[..end])
    });
    inside.filter(|inside| !inside.is_empty()).unwrap_or(key)
}

/// That of XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 {
                shifted
            } else {
                shifted ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As CLUSTER KEYSLOT answers.
    #[test]
    fn a_key_has_the_slot_that_servers_find() {
        for (key, expected) in [
            ("", 0),
            ("foo", 12182),
            ("cache:square:7", 9134),
            ("cache:refresh:{cache:square:7}", 9134),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
            ("foo{bar}{zap}", 5061),
            ("foo{bar", 15278),
        ] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }
}
