//! Reads as they go over the wire and what comes back, by the
//! [protocol](https://redis.io/docs/latest/develop/reference/protocol-spec/).
//!
//! For connections that a lone caller has all to himself: to make a command of it first, and to find in
//! what comes where each of many answers ends, takes longer than all the rest that is done here for him.

use redis::{ErrorKind, RedisError, RedisResult, Value, parse_redis_value};

use crate::key::OnServer;

/// The longest that a value may be, of a server that is configured as usual.
const LONGEST: usize = 512 << 20;
/// Of an error or a number.
const LONGEST_LINE: usize = 16 << 10;
const END: &[u8] = b"\r\n";

pub(super) fn pack_get(name: OnServer<'_>, command: &mut Vec<u8>) {
    command.extend_from_slice(b"*2\r\n$3\r\nGET\r\n");
    pack_name(name, command);
}

/// Of so many names, each [packed](pack_name).
pub(super) fn pack_mget(names: &[u8], count: usize, command: &mut Vec<u8>) {
    command.push(b'*');
    pack_number(1 + count, command);
    command.extend_from_slice(b"$4\r\nMGET\r\n");
    command.extend_from_slice(names);
}

/// An argument of a command.
pub(super) fn pack_name(name: OnServer<'_>, command: &mut Vec<u8>) {
    command.push(b'$');
    pack_number(name.len(), command);
    name.write_to(command);
    command.extend_from_slice(END);
}

fn pack_number(number: usize, command: &mut Vec<u8>) {
    command.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    command.extend_from_slice(END);
}

/// The answer to a command that stands for itself, a string, a number, an error or nothing; none while it is
/// not all there.
pub(super) fn answer(bytes: &[u8]) -> Option<RedisResult<Value>> {
    let answer = piece(bytes, 0).map(|(piece, end)| (piece.value(), end));
    whole(answer, bytes)
}

/// The answer to a command that asks for so many: a list of as many of those, or an error.
pub(super) fn answer_to_many(bytes: &[u8], count: usize) -> Option<RedisResult<Value>> {
    match bytes.first()? {
        b'-' => answer(bytes),
        _ => whole(list(bytes, count), bytes),
    }
}

fn whole(
    answer: Result<(RedisResult<Value>, usize), No>,
    bytes: &[u8],
) -> Option<RedisResult<Value>> {
    match answer {
        // Nobody asked for any more.
        Ok((answer, end)) if end == bytes.len() => Some(answer),
        Ok(_) | Err(No::Junk) => Some(Err(junk())),
        Err(No::NotYet) => None,
    }
}

/// Why there is no answer.
enum No {
    NotYet,
    Junk,
}

/// What an answer consists of.
enum Piece<'a> {
    String(&'a [u8]),
    /// In a line, as it came.
    Line(&'a [u8]),
}

impl Piece<'_> {
    fn value(&self) -> RedisResult<Value> {
        match self {
            Self::String(string) => Ok(Value::BulkString(string.to_vec())),
            Self::Line(line) => parse_redis_value(line),
        }
    }
}

/// The list, and its end.
fn list(bytes: &[u8], count: usize) -> Result<(RedisResult<Value>, usize), No> {
    let line = line(bytes, 0)?;
    let said = line.strip_prefix(b"*").and_then(length);
    if said != Some(count) {
        return Err(No::Junk);
    }
    let first = line.len() + END.len();
    // Nothing is copied before all of it is there.
    let mut end = first;
    for _ in 0..count {
        (_, end) = piece(bytes, end)?;
    }
    let mut at = first;
    let mut values = Vec::with_capacity(count);
    while at < end {
        let (piece, after) = piece(bytes, at)?;
        match piece.value() {
            Ok(value) => values.push(value),
            Err(error) => return Ok((Err(error), end)),
        }
        at = after;
    }
    Ok((Ok(Value::Array(values)), end))
}

/// The piece that begins there, and its end.
fn piece(bytes: &[u8], at: usize) -> Result<(Piece<'_>, usize), No> {
    let line = line(bytes, at)?;
    let after = at + line.len() + END.len();
    match line.split_first() {
        Some((b'$', digits)) if digits != b"-1" => {
            let length = length(digits).ok_or(No::Junk)?;
            let end = after + length;
            let string = bytes.get(after..end).ok_or(No::NotYet)?;
            match bytes.get(end..end + END.len()) {
                None => Err(No::NotYet),
                Some(END) => Ok((Piece::String(string), end + END.len())),
                Some(_) => Err(No::Junk),
            }
        }
        Some((b'$' | b'+' | b'-' | b':' | b'_', _)) => Ok((Piece::Line(&bytes[at..after]), after)),
        _ => Err(No::Junk),
    }
}

/// The line that begins there, without its end.
fn line(bytes: &[u8], at: usize) -> Result<&[u8], No> {
    let rest = &bytes[at..];
    let length = rest.windows(END.len()).position(|at| at == END);
    match length {
        Some(length) => Ok(&rest[..length]),
        None if rest.len() > LONGEST_LINE => Err(No::Junk),
        None => Err(No::NotYet),
    }
}

fn length(digits: &[u8]) -> Option<usize> {
    let length = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (length <= LONGEST).then_some(length)
}

