//! Durations as people write them: `90s`, `1h30m`, `2d`.

use humantime::DurationError as Error;

/// The longest that is taken, the same one for each option and each store: a thousand years of 365
/// days. A server counts milliseconds from 1970 on, in 63 bits, so that `ttl` and `stale` together fit.
const LONGEST_DAYS: u64 = 365_000;
const LONGEST_MILLIS: u64 = LONGEST_DAYS * 24 * 60 * 60 * 1000;

const WRITTEN: &str = "a duration is written like `90s`, `15m`, `1h30m`, `2d`";

/// The whole milliseconds of `text`; zero is left to the caller.
pub(crate) fn millis(text: &str) -> Result<u64, String> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err(format!("`{text}` is negative; {WRITTEN}"));
    }
    // humantime counts 30.44 days to a month, and `M` is too near to `m` to let that pass.
    if units(text).any(|unit| matches!(unit, "M" | "month" | "months" | "y" | "year" | "years")) {
        return Err("months and years vary in length; write days, as in `30d`".into());
    }
    let duration = humantime::parse_duration(text).map_err(|error| explain(text, error))?;
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis > LONGEST_MILLIS {
        return Err(too_long(text));
    }
    if millis == 0 && !duration.is_zero() {
        return Err(format!("`{text}` is shorter than a millisecond"));
    }
    Ok(millis)
}

pub(crate) fn seconds(seconds: u64) -> Result<u64, String> {
    seconds
        .checked_mul(1000)
        .filter(|millis| *millis <= LONGEST_MILLIS)
        .ok_or_else(|| too_long(&seconds.to_string()))
}

fn units(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic())
}

fn too_long(text: &str) -> String {
    format!("`{text}` is too long; the longest duration is `{LONGEST_DAYS}d`")
}

fn explain(text: &str, error: Error) -> String {
    match error {
        Error::UnknownUnit { unit, .. } if unit.is_empty() && is_number(text) => {
            format!("`{text}` has no unit; write `{text}s` for seconds")
        }
        Error::UnknownUnit { unit, value, .. } if unit.is_empty() => {
            format!("write the unit of `{value}`; {WRITTEN}")
        }
        Error::UnknownUnit { unit, .. } => {
            format!("unknown unit `{unit}`; units: ms, s, m, h, d, w")
        }
        Error::NumberOverflow => format!("`{text}` is too long, or too finely divided"),
        Error::Empty => format!("the duration is empty; {WRITTEN}"),
        Error::InvalidCharacter(_) | Error::NumberExpected(_) => {
            format!("`{text}` is not a duration; {WRITTEN}")
        }
    }
}

fn is_number(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        assert_eq!(millis("90s"), Ok(90_000));
        assert_eq!(millis("1h30m"), Ok(5_400_000));
        assert_eq!(millis("500ms"), Ok(500));
        assert_eq!(millis("2d"), Ok(172_800_000));
        assert_eq!(millis("1w"), Ok(604_800_000));
        assert_eq!(millis("1.5s"), Ok(1_500));
        assert_eq!(millis("0s"), Ok(0));
    }

    #[test]
    fn a_thousand_years_are_the_longest() {
        let longest = 365_000 * 24 * 60 * 60;
        assert_eq!(millis("365000d"), Ok(longest * 1000));
        assert_eq!(seconds(longest), Ok(longest * 1000));
        for too_long in [
            millis("365000d1ms"),
            millis("400000d"),
            seconds(longest + 1),
            seconds(u64::MAX),
        ] {
            let error = too_long.unwrap_err();
            assert!(
                error.ends_with("is too long; the longest duration is `365000d`"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_is_explained() {
        for (text, part) in [
            ("60", "`60` has no unit; write `60s` for seconds"),
            ("1h30", "write the unit of `30`"),
            ("5fortnights", "unknown unit `fortnights`"),
            ("soon", "`soon` is not a duration"),
            ("", "the duration is empty"),
            ("-5s", "`-5s` is negative"),
            ("1M", "months and years vary in length"),
            ("3 years", "months and years vary in length"),
            ("10us", "shorter than a millisecond"),
            ("99999999999999999999s", "too long"),
            ("18446744073709551615s", "too long"),
        ] {
            let answer = millis(text);
            assert!(
                answer.as_ref().is_err_and(|error| error.contains(part)),
                "{text}: {answer:?}"
            );
        }
    }
}
