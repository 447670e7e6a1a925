//! What is asked of the calls that a thread makes here and now, and which of them has it.

use std::cell::RefCell;

use super::{Addressed, Report, Request, Seen};
use crate::spec::{Instance, Spec};

/// How a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Sync,
    Async,
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) request: Request,
    /// Of the calls that it may be meant for.
    pub(super) flow: Flow,
    /// The one function it is meant for, where that is known.
    pub(super) only: Option<&'static Spec>,
}

impl Pending {
    fn is_meant_for(&self, spec: &'static Spec) -> bool {
        self.only.is_none_or(|only| std::ptr::eq(only, spec))
    }
}

/// What is asked of the calls that this thread makes here and now.
#[derive(Debug, Default)]
enum Asking {
    #[default]
    Nothing,
    Up(Pending),
    /// A call has it.
    Taken,
    /// A call was addressed. Another call in the same way is one too many.
    Addressed(Flow, Report<Addressed>),
}

impl Asking {
    fn of(pending: Option<Pending>) -> Self {
        pending.map_or(Self::Nothing, Self::Up)
    }

    fn pending(self) -> Option<Pending> {
        match self {
            Self::Up(pending) => Some(pending),
            Self::Nothing | Self::Taken | Self::Addressed(..) => None,
        }
    }
}

thread_local! {
    static ASKING: RefCell<Asking> = const { RefCell::new(Asking::Nothing) };
}

/// What one call was asked for, nearly always nothing. If the call comes to nothing, so that nothing was
/// done about that, the next one may take it.
#[derive(Debug, Default)]
pub(crate) struct Asked(Option<Box<Pending>>);

impl Asked {
    /// Of a call of this function that begins.
    pub(crate) fn of(instance: &'static Instance) -> Self {
        let asks = |asking: &RefCell<Asking>| !matches!(*asking.borrow(), Asking::Nothing);
        match ASKING.try_with(asks) {
            Ok(true) => Self::taken(instance.spec()),
            _ => Self(None),
        }
    }

    #[cold]
    fn taken(spec: &'static Spec) -> Self {
        let take = |asking: &RefCell<Asking>| {
            let mut asking = asking.borrow_mut();
            match &*asking {
                Asking::Up(pending) if pending.is_meant_for(spec) => {
                    std::mem::replace(&mut *asking, Asking::Taken).pending()
                }
                // A destructor on the way out is not what the closure was for.
                Asking::Addressed(flow, report) if !std::thread::panicking() => Some(Pending {
                    request: Request::Address(report.clone()),
                    flow: *flow,
                    only: None,
                }),
                _ => None,
            }
        };
        Self(ASKING.try_with(take).ok().flatten().map(Box::new))
    }

    /// The call turned out to wait in this way.
    pub(crate) fn of_flow(&mut self, flow: Flow) {
        if self.0.as_ref().is_some_and(|pending| pending.flow != flow) {
            self.give_back();
        }
    }

    /// Whether the call may be answered at once: nobody asked for anything but to be told.
    pub(crate) fn allows_an_answer(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|pending| matches!(pending.request, Request::Observe(_)))
    }

    /// The call was answered at once.
    #[inline]
    pub(crate) fn answered(&mut self, how: Seen) {
        if self.0.is_some() {
            self.report(how);
        }
    }

    #[cold]
    fn report(&mut self, how: Seen) {
        if let Some(Request::Observe(report)) = self.take() {
            report.set(how);
        }
    }

    pub(crate) fn take(&mut self) -> Option<Request> {
        self.0.take().map(|pending| pending.request)
    }

    /// Only to who had it up: a call that was dropped later has nobody to give it back to.
    pub(crate) fn give_back(&mut self) {
        if let Some(pending) = self.0.take() {
            put_up_again(pending);
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// The call that took the request has told its address.
pub(crate) fn addressed(flow: Flow, report: Report<Addressed>) {
    // A thread that ends asks for nothing more.
    let _ = ASKING.try_with(|asking| {
        let mut asking = asking.borrow_mut();
        if matches!(*asking, Asking::Taken) {
            *asking = Asking::Addressed(flow, report);
        }
    });
}

#[cold]
fn put_up_again(pending: Box<Pending>) {
    // A thread that ends asks for nothing more.
    let _ = ASKING.try_with(|asking| {
        let mut asking = asking.borrow_mut();
        if matches!(*asking, Asking::Taken) {
            *asking = Asking::Up(*pending);
        }
    });
}

fn swap(asking: Asking) -> Asking {
    ASKING
        .try_with(|slot| slot.replace(asking))
        .unwrap_or_default()
}

/// Puts a request up for the time of one poll; afterwards `pending` holds it again if nobody took
/// it. A panic on the way leaves nothing behind.
pub(super) fn with<R>(pending: &mut Option<Pending>, work: impl FnOnce() -> R) -> R {
    struct Restore<'a> {
        pending: &'a mut Option<Pending>,
        before: Asking,
    }
    impl Drop for Restore<'_> {
        fn drop(&mut self) {
            *self.pending = swap(std::mem::take(&mut self.before)).pending();
        }
    }
    let before = swap(Asking::of(pending.take()));
    let _restore = Restore { pending, before };
    work()
}
