//! The questions the protocol has to answer, and for each the answers worth comparing.
//!
//! [`BUILT`] is what the library does. Every other answer is there to be found wanting, or to show
//! that it would do as well: a model that finds no fault in a faulty rule has gone blind.

/// Who may take the answer of a flight it joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followers {
    All,
    /// All of them, if the fill was confirmed.
    IfFilled,
    /// Those who joined before the answer can have been old.
    ByStamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlightBegins {
    /// Before the read, so that followers share its answer too.
    WithTheRead,
    WithTheLoad,
}

/// What becomes of the refresh key in a pipeline that is about the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshKey {
    Spared,
    UnlinkedFirst,
    UnlinkedLast,
    /// By one command for both keys, which a cluster refuses while it moves their slot.
    UnlinkedTogether,
}

/// Which functions take the trouble with the refresh key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshKeyOf {
    StaleFunctions,
    EveryFunction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    PlainSet,
    /// A token first, whatever is there, then a compare-and-set on it.
    TokenAndFill,
}

/// What a load does when the reply to its lease never came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostLease {
    /// Whoever takes the place on the flight later leads if it finds the lost token in force.
    RunAlone,
    FillAnyway,
    SameTokenAgain,
    /// And lead if that finds the lost token in force.
    FreshToken,
}

/// How a leader stores what it loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    Script,
    /// WATCH, GET, MULTI, SET, EXEC, on a server whose EXEC overlooks that a watched key expired.
    WatchAndSet,
    WatchAndSetIfPresent,
}

/// What wakes the waiters of another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiters {
    TokenGone,
    ValueThere,
}

/// Which bytes an undecodable value is replaced from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Displace {
    Anything,
    SameBytes,
}

#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub followers: Followers,
    pub flight_begins: FlightBegins,
    /// Own `invalidate`, `put` and `refresh` take the flight off the board once more at the end.
    pub detach_again: bool,
    pub invalidate: RefreshKey,
    pub lease: RefreshKey,
    pub put: Put,
    pub put_order: RefreshKey,
    pub refresh_key_of: RefreshKeyOf,
    /// Somebody else's token is an answer to wait for. Not so: everybody who asks leads.
    pub lease_excludes: bool,
    pub lost_lease: LostLease,
    pub waiters: Waiters,
    pub displace: Displace,
    pub displace_order: RefreshKey,
    pub fill: Fill,
    /// A refresh stores nothing over somebody's lease.
    pub refresh_spares_lease: bool,
    /// The companion's `refresh` leads an ordinary load if nothing is stored.
    pub refresh_may_lead: bool,
    /// The companion's `refresh` unlinks the key if its fill is refused, or a reply is lost.
    pub refused_refresh_unlinks: bool,
}

pub const BUILT: Rules = Rules {
    followers: Followers::ByStamp,
    flight_begins: FlightBegins::WithTheLoad,
    detach_again: true,
    // The key first would let a refresh that began earlier fill what is loaded in between.
    invalidate: RefreshKey::UnlinkedFirst,
    // The refresh key first would let a refresh be claimed in between, and outlive the lease.
    lease: RefreshKey::UnlinkedLast,
    put: Put::TokenAndFill,
    put_order: RefreshKey::UnlinkedFirst,
    // Any function may be refreshed by its companion.
    refresh_key_of: RefreshKeyOf::EveryFunction,
    lease_excludes: true,
    lost_lease: LostLease::RunAlone,
    waiters: Waiters::TokenGone,
    displace: Displace::SameBytes,
    // Ahead of it will do: a deletion in between leaves nothing to displace.
    displace_order: RefreshKey::UnlinkedFirst,
    fill: Fill::Script,
    refresh_spares_lease: true,
    refresh_may_lead: true,
    refused_refresh_unlinks: true,
};

/// What one would write down first: a lease, a compare-and-set, a delete, and no more.
pub const NAIVE: Rules = Rules {
    followers: Followers::All,
    detach_again: false,
    invalidate: RefreshKey::UnlinkedTogether,
    lease: RefreshKey::Spared,
    put: Put::PlainSet,
    refresh_key_of: RefreshKeyOf::StaleFunctions,
    refresh_spares_lease: false,
    refresh_may_lead: false,
    refused_refresh_unlinks: false,
    ..BUILT
};

/// [`NAIVE`], but for the followers, whose hole would hide every other.
pub const NAIVE_BY_STAMP: Rules = Rules {
    followers: Followers::ByStamp,
    ..NAIVE
};
