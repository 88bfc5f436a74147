use crate::{
    config::Config,
    refresh::hook::{RefreshHook, RefreshedSession, Ruling},
};

impl Config {
    /// Asks the application about every session that was refreshed or switched to another organization, before a
    /// request goes on with it (default: it always goes on).
    ///
    /// [`Ruling::Refuse`] ends the session: whoever asks is told to sign in, its cookie is refused here, and WorkOS
    /// revokes it. With [`Ruling::Undecided`], a panic, or no answer within 3 seconds, a request whose old token has
    /// expired gets 503; the new cookie is set all the same, since the old one is spent, and the hook is asked again when
    /// it comes back. Only the process that asked knows of that: another replica, or this one after a restart, lets the
    /// new token in until it ends. Sessions that have just begun are the sign-in hook's.
    ///
    /// The hook may be asked more than once about one session: by each replica, and again after a failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_session::{Config, CookiePassword, RefreshedSession, Ruling};
    ///
    /// # async fn is_suspended(_: &str) -> Result<bool, ()> { Ok(false) }
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let config = Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password);
    /// let config = config.with_refresh_hook(async |refreshed: RefreshedSession| {
    ///     match is_suspended(refreshed.session.user_id()).await {
    ///         Ok(false) => Ruling::Keep,
    ///         Ok(true) => Ruling::Refuse,
    ///         Err(_) => Ruling::Undecided,
    ///     }
    /// });
    /// # Ok::<(), authkit_session::ConfigError>(())
    /// ```
    pub fn with_refresh_hook<F, A>(mut self, hook: F) -> Self
    where
        F: Fn(RefreshedSession) -> A + Send + Sync + 'static,
        A: Future<Output = Ruling> + Send + 'static,
    {
        self.refresh_hook = Some(RefreshHook::new(hook));
        self
    }
}
