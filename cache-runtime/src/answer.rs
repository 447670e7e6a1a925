//! The whole of an async call in one future: what needs nothing of the function's own between the
//! lookup and the body.
//!
//! What stands in an annotated function is compiled anew for each, and proving such a future `Send`
//! costs the compiler more than anything else there. So little of it does.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::call::Looked;
use crate::json::Codec;
use crate::keep::Policy;
use crate::lookup::{Lookup, Step, lookup};
use crate::request::Call;
use crate::slot::{Keeping, Loading, Slot, as_it_is};

/// An async function as it is called with the arguments `A`.
pub trait Function<A> {
    /// What it makes of them.
    type Future: Future;

    /// Calls it.
    fn call(self, arguments: A) -> Self::Future;
}

macro_rules! functions {
    ($($argument:ident)*) => {
        impl<B, F, $($argument),*> Function<($($argument,)*)> for B
        where
            B: FnOnce($($argument),*) -> F,
            F: Future,
        {
            type Future = F;

            #[allow(non_snake_case, reason = "an argument is named as its type")]
            fn call(self, ($($argument,)*): ($($argument,)*)) -> F {
                self($($argument),*)
            }
        }
    };
}

functions!();
functions!(A1);
functions!(A1 A2);
functions!(A1 A2 A3);
functions!(A1 A2 A3 A4);
functions!(A1 A2 A3 A4 A5);
functions!(A1 A2 A3 A4 A5 A6);
functions!(A1 A2 A3 A4 A5 A6 A7);
functions!(A1 A2 A3 A4 A5 A6 A7 A8);

/// Looks for the answer of a call, and runs `body` with `arguments` if there is none.
pub fn answer<R, P, A, B, L>(
    policy: P,
    call: Call,
    looking: fn(Call) -> L,
    codec: Codec<R>,
    body: B,
    arguments: A,
) -> Answer<R, P::Kept, A, B, B::Future, L>
where
    P: Policy<R>,
    B: Function<A, Future: Future<Output = R>>,
{
    Answer {
        lookup: lookup(call, looking, codec),
        body: Some((body, arguments)),
        loading: None,
        keeping: Keeping::by(policy),
    }
}

pin_project_lite::pin_project! {
    /// A call on its way. The body is boxed, and only when it is to run: however large it is, this
    /// is not.
    #[must_use = "futures do nothing unless polled"]
    pub struct Answer<R, K, A, B, F, L> {
        #[pin]
        lookup: Lookup<R, L>,
        // Until there is an answer.
        body: Option<(B, A)>,
        loading: Option<Loading<R, K, F, Decide<R>>>,
        keeping: Keeping<R, K>,
    }
}

type Decide<R> = fn(Slot<R>, &R) -> Slot<R>;

impl<R, K, A, B, F, L> Future for Answer<R, K, A, B, F, L>
where
    B: Function<A, Future = F>,
    F: Future<Output = R>,
    L: Future<Output = Looked>,
{
    type Output = R;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        let this = self.project();
        if let Some(loading) = this.loading {
            return loading.poll_loaded(context);
        }
        let slot = match ready!(this.lookup.poll(context)) {
            Step::Done(returned) | Step::Stale(returned, _) => return Poll::Ready(returned),
            Step::Load(slot) => slot,
        };
        let Some((body, arguments)) = this.body.take() else {
            return Poll::Pending;
        };
        let body = Box::pin(body.call(arguments));
        let loading = Loading::new(slot, *this.keeping, body, as_it_is as Decide<R>);
        this.loading.insert(loading).poll_loaded(context)
    }
}

impl<R, K, A, B, F, L> fmt::Debug for Answer<R, K, A, B, F, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}
