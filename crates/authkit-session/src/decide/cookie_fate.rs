/// What a refusal does with the browser's cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CookieFate {
    Kept,
    /// Deleted, but only by the answer to a document's GET: no other answer shows that it was the browser's newest.
    DeletedByDocument,
}
