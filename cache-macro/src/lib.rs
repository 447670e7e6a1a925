//! The attribute and the derive of `cache-runtime`. Depend on that crate: it re-exports both.

mod args;
mod check;
mod derive;
mod duration;
mod error;
mod expand;
mod key;
mod literal;
mod plan;
mod target;
#[cfg(test)]
mod tests;
mod tokens;
mod types;
mod words;

use proc_macro::TokenStream;

/// Reads what a function returns from the cache, and runs the function if nothing is stored.
///
/// ```text
/// #[read_through(key = "user_id", ttl = 60)]
/// async fn load_user(user_id: u64) -> Result<User, DbError> { .. }
/// ```
///
/// The function keeps its signature, and stays `Send` if it was. Of a `Result` only the `Ok` is
/// stored, of an `Option` only the `Some`; anything else is stored as it is. The value must be
/// `Serialize` and `DeserializeOwned`; of the error nothing is asked. The cache adds no error of
/// its own: if it cannot be reached, the function runs.
///
/// It goes on async and sync functions, on methods, on functions of trait implementations and on
/// default methods of traits, also under `#[async_trait]`. Other attributes may stand above and
/// below it: those above see the function with the cache, those below too, but lints go where the
/// body is.
///
/// # Options
///
/// | option | written | without it |
/// |---|---|---|
/// | [`key`](#key) | `key = "user_id"` | all arguments; methods need it |
/// | `skip` | `skip(db, log)` | |
/// | [`ttl`](#ttl) | `ttl = 60`, `ttl = "1h30m"` | kept until it is invalidated |
/// | `jitter` | `jitter = "10%"` | every ttl as it is |
/// | [`near`](#near) | `near`, `near = "2s"` | each hit asks the server |
/// | [`stale`](#stale-detach) | `stale = "5m"` | a value past its ttl is gone |
/// | [`detach`](#stale-detach) | `detach` | a load ends when its caller leaves |
/// | `none` | `none = true`, `none = "30s"` | `None` is not stored |
/// | `store_if` | <code>store_if = \|user: &User\| user.active</code> | always |
/// | [`lease`](#lease-follow) | `lease = "10s"`, `lease = false` | three seconds |
/// | [`follow`](#lease-follow) | `follow = "30s"` | ten seconds |
/// | `name` | `name = "users"` | the path of the function |
/// | `version` | `version = 2` | not part of the key |
/// | `cache` | `cache = &USERS` | the installed one |
/// | [`companion`](#the-companion) | `companion = users`, `companion = false` | named as the function |
/// | `method` | `method` | seen by `self` or `Self` |
/// | `crate` | `crate = ::cache` | `::cache_runtime` |
///
/// ## key
///
/// What tells one call from another.
///
/// | written | key |
/// |---|---|
/// | `key = "user_id"` | the argument |
/// | `key = "tenant, req.user.id"` | several, and fields of arguments |
/// | `key = "user:{user_id}:{lang}"` | a text with arguments in it |
/// | `key = (tenant, id.to_string())` | expressions over the arguments |
/// | `key = ()` | one value for all calls |
///
/// Arguments of different values never make the same key: what structures a key is escaped inside
/// of a part, and two placeholders of a text need one of `: / | # ; @` or a space between them.
/// Type and const parameters of the function are part of the key, and so is the `Self` of a method.
/// `self` itself is not: name what the answer depends on, as in `key = "{self.tenant}:{id}"`. A
/// method must have a `key`, since only its author knows.
///
/// `skip(db, log)` is the key of all arguments but these.
///
/// ## ttl
///
/// How long a value is kept: whole seconds, a text such as `"90s"`, `"500ms"`, `"1h30m"`, `"2d"`, a
/// constant or an expression over the arguments (`Duration`, `u64` seconds, or an `Option` of
/// them), or a closure over the value:
///
/// ```text
/// #[read_through(key = "id", ttl = |user: &User| if user.vip { 600 } else { 60 })]
/// ```
///
/// The closure sees the `T` of `Result<T, _>` and `Option<T>`; the type must be written. An
/// expression is evaluated before the function runs and may only borrow its arguments.
/// `jitter = "10%"` takes up to that much off each ttl, so that values stored together do not
/// expire together.
///
/// ## stale, detach
///
/// `stale = "5m"` keeps a value for five minutes past its `ttl`. Who asks in that time gets the old
/// value at once, and one of the callers refreshes it behind. `detach` lets a load go on when its
/// caller leaves, as at the end of a request, so that it still stores its value.
///
/// What goes on without its caller owns what it uses: an argument by value moves in, of a `&T` (a
/// `&str`, a `&[u64]`) a copy is made, and `self` is taken as `self: Arc<Self>`, as `self`, or as the
/// `&self` of a type that is `Clone`. Arguments must be `Send`, and so must the future be; a borrow
/// inside of a type is refused.
///
/// ## near
///
/// Keeps a copy of the value in this process as well, which answers in a few dozen nanoseconds, for
/// functions that are called far more often than their values change. The server tells of each change
/// as soon as it is made; what this process itself invalidates, puts or refreshes is seen at once.
/// Elsewhere the old copy may be handed out until the server's word arrives, in a fraction of a
/// millisecond as a rule.
///
/// The copies of all functions share `Config::near_bytes`. None lives longer than its value, nor than
/// `Config::near_max_age`, 10 seconds by default, and with `near = "2s"` not longer than that. Where
/// the server cannot tell of changes (a cluster, sentinels, one before Redis 6, or an ACL without
/// `client|tracking`) there are no copies, and one warning says so.
///
/// The value must be `Clone`, `Send`, `Sync` and own what it holds. Of an `Arc<T>` all calls get the
/// same one.
///
/// ## lease, follow
///
/// While one process loads a key, the others wait for what it stores. `lease` is how long they are
/// kept from loading if it dies; with `lease = false` each process loads for itself, and stores even
/// what was invalidated meanwhile. `follow` is the longest that a call waits for others, in this
/// process and elsewhere, before it runs the function itself.
///
/// ## none, `store_if`
///
/// `none = true` stores a `None` too, `none = "30s"` stores it with a ttl of its own. `store_if` is a
/// closure or a function over the value; where it gives `false`, the value is returned and not
/// stored.
///
/// ## name, version
///
/// The first parts of the key. Give a `name` to what other programs read or invalidate, and
/// another `version` to a type that changed in a way that old values do not fit.
///
/// ## The companion
///
/// Beside a free function stands a type of the same name. Its functions take the arguments that the
/// key uses, in any form that stands for them (`"bob"` for a `String`):
///
/// | function | |
/// |---|---|
/// | `load_user::key(7)` | the key in the store |
/// | `load_user::invalidate(7)` | forgets the value |
/// | `load_user::peek(7)` | reads the value without running the function |
/// | `load_user::peek_many([7, 8])` | the same for many, if one argument makes the key |
/// | `load_user::put(7, &user)` | stores a value |
/// | `load_user::refresh(7)` | runs the function and stores what it returns |
/// | `load_user::uncached(7)` | the function itself |
///
/// They are async if the function is. If something else already has the name, choose another
/// (`companion = users`) or none (`companion = false`).
///
/// A method has no companion, because nothing may stand beside it; the call itself is the address
/// of its value: `cache_runtime::invalidate(repo.load_user(7))`. A function of an `impl` that
/// mentions neither `self` nor `Self` needs the option `method`, because an attribute cannot see
/// where it stands.
#[proc_macro_attribute]
pub fn read_through(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(options.into(), item.into()).into()
}

/// Lets a type be part of a key: all of its fields are.
///
/// ```text
/// #[derive(CacheKey)]
/// struct Page { tenant: String, number: u32 }
/// ```
///
/// Every field must be a `CacheKey`; every type parameter is asked to be one. `#[cache_key(crate =
/// path)]` names the runtime if it is not `::cache_runtime`.
#[proc_macro_derive(CacheKey, attributes(cache_key))]
pub fn cache_key(item: TokenStream) -> TokenStream {
    derive::derive(item.into()).into()
}
