use std::pin::Pin;

/// The boxed future that trait methods which an application implements return.
///
/// `Box::pin(async move { .. })` makes one.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
