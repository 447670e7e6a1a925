//! The guide: what to know beyond the first example, a page for each question.
//!
//! | page | |
//! |---|---|
//! | [`start`] | a service with a cache, from start to shutdown |
//! | [`keys`] | what tells one call from another |
//! | [`values`] | what is stored of a return value, and what is returned only |
//! | [`freshness`] | how long values live, and what is served meanwhile |
//! | [`stampedes`] | many callers of one key that nothing is stored under |
//! | [`invalidation`] | forgetting a value when its source changed, and transactions |
//! | [`near`] | copies in the process |
//! | [`faults`] | what happens when Redis does not do its part |
//! | [`testing`] | a cache for each test, time without sleeping, faults on purpose |
//! | [`observability`] | what a cache tells of itself |
//! | [`sharing`] | the other side of a key, in any language |
//! | [`limits`] | what is not promised |
//! | [`troubleshooting`] | symptoms, and where they come from |
//! | [`migrating`] | from `cached`, from moka, from code by hand |
//!
//! The options of the attribute are on [its own page](macro@crate::read_through).

#[doc = include_str!("guide/start.md")]
pub mod start {}

#[doc = include_str!("guide/keys.md")]
pub mod keys {}

#[doc = include_str!("guide/values.md")]
pub mod values {}

#[doc = include_str!("guide/freshness.md")]
pub mod freshness {}

#[doc = include_str!("guide/stampedes.md")]
pub mod stampedes {}

#[doc = include_str!("guide/invalidation.md")]
pub mod invalidation {}

#[doc = include_str!("guide/near.md")]
pub mod near {}

#[doc = include_str!("guide/faults.md")]
pub mod faults {}

#[doc = include_str!("guide/testing.md")]
pub mod testing {}

#[doc = include_str!("guide/observability.md")]
pub mod observability {}

#[doc = include_str!("guide/sharing.md")]
pub mod sharing {}

#[doc = include_str!("guide/limits.md")]
pub mod limits {}

#[doc = include_str!("guide/troubleshooting.md")]
pub mod troubleshooting {}

#[doc = include_str!("guide/migrating.md")]
pub mod migrating {}
