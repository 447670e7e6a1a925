//! The names of the options, and what people call them elsewhere.

/// Every option, and how its value is written.
const OPTIONS: &[(&str, &str)] = &[
    ("key", "key = \"user_id\""),
    ("skip", "skip(db, log)"),
    ("ttl", "ttl = 60"),
    ("none", "none = \"30s\""),
    ("stale", "stale = \"5m\""),
    ("detach", "detach"),
    ("jitter", "jitter = \"10%\""),
    ("near", "near = \"2s\""),
    ("store_if", "store_if = |user: &User| user.active"),
    ("lossy", "lossy"),
    ("cache_unit", "cache_unit"),
    ("lease", "lease = \"3s\""),
    ("follow", "follow = \"10s\""),
    ("name", "name = \"users\""),
    ("version", "version = 1"),
    ("cache", "cache = &USERS"),
    ("companion", "companion = users"),
    ("method", "method"),
    ("crate", "crate = ::cache"),
];

const TTL: &str = "here it is called `ttl`";
const KEY: &str = "here it is called `key`";
const NAME: &str = "here it is called `name`";
const STORE_IF: &str = "here it is called `store_if`";
const STALE: &str = "here it is called `stale`";
const CACHE: &str = "here it is called `cache`";
const SKIP: &str = "here it is called `skip`";
const METHOD: &str = "here it is called `method`";
const COMPANION: &str = "here it is called `companion`";
const RETURN_TYPE: &str = "it is seen in the return type";
const NEAR: &str = "here it is called `near`";
const ONE_LOAD: &str = "calls for one key share one load without it";

/// Words of other libraries, answered with ours.
const ELSEWHERE: &[(&str, &str)] = &[
    ("time", TTL),
    ("time_to_live", TTL),
    ("expire", TTL),
    ("expires", TTL),
    ("expire_in", TTL),
    ("expiry", TTL),
    ("expiration", TTL),
    ("ex", TTL),
    ("px", TTL),
    ("secs", TTL),
    ("seconds", TTL),
    ("duration", TTL),
    ("timeout", TTL),
    ("max_age", TTL),
    ("convert", KEY),
    ("keys", KEY),
    ("cache_key", KEY),
    ("key_by", KEY),
    ("args", KEY),
    ("prefix", NAME),
    ("key_prefix", NAME),
    ("cache_prefix_block", NAME),
    ("namespace", NAME),
    ("cache_name", NAME),
    ("group", NAME),
    ("condition", STORE_IF),
    ("cache_if", STORE_IF),
    ("only_if", STORE_IF),
    ("when", STORE_IF),
    ("unless", STORE_IF),
    ("swr", STALE),
    ("stale_while_revalidate", STALE),
    ("grace", STALE),
    ("redis", CACHE),
    ("conn", CACHE),
    ("connection", CACHE),
    ("client", CACHE),
    ("pool", CACHE),
    ("ignore", SKIP),
    ("exclude", SKIP),
    ("except", SKIP),
    ("skip_args", SKIP),
    ("in_impl", METHOD),
    ("module", COMPANION),
    ("result", RETURN_TYPE),
    ("option", RETURN_TYPE),
    ("local", NEAR),
    ("l1", NEAR),
    ("in_process", NEAR),
    ("sync_writes", ONE_LOAD),
    ("single_flight", ONE_LOAD),
    ("lock", ONE_LOAD),
];

pub(crate) fn is_option(word: &str) -> bool {
    OPTIONS.iter().any(|(option, _)| *option == word)
}

/// How the value of `option` is written.
pub(crate) fn example(option: &str) -> &'static str {
    OPTIONS
        .iter()
        .find(|(known, _)| *known == option)
        .map_or("", |(_, example)| example)
}

/// What to answer to a word that is none of ours.
pub(crate) fn unknown_option(word: &str) -> String {
    let options: Vec<_> = OPTIONS.iter().map(|(option, _)| *option).collect();
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == word);
    let advice = match (elsewhere, nearest(word, options.iter().copied())) {
        (Some((_, answer)), _) => format!("; {answer}"),
        (None, Some(near)) => format!("; did you mean `{near}`?"),
        (None, None) => String::new(),
    };
    let list = options.join(", ");
    format!("unknown option `{word}`{advice}\noptions: {list}")
}

/// The candidate that `word` was probably meant to be.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= tolerance(word, candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// One slip in three letters, and never more than two: `id` is no misspelt `ip`.
fn tolerance(word: &str, candidate: &str) -> usize {
    (word.chars().count().max(candidate.chars().count()) / 3).min(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_are_recognised() {
        assert_eq!(nearest("user_idd", ["user_id", "page"]), Some("user_id"));
        assert_eq!(nearest("tll", ["ttl", "key"]), Some("ttl"));
        assert_eq!(nearest("nmae", ["name", "none"]), Some("name"));
    }

    #[test]
    fn nothing_far_fetched_is_proposed() {
        assert_eq!(nearest("ip", ["id"]), None);
        assert_eq!(nearest("a", ["b"]), None);
        assert_eq!(nearest("tenant", ["user_id", "page"]), None);
    }
}
