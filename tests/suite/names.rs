//! The name that begins a key: it tells apart what the compiler tells apart, in every process and in
//! every build of one source.

mod ambiguous;
mod parameters;
mod shapes;
mod traits;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cache_runtime::{Cache, Listening};

/// Calls functions, each of which returns a text of its own, and notes the key of each.
struct Calls {
    cache: Cache,
    keys: Arc<Mutex<Vec<String>>>,
    _listening: Listening,
    texts: BTreeMap<String, String>,
}

impl Calls {
    fn new(cache: Cache) -> Self {
        let keys = Arc::<Mutex<Vec<String>>>::default();
        let heard = keys.clone();
        let listening =
            cache.on_event(move |event| heard.lock().unwrap().push(event.key.to_owned()));
        Self {
            cache,
            keys,
            _listening: listening,
            texts: BTreeMap::new(),
        }
    }

    /// Makes the call twice. Its value is this text, and its key is of no other call.
    fn make(&mut self, text: &str, call: impl Fn() -> String) {
        let _inside = self.cache.enter();
        assert_eq!(call(), text);
        assert_eq!(call(), text);
        let keys = std::mem::take(&mut *self.keys.lock().unwrap());
        let key = keys.first().expect("the call is one of a cached function");
        assert!(keys.iter().all(|other| other == key), "{keys:?}");
        let other = self.texts.insert(key.clone(), text.to_owned());
        assert_eq!(other, None, "`{text}` has the key {key} too");
    }
}
