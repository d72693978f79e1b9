//! Prometheus metrics. Every label has a fixed set of values, whatever clients send.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use sealwax_transparency_log::Placed;

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answer, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
    entries: Counter,
    duplicates: Counter,
    commits: Counter,
    commit_duration: Histogram,
    waiting: Gauge,
    size: Gauge<u64, AtomicU64>,
    witness_failures: Family<Witness, Counter>,
    exchanges: Family<Exchange, Counter>,
}

/// A request's route, as its template, and the class of its answer.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Witness {
    witness: String,
}

/// What was asked of the authority, and how that ended.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Exchange {
    pub(crate) what: Asked,
    pub(crate) outcome: Outcome,
}

/// What an authority is asked for.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
pub(crate) enum Asked {
    Certificate,
    Timestamp,
    Invitation,
}

/// How it answered.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
pub(crate) enum Outcome {
    Granted,
    Refused,
    Failed,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("sealwax");
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            entries: Counter::default(),
            duplicates: Counter::default(),
            commits: Counter::default(),
            commit_duration: histogram(),
            waiting: Gauge::default(),
            size: Gauge::default(),
            witness_failures: Family::default(),
            exchanges: Family::default(),
            registry: Registry::default(),
        };
        let seconds = || Unit::Seconds;
        registry.register("http_requests", "Requests answered", metrics.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time to an answer",
            seconds(),
            metrics.durations.clone(),
        );
        registry.register("log_entries", "Entries appended", metrics.entries.clone());
        registry.register(
            "log_duplicates",
            "Submissions of entries that were there",
            metrics.duplicates.clone(),
        );
        registry.register("log_commits", "Commits", metrics.commits.clone());
        registry.register_with_unit(
            "log_commit_duration",
            "Time from taking a batch up to its publication",
            seconds(),
            metrics.commit_duration.clone(),
        );
        registry.register("log_waiting", "Submissions that wait", metrics.waiting.clone());
        registry.register("log_size", "Entries under the published checkpoint", metrics.size.clone());
        registry.register(
            "witness_failures",
            "Cosignatures asked for and not had",
            metrics.witness_failures.clone(),
        );
        registry.register(
            "authority_requests",
            "Certificates, time stamps and redeemed invitations asked for",
            metrics.exchanges.clone(),
        );
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// Counts an answered request; `route` is a template such as `/tile/{*path}`, never a path.
    pub(crate) fn answered(&self, route: &str, status: u16, took: Duration) {
        let route = route.to_owned();
        self.durations.get_or_create(&Route { route: route.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&Answer { route, status }).inc();
    }

    pub(crate) fn committed(&self, placed: &[Placed], took: Duration) {
        for placed in placed {
            if placed.existing {
                self.duplicates.inc()
            } else {
                self.entries.inc()
            };
        }
        self.commits.inc();
        self.commit_duration.observe(took.as_secs_f64());
    }

    /// Counts a submission that waits, until what is given back is dropped.
    pub(crate) fn waiting(&self) -> Waiting {
        self.waiting.inc();
        Waiting(self.waiting.clone())
    }

    pub(crate) fn size(&self, size: u64) {
        self.size.set(size);
    }

    /// Counts a witness's failure; the names are the policy's.
    pub(crate) fn witness_failed(&self, witness: &str) {
        self.witness_failures.get_or_create(&Witness { witness: witness.to_owned() }).inc();
    }

    /// Counts what was asked of the authority.
    pub(crate) fn exchanged(&self, what: Asked, outcome: Outcome) {
        self.exchanges.get_or_create(&Exchange { what, outcome }).inc();
    }

    /// Writes everything in the OpenMetrics text format.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A submission that waits, whether for its answer or until its client goes away.
pub(crate) struct Waiting(Gauge);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn histogram() -> Histogram {
    Histogram::new([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0])
}
