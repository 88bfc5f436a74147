use std::pin::Pin;

/// What the methods of traits return that an application implements: a future of any type.
///
/// `Box::pin(async move { .. })` makes one.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
