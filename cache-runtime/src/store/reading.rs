//! A read under way, whichever store it is of.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Found, redis};
use crate::error::Error;

/// A read under way. Not boxed where hits are to be fast.
pub(crate) enum Reading<'a> {
    /// Nothing needed to be waited for; taken when it is polled.
    Now(Option<Result<Found, Error>>),
    Together(redis::AtHome<redis::Get<'a>>),
    Boxed(Pin<Box<dyn Future<Output = Result<Found, Error>> + Send + 'a>>),
}

impl Reading<'_> {
    pub(super) fn now(found: Result<Found, Error>) -> Self {
        Self::Now(Some(found))
    }
}

impl Future for Reading<'_> {
    type Output = Result<Found, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Now(found) => found.take().map_or(Poll::Pending, Poll::Ready),
            Self::Together(get) => Pin::new(get).poll(context),
            Self::Boxed(reading) => reading.as_mut().poll(context),
        }
    }
}
