//! The only door for expansions of the attribute. Nothing here is part of the public interface:
//! the macro's version is pinned to this crate's.

pub use core;
pub use std;

pub use crate::address::{refresh_of, refresh_sync_of};
pub use crate::answer::{Answer, Function, answer};
pub use crate::behind::{Owned, behind, behind_sync, detached};
pub use crate::cache::Cache;
pub use crate::companion::{
    Op, Peek, PeekMany, invalidate, invalidate_sync, key, peek, peek_many, peek_many_sync,
    peek_sync, put, put_sync,
};
pub use crate::json::{Codec, Lossy, NearValue, Stored};
pub use crate::keep::{
    Answers, ClonedFallback, EqualFallback, HoldingFallback, Inner, IntoTtl, OkFallback, Policy,
    Probe, ShownFallback, SomeFallback, store_if, ttl_of,
};
pub use crate::key::{CacheKey, KeyArg, KeyWriter};
pub use crate::lookup::{Lookup, Step, at_hand, looking, lookup, lookup_sync};
pub use crate::request::Call;
pub use crate::slot::{Loading, Slot, as_it_is};
pub use crate::spec::{Spec, Types};
