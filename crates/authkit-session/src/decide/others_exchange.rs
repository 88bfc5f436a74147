//! The table of what a refusal means where other processes may be exchanging the same refresh token.
//!
//! | what the store says after the refusal | nobody else was known to exchange it before | somebody was |
//! |---|---|---|
//! | somebody has, and what came of it can be taken here | that is taken | that is taken |
//! | somebody has begun it, or what came of it cannot be taken | perhaps the other process's doing | the same |
//! | nobody has | the refusal counts | perhaps the other process's doing |

/// Whether another process may be exchanging the same token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OtherProcesses {
    None,
    Exchanging,
}

/// What the store says of an exchange that has just been refused here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OthersExchange<O> {
    /// Nobody else has begun it, as far as can be known.
    None,
    /// Another process has begun it, or what it published cannot be taken here.
    Begun,
    /// Another process has made it, and this came of it.
    Over(O),
}

/// What becomes of a refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AfterRefusal<O> {
    /// What came of the other process's exchange holds here too.
    Take(O),
    /// The token is refused.
    Refused,
    /// The other process may have spent the token. The first time, the request is told to come again.
    PerhapsTheirs,
}

/// What a refusal means.
pub(crate) fn after_refusal<O>(
    known: OthersExchange<O>,
    before: OtherProcesses,
) -> AfterRefusal<O> {
    match (known, before) {
        (OthersExchange::Over(outcome), OtherProcesses::None | OtherProcesses::Exchanging) => {
            AfterRefusal::Take(outcome)
        }
        (OthersExchange::None, OtherProcesses::None) => AfterRefusal::Refused,
        (OthersExchange::Begun, OtherProcesses::None | OtherProcesses::Exchanging)
        | (OthersExchange::None, OtherProcesses::Exchanging) => AfterRefusal::PerhapsTheirs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_counts_where_nobody_else_may_have_spent_the_token() {
        let rows = [
            (OthersExchange::Over('o'), OtherProcesses::None, AfterRefusal::Take('o')),
            (OthersExchange::Over('o'), OtherProcesses::Exchanging, AfterRefusal::Take('o')),
            (OthersExchange::Begun, OtherProcesses::None, AfterRefusal::PerhapsTheirs),
            (OthersExchange::Begun, OtherProcesses::Exchanging, AfterRefusal::PerhapsTheirs),
            (OthersExchange::None, OtherProcesses::None, AfterRefusal::Refused),
            (OthersExchange::None, OtherProcesses::Exchanging, AfterRefusal::PerhapsTheirs),
        ];
        for (known, before, expected) in rows {
            assert_eq!(after_refusal(known, before), expected, "{known:?}, {before:?}");
        }
    }
}
