//! The enumerations of `src/Types.sol`. The bindings give them as numbers; `try_from` names them.

/// A number that stands for none of an enumeration's cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} stands for nothing that this version knows")]
pub struct UnknownNumber(
    /// The number.
    pub u8,
);

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $number:literal, $word:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum $name {
            $($(#[$case_doc])* $case = $number,)+
        }

        impl TryFrom<u8> for $name {
            type Error = UnknownNumber;

            fn try_from(number: u8) -> Result<Self, UnknownNumber> {
                match number {
                    $($number => Ok(Self::$case),)+
                    _ => Err(UnknownNumber(number)),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(match self {
                    $(Self::$case => $word,)+
                })
            }
        }
    };
}

named! {
    /// What all that ever happened to a proposal on-chain came to, in any lane: `Status` of the contract.
    ProposalStatus {
        /// Nothing happened to it on-chain.
        None = 0, "unknown on-chain";
        /// It takes votes.
        Open = 1, "open";
        /// It is approved, and may be executed in its time.
        Approved = 2, "approved";
        /// It can no longer be approved by votes on-chain.
        Rejected = 3, "rejected";
        /// Its proposer withdrew it, or an anchored log refused what signatures had approved.
        Cancelled = 4, "cancelled";
        /// It was taken back by objections or by a decision, for good.
        Revoked = 5, "revoked";
        /// Its calls were made, for good.
        Executed = 6, "executed";
        /// The voting, the epoch or the time for the execution ended.
        Expired = 7, "expired";
    }
}

named! {
    /// Which way a proposal took to its execution.
    Lane {
        /// Executed by a transaction of the on-chain lane.
        OnChain = 0, "on-chain";
        /// Decided in the group's log, and proven by an anchor.
        Anchored = 1, "anchored";
    }
}

named! {
    /// Why a ballot was passed over.
    Skip {
        /// The account is no voter, or has left.
        NotVoter = 0, "the account is no voter, or has left";
        /// Voters have to ascend strictly.
        NotAscending = 1, "the voters do not ascend";
        /// There is no such choice.
        InvalidChoice = 2, "there is no such choice";
        /// The voter has voted, and votes do not change or it is the same.
        AlreadyVoted = 3, "the voter has voted";
        /// The signature is none of the voter's for this.
        InvalidSignature = 4, "the signature is not good";
        /// The proposal takes no more votes.
        NotOpen = 5, "the proposal takes no votes";
    }
}

named! {
    /// A term of a group or a class that has bounds, as `InvalidTerm` tells it.
    Term {
        /// How many classes there are.
        ClassCount = 0, "the number of classes";
        /// The stall time.
        StallTime = 1, "the stall time";
        /// The inbox' deadline.
        InboxDeadline = 2, "the inbox deadline";
        /// The recovery time.
        RecoveryTime = 3, "the recovery time";
        /// The evidence window.
        EvidenceWindow = 4, "the evidence window";
        /// The reporter's share.
        ReporterShare = 5, "the reporter's share";
        /// A class' name.
        Name = 6, "the name";
        /// A class' threshold.
        Threshold = 7, "the threshold";
        /// A class' turnout.
        Turnout = 8, "the turnout";
        /// A class' veto.
        Veto = 9, "the veto";
        /// A class' voting period.
        VotingPeriod = 10, "the voting period";
        /// A class' timelock.
        Timelock = 11, "the timelock";
        /// A class' expiry.
        Expiry = 12, "the expiry";
        /// A class' window.
        Window = 13, "the window";
        /// A class that is always open on-chain, and could be decided otherwise there.
        Opening = 14, "the opening";
        /// A class with the escape lane, and that could be decided otherwise there.
        Escape = 15, "the escape lane";
        /// How many limits a class has.
        LimitCount = 16, "the number of limits";
        /// The asset of a limit.
        LimitAsset = 17, "the asset of a limit";
        /// The amounts of a limit.
        LimitAmount = 18, "the amount of a limit";
        /// How many targets a class has.
        TargetCount = 19, "the number of targets";
        /// A target.
        Target = 20, "the target";
        /// A class that calls without a timelock, and has no limits and window.
        Bounded = 21, "the bound of a class without a timelock";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of an enumeration, in the order of their numbers, as the sources have them.
    fn cases_in_the_sources(name: &str) -> Vec<String> {
        let sources = include_str!("../src/Types.sol");
        let body = sources.split_once(&format!("enum {name} {{\n")).expect("it is there").1;
        let body = body.split_once("\n}").expect("it ends").0;
        let lines = body.lines().map(|line| line.trim().trim_end_matches(','));
        lines.filter(|line| !line.starts_with("//")).map(str::to_owned).collect()
    }

    fn assert_named<T: TryFrom<u8, Error = UnknownNumber> + std::fmt::Debug>(name: &str) {
        let cases = cases_in_the_sources(name);
        for (number, case) in (0..).zip(&cases) {
            assert_eq!(format!("{:?}", T::try_from(number).unwrap()), *case, "{name} {number}");
        }
        let beyond = u8::try_from(cases.len()).unwrap();
        assert_eq!(T::try_from(beyond).unwrap_err(), UnknownNumber(beyond));
    }

    #[test]
    fn numbers_become_the_names_of_the_sources() {
        assert_named::<ProposalStatus>("Status");
        assert_named::<Lane>("Lane");
        assert_named::<Skip>("Skip");
        assert_named::<Term>("Term");
    }
}
