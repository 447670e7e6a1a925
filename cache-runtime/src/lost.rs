//! Tokens whose commands were sent and never answered, and those that could not be given back.
//!
//! A server that was frozen may take such a command in much later, when nobody loads under the token
//! any more. Whoever meets one in this process then knows that there is nobody to wait for.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::lease::Token;

/// More are forgotten, the oldest first: they cost their keys one lease.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Lost(Mutex<Tokens>);

#[derive(Debug, Default)]
struct Tokens {
    known: HashSet<Token>,
    /// In the order of their coming; some may be known no more.
    order: VecDeque<Token>,
}

impl Lost {
    pub(crate) fn add(&self, token: Token) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !tokens.known.insert(token) {
            return;
        }
        tokens.order.push_back(token);
        if tokens.order.len() > MOST
            && let Some(oldest) = tokens.order.pop_front()
        {
            tokens.known.remove(&oldest);
        }
    }

    /// Whether this is one of them. It is no longer then: one caller gives it back.
    pub(crate) fn take(&self, token: &Token) -> bool {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.known.remove(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_token_is_met_by_one() {
        let (lost, token) = (Lost::default(), Token::fresh());
        assert!(!lost.take(&token));
        lost.add(token);
        assert!(lost.take(&token) && !lost.take(&token));
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let lost = Lost::default();
        let tokens: Vec<_> = (0..MOST + 1).map(|_| Token::fresh()).collect();
        tokens.iter().for_each(|token| lost.add(*token));
        assert!(!lost.take(&tokens[0]), "the oldest is forgotten");
        assert!(tokens[1..].iter().all(|token| lost.take(token)));
    }
}
