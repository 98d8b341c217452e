//! The columns of the table.

use crate::{load::Scenario, outcome::Figures};

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
    Relay,
    RelayLarge,
    RateCpu,
    RateMedian,
    RateTail,
    Delivery,
    JoinsPerSecond,
    JoinCpu,
    Memory,
}

impl Metric {
    /// All columns, in the order of the table.
    pub(super) const ALL: [Self; 9] = [
        Self::Relay,
        Self::RelayLarge,
        Self::RateCpu,
        Self::RateMedian,
        Self::RateTail,
        Self::Delivery,
        Self::JoinsPerSecond,
        Self::JoinCpu,
        Self::Memory,
    ];

    /// The scenario that measures it.
    pub(super) const fn scenario(self) -> Scenario {
        match self {
            Self::Relay => Scenario::Relay,
            Self::RelayLarge => Scenario::RelayLarge,
            Self::RateCpu | Self::RateMedian | Self::RateTail => Scenario::Rate,
            Self::Delivery => Scenario::Broadcast,
            Self::JoinsPerSecond | Self::JoinCpu => Scenario::Joins,
            Self::Memory => Scenario::Idle,
        }
    }

    /// Its figure in a run of that scenario.
    pub(super) fn of(self, figures: &Figures) -> Option<f64> {
        match self {
            Self::Relay | Self::RelayLarge | Self::RateCpu | Self::Delivery => {
                Some(figures.cpu_per_million())
            }
            // Seconds for a million are as many milliseconds for a thousand.
            Self::JoinCpu => Some(figures.cpu_per_million()),
            Self::RateMedian => figures.p50_micros,
            Self::RateTail => figures.p99_micros,
            Self::JoinsPerSecond => Some(figures.per_second()),
            Self::Memory => figures.kib_per_connection,
        }
    }

    /// The title of the column.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Relay => "relay of 300 B, CPU s per million",
            Self::RelayLarge => "relay of 2 KiB, CPU s per million",
            Self::RateCpu => "5,000 a second, CPU s per million",
            Self::RateMedian => "5,000 a second, p50 us",
            Self::RateTail => "5,000 a second, p99 us",
            Self::Delivery => "delivery in rooms of 8, CPU s per million",
            Self::JoinsPerSecond => "joins a second",
            Self::JoinCpu => "CPU ms per 1,000 joins",
            Self::Memory => "KiB per connection",
        }
    }

    /// The figure with three digits, or with all digits before the point if those are more.
    pub(super) fn show(self, figure: f64) -> String {
        match figure {
            100.0.. => format!("{figure:.0}"),
            10.0.. => format!("{figure:.1}"),
            _ => format!("{figure:.2}"),
        }
    }
}
