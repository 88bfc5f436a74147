//! The primitives whose every use is a step of the model checker.

pub(crate) mod tasks;
pub(crate) mod watch;

use std::{
    fmt,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use arc_swap::{Guard, RefCnt};
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, AtomicU64},
};
use quick_cache::{
    Equivalent, Weighter,
    sync::{self, DefaultLifecycle},
};

use self::tasks::thread;

/// A pointer that can be replaced, as `arc_swap` promises it: a load acquires and a store releases. A thread may see an older
/// value as long as nothing has told it of the newer one.
pub(crate) struct Swapped<T> {
    newest: loom::sync::atomic::AtomicUsize,
    /// Never locked across a step.
    values: std::sync::Mutex<Vec<T>>,
}

pub(crate) type ArcSwap<T> = Swapped<Arc<T>>;
pub(crate) type ArcSwapOption<T> = Swapped<Option<Arc<T>>>;

impl<T: RefCnt> Swapped<T> {
    fn holding(value: T) -> Self {
        Self { newest: Default::default(), values: std::sync::Mutex::new(vec![value]) }
    }

    pub(crate) fn load(&self) -> Guard<T> {
        Guard::from_inner(self.load_full())
    }

    pub(crate) fn load_full(&self) -> T {
        let newest = self.newest.load(Ordering::Acquire);
        self.values.lock().unwrap()[newest].clone()
    }

    pub(crate) fn store(&self, value: T) {
        let mut values = self.values.lock().unwrap();
        values.push(value);
        let newest = values.len() - 1;
        drop(values);
        self.newest.swap(newest, Ordering::AcqRel);
    }
}

impl<T> Swapped<Arc<T>> {
    pub(crate) fn from_pointee(value: T) -> Self {
        Self::holding(Arc::new(value))
    }
}

impl<T> Swapped<Option<Arc<T>>> {
    pub(crate) fn empty() -> Self {
        Self::holding(None)
    }
}

impl<T> fmt::Debug for Swapped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swapped").finish_non_exhaustive()
    }
}

/// The cache itself, of which each use is one step.
pub(crate) struct Cache<K, V, W, B> {
    cache: sync::Cache<K, V, W, B>,
    step: loom::sync::atomic::AtomicUsize,
}

impl<K, V, W, B> Cache<K, V, W, B>
where
    K: Eq + Hash,
    V: Clone,
    W: Weighter<K, V> + Clone,
    B: BuildHasher + Clone,
{
    pub(crate) fn with(
        items: usize,
        weight: u64,
        weighter: W,
        hasher: B,
        lifecycle: DefaultLifecycle<K, V>,
    ) -> Self {
        let cache = sync::Cache::with(items, weight, weighter, hasher, lifecycle);
        Self { cache, step: Default::default() }
    }

    pub(crate) fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<V> {
        self.stepped().get(key)
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        self.stepped().insert(key, value);
    }

    pub(crate) fn remove<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<(K, V)> {
        self.stepped().remove(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.stepped().len()
    }

    pub(crate) fn weight(&self) -> u64 {
        self.stepped().weight()
    }

    /// The cache locks a part of itself for each use.
    fn stepped(&self) -> &sync::Cache<K, V, W, B> {
        self.step.fetch_add(1, Ordering::AcqRel);
        &self.cache
    }
}

/// Hashes alike in every run, since the model checker repeats one.
pub(crate) type RandomState = BuildHasherDefault<DefaultHasher>;

/// By which one thread of a test tells another that something has returned.
#[derive(Debug, Default)]
pub(crate) struct Flag(AtomicU32);

impl Flag {
    pub(crate) fn raise(&self) {
        self.0.store(1, Ordering::Release);
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire) == 1
    }
}

/// Runs a test in every interleaving of its threads; if `preemptions` is given, only in those in which a thread that could
/// go on is interrupted at most so often. Prints how many there are.
///
/// The test has four threads at most, itself among them. A thread that waits for ever fails it.
pub(crate) fn explore(
    name: &str,
    preemptions: Option<usize>,
    test: impl Fn() + Send + Sync + 'static,
) {
    // Timers count as pending for ever: nobody drives this runtime.
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
    let _entered = runtime.enter();
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.max_branches = 20_000;
    let (test, executions) = (Arc::new(test), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&executions);
    model.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let test = Arc::clone(&test);
        // The first thread has a small stack.
        thread(move || test()).join().unwrap();
    });
    let executions = executions.load(Ordering::Relaxed);
    println!("{executions} interleavings: {name}");
    assert!(executions > 1, "nothing was interleaved");
}
