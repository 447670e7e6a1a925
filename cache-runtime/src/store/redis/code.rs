//! The code of an error, by which everything here is decided where a server gives one.

use redis::RedisError;

/// The first word of what the server said, or the one inside of it: an error of a script, before Redis 7.0,
/// and the one that ended a transaction are wrapped in another.
pub(super) fn code(error: &RedisError) -> Option<&str> {
    let outer = error.code()?;
    let inside = match outer {
        "ERR" => error.detail().and_then(in_script),
        "EXECABORT" => error.detail().and_then(in_transaction),
        _ => None,
    };
    inside.or(Some(outer))
}

/// Behind `ERR`: `Error running script (call to f_<SHA-1>): @user_script:2: WRONGTYPE Operation ..` of a
/// command that failed, and `.. @user_script:2: @user_script: 2: -OOM command ..` of one that was not run.
fn in_script(detail: &str) -> Option<&str> {
    let at = detail.strip_prefix("Error running script (call to f_")?;
    let (hash, at) = at.split_once("): @user_script:")?;
    if hash.len() != 40 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let said = behind_line(at)?;
    match said.strip_prefix("@user_script: ") {
        Some(at) => first_word(behind_line(at)?.strip_prefix('-')?),
        None => first_word(said),
    }
}

/// Behind `EXECABORT`.
fn in_transaction(detail: &str) -> Option<&str> {
    first_word(detail.strip_prefix("Transaction discarded because of: ")?)
}

fn behind_line(at: &str) -> Option<&str> {
    let (line, said) = at.split_once(": ")?;
    line.parse::<u32>().ok().map(|_| said)
}

/// If it is one that codes are made of.
fn first_word(said: &str) -> Option<&str> {
    let (word, _) = said.split_once(' ')?;
    let is_code = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase());
    is_code.then_some(word)
}

#[cfg(test)]
mod tests {
    use redis::parse_redis_value;

    use super::*;

    const SCRIPT: &str =
        "ERR Error running script (call to f_e81a28bf31d11adfe31de38777096bee693ff22f): ";

    #[track_caller]
    fn is(said: &str, expected: &str) {
        let answer = parse_redis_value(format!("-{said}\r\n").as_bytes());
        let error = answer.unwrap().extract_error().unwrap_err();
        assert_eq!(code(&error), Some(expected), "{said}");
    }

    #[test]
    fn an_error_inside_another_keeps_its_code() {
        is("OOM command not allowed", "OOM");
        is("WRONGTYPE Operation against a key", "WRONGTYPE");
        let script = |said: &str, expected| is(&format!("{SCRIPT}{said}"), expected);
        script("@user_script:2: WRONGTYPE Operation against", "WRONGTYPE");
        script("@user_script:12: ERR value is no integer", "ERR");
        for refused in ["OOM", "READONLY", "MISCONF", "NOREPLICAS", "MASTERDOWN"] {
            let said = format!("@user_script:5: @user_script: 5: -{refused} is why");
            script(&said, refused);
        }
        is(
            "EXECABORT Transaction discarded because of: NOPERM this user",
            "NOPERM",
        );
    }

    /// That could be anything, a stored value as well.
    #[test]
    fn a_code_at_another_place_is_none() {
        is(
            "EXECABORT Transaction discarded because of previous errors.",
            "EXECABORT",
        );
        is(
            "WRONGTYPE Error running script: @user_script:2: OOM is it",
            "WRONGTYPE",
        );
        is(
            "ERR Error running script (call to f_12): @user_script:5: OOM is it",
            "ERR",
        );
        for said in [
            "@user_script:5: @user_script: 5: The user executing the script can't run this",
            "@user_script:5: user_script:1: @user_script: 1: -OOM by hand",
            "@user_script:5: @user_script: 5: OOM without a dash",
            "@user_script:five: OOM is it",
            "@user_script:5: -OOM with a dash",
            "@user_script:5: OOM",
        ] {
            is(&format!("{SCRIPT}{said}"), "ERR");
        }
    }
}
