use std::{fmt, str::FromStr};

/// Who signs users in: AuthKit's own pages, or a provider to which WorkOS sends them at once.
///
/// The providers of WorkOS's API reference, "Get an authorization URL". WorkOS refuses a provider that is not set up in
/// the dashboard. For any other, [`Endpoints::with_authorization`](crate::Endpoints::with_authorization) takes a name.
///
/// # Examples
///
/// ```
/// use authkit_tower::Provider;
///
/// assert_eq!("GoogleOAuth".parse(), Ok(Provider::Google));
/// assert!("EvilOAuth".parse::<Provider>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Provider {
    /// AuthKit's pages, where the user chooses (`authkit`).
    AuthKit,
    /// `AppleOAuth`.
    Apple,
    /// `BitbucketOAuth`.
    Bitbucket,
    /// `GitHubOAuth`.
    GitHub,
    /// `GitLabOAuth`.
    GitLab,
    /// `GoogleOAuth`.
    Google,
    /// `IntuitOAuth`.
    Intuit,
    /// `LinkedInOAuth`.
    LinkedIn,
    /// `MicrosoftOAuth`.
    Microsoft,
    /// `SalesforceOAuth`.
    Salesforce,
    /// `SlackOAuth`.
    Slack,
    /// `VercelOAuth`.
    Vercel,
    /// `VercelMarketplaceOAuth`.
    VercelMarketplace,
    /// `XeroOAuth`.
    Xero,
}

impl Provider {
    /// WorkOS's name of the provider.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthKit => "authkit",
            Self::Apple => "AppleOAuth",
            Self::Bitbucket => "BitbucketOAuth",
            Self::GitHub => "GitHubOAuth",
            Self::GitLab => "GitLabOAuth",
            Self::Google => "GoogleOAuth",
            Self::Intuit => "IntuitOAuth",
            Self::LinkedIn => "LinkedInOAuth",
            Self::Microsoft => "MicrosoftOAuth",
            Self::Salesforce => "SalesforceOAuth",
            Self::Slack => "SlackOAuth",
            Self::Vercel => "VercelOAuth",
            Self::VercelMarketplace => "VercelMarketplaceOAuth",
            Self::Xero => "XeroOAuth",
        }
    }

    const ALL: [Self; 14] = [
        Self::AuthKit,
        Self::Apple,
        Self::Bitbucket,
        Self::GitHub,
        Self::GitLab,
        Self::Google,
        Self::Intuit,
        Self::LinkedIn,
        Self::Microsoft,
        Self::Salesforce,
        Self::Slack,
        Self::Vercel,
        Self::VercelMarketplace,
        Self::Xero,
    ];
}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, UnknownProvider> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name).ok_or(UnknownProvider(()))
    }
}

impl From<Provider> for String {
    fn from(provider: Provider) -> Self {
        provider.as_str().to_owned()
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is not one of [`Provider`]'s.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownProvider(());

impl fmt::Display for UnknownProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no provider of this version has that name")
    }
}

impl std::error::Error for UnknownProvider {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_read_as_it_is_written_and_no_other_word_is_one() {
        for provider in Provider::ALL {
            assert_eq!(provider.to_string().parse(), Ok(provider));
        }
        for word in ["", "google", "GoogleOauth", " GoogleOAuth", "EvilOAuth"] {
            let error = word.parse::<Provider>().unwrap_err();
            assert_eq!(error.to_string(), "no provider of this version has that name", "{word:?}");
        }
    }
}