fn junk() -> RedisError {
    (ErrorKind::Parse, "an answer that is none").into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzz::changed;

    /// As redis-rs understands it.
    fn by_the_library(bytes: &[u8]) -> Value {
        parse_redis_value(bytes).unwrap()
    }

    fn answers() -> impl Strategy<Value = Vec<u8>> {
        let string = |value: Vec<u8>| {
            let mut answer = format!("${}\r\n", value.len()).into_bytes();
            answer.extend(value);
            answer.extend(END);
            answer
        };
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300).prop_map(string),
            Just(b"$-1\r\n".to_vec()),
            Just(b"_\r\n".to_vec()),
            "[+][ -~]{0,40}\r\n".prop_map(String::into_bytes),
            "-[A-Z]{2,12} [ -~]{0,40}\r\n".prop_map(String::into_bytes),
            any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
        ]
    }

    proptest! {
        #[test]
        fn an_answer_is_what_the_library_takes_it_for_and_not_there_before_its_end(
            bytes in answers(),
        ) {
            for part in 0..bytes.len() {
                prop_assert!(answer(&bytes[..part]).is_none());
            }
            prop_assert_eq!(answer(&bytes).unwrap().unwrap(), by_the_library(&bytes));
        }

        #[test]
        fn a_list_is_what_the_library_takes_it_for_and_has_as_many_as_were_asked_for(
            pieces in prop::collection::vec(answers(), 0..10),
        ) {
            let count = pieces.len();
            let bytes = [format!("*{count}\r\n").into_bytes(), pieces.concat()].concat();
            for part in 0..bytes.len() {
                prop_assert!(answer_to_many(&bytes[..part], count).is_none());
            }
            let list = answer_to_many(&bytes, count).unwrap();
            prop_assert_eq!(list.unwrap(), by_the_library(&bytes));
            prop_assert!(answer_to_many(&bytes, count + 1).unwrap().is_err());
            prop_assert!(answer(&bytes).unwrap().is_err());
            prop_assert!(answer_to_many(&[&bytes[..], b"+"].concat(), count).unwrap().is_err());
        }

        #[test]
        fn reads_go_over_the_wire_as_the_library_packs_them(
            names in prop::collection::vec("[ -~]{0,40}", 1..20),
        ) {
            let by_the_library = |command, names: &[String]| {
                redis::cmd(command).arg(names).get_packed_command()
            };
            let mut get = Vec::new();
            pack_get(OnServer::whole(&names[0]), &mut get);
            prop_assert_eq!(get, by_the_library("GET", &names[..1]));

            let (mut packed, mut mget) = (Vec::new(), Vec::new());
            for name in &names {
                pack_name(OnServer::whole(name), &mut packed);
            }
            pack_mget(&packed, names.len(), &mut mget);
            prop_assert_eq!(mget, by_the_library("MGET", &names));
        }

        #[test]
        fn what_comes_behind_an_answer_spoils_it(
            bytes in answers(), more in prop::collection::vec(any::<u8>(), 1..20),
        ) {
            let all = [bytes, more].concat();
            prop_assert!(answer(&all).is_some_and(|answer| answer.is_err()));
        }

        #[test]
        fn fuzzed_answers_are_what_the_library_takes_them_for_or_junk(bytes in changed(CORPUS)) {
            for answer in [answer(&bytes), answer_to_many(&bytes, 2)] {
                match answer {
                    Some(Ok(answer)) => prop_assert_eq!(answer, by_the_library(&bytes)),
                    Some(Err(_)) => {}
                    None => prop_assert!(parse_redis_value(&bytes).is_err()),
                }
            }
        }
    }

    const CORPUS: &[&str] = &[
        "$4\r\n\"ab\"\r\n",
        "$0\r\n\r\n",
        "$-1\r\n",
        "_\r\n",
        "+PONG\r\n",
        ":-17\r\n",
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        "*2\r\n$1\r\na\r\n$-1\r\n",
    ];

    #[test]
    fn nobody_waits_for_the_end_of_what_is_no_answer() {
        let endless = [b"-".to_vec(), vec![b'a'; LONGEST_LINE]].concat();
        let junk: [&[u8]; 6] = [
            b"HTTP/1.1 400 Bad Request\r\n",
            b"$x\r\n",
            b"$-2\r\n",
            b"$99999999999999999999\r\n",
            b"*1\r\n",
            &endless,
        ];
        for bytes in junk {
            assert!(answer(bytes).is_some_and(|answer| answer.is_err()));
        }
        let junk: [&[u8]; 5] = [
            b"*x\r\n",
            b"*-1\r\n",
            b"*1\r\n*1\r\n",
            b"$1\r\na\r\n",
            b"+OK\r\n",
        ];
        for bytes in junk {
            assert!(answer_to_many(bytes, 1).is_some_and(|answer| answer.is_err()));
        }
        let error = answer_to_many(b"-LOADING it is\r\n", 1).unwrap().unwrap();
        assert!(matches!(error, Value::ServerError(_)));
        assert!(answer(b"$3\r\nabcde\r\n").is_some_and(|answer| answer.is_err()));
    }
}
