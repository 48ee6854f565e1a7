//! Tokens for tests and the demo, on development chains: whoever asks gets some. They are no part of a deployment.
//!
//! Their source is `test/support/Tokens.sol`, and each behaves as some token that holds money does:
//!
//! | token | `transfer` | decimals |
//! |---|---|---|
//! | [`Coin`] | answers `true` or reverts, as USDC does | 6 |
//! | [`SilentCoin`] | answers nothing or reverts, as USDT does | 6 |
//! | [`PoliteCoin`] | answers `false` where others revert | 6 |
//! | [`FeeCoin`] | keeps a hundredth | 18 |

pub use coin::Coin;
pub use fee_coin::FeeCoin;
pub use polite_coin::PoliteCoin;
pub use silent_coin::SilentCoin;

mod coin {
    alloy::sol! {
        /// As USDC is: six decimals, and a return value.
        #[sol(rpc)]
        #[allow(missing_docs)]
        Coin,
        "artifacts/tokens/Coin.json"
    }
}

mod silent_coin {
    alloy::sol! {
        /// As USDT is: no return value.
        #[sol(rpc)]
        #[allow(missing_docs)]
        SilentCoin,
        "artifacts/tokens/SilentCoin.json"
    }
}

mod polite_coin {
    alloy::sol! {
        /// Answers `false` instead of reverting.
        #[sol(rpc)]
        #[allow(missing_docs)]
        PoliteCoin,
        "artifacts/tokens/PoliteCoin.json"
    }
}

mod fee_coin {
    alloy::sol! {
        /// Keeps a hundredth of what is transferred.
        #[sol(rpc)]
        #[allow(missing_docs)]
        FeeCoin,
        "artifacts/tokens/FeeCoin.json"
    }
}
