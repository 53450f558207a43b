use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::health::Health;
use crate::metrics::Metrics;

/// The check that every service has of its registry.
pub(super) const CHECK: &str = "registry";

/// What is known of the registration of a node. How it is asked for:
/// [`Running::registration`](super::Running::registration).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RegistrationStatus {
    /// Whether the node is in the registry, as far as the node knows. While the registry is down this says what it
    /// was before.
    pub registered: bool,
    /// When the node was last registered or renewed.
    pub renewed: Option<Instant>,
    /// How many of the last attempts to register, renew or leave failed, one after the other.
    pub failures_in_a_row: u32,
    /// How the last attempt failed, where it did.
    pub error: Option<String>,
    /// How many times the node came into the registry: the first time, after it was unhealthy, and after the
    /// registry had lost it.
    pub registrations: u64,
    /// How many times its registration was renewed, or replaced because its content changed.
    pub renewals: u64,
    /// How many times it was taken out.
    pub deregistrations: u64,
    /// How many attempts failed at all.
    pub failures: u64,
    /// How many times the node found that the registry had lost it.
    pub losses: u64,
}

impl RegistrationStatus {
    /// How long ago the node was last registered or renewed; `None` where it never was. A value above the
    /// [`register_ttl`](crate::Service::register_ttl) means that the registry has forgotten the node.
    pub fn age(&self) -> Option<Duration> {
        self.renewed.map(|renewed| renewed.elapsed())
    }
}

/// Where the status is kept, for the one who changes it and those who read it.
#[derive(Clone)]
pub(super) struct Presence {
    status: Arc<watch::Sender<RegistrationStatus>>,
    health: Health,
}

impl Presence {
    pub(super) fn new(health: Health) -> Self {
        Self { status: Arc::new(watch::Sender::new(RegistrationStatus::default())), health }
    }

    /// Shows how the node is registered.
    pub(super) fn observe(&self, metrics: &Metrics) {
        metrics.observe(&self.status, |status, samples| {
            let status = status.borrow();
            let registered = f64::from(u8::from(status.registered));
            samples.gauge("micro_node_registered", "Whether the node is in the registry.", &[], registered);
            if let Some(renewed) = status.renewed {
                let help = "How long ago the node was last registered or renewed.";
                let age = renewed.elapsed().as_secs_f64();
                samples.gauge_max("micro_node_registration_age_seconds", help, &[], age);
            }
            let help = "Attempts to register, renew or leave that failed.";
            samples.counter("micro_node_registration_failures", help, &[], status.failures as f64);
            let help = "How often the registry had lost the node.";
            samples.counter("micro_node_registration_losses", help, &[], status.losses as f64);
        });
    }

    pub(super) fn status(&self) -> RegistrationStatus {
        self.status.borrow().clone()
    }

    /// Notes the outcome of a registration.
    pub(super) fn registered(&self, outcome: &Result<()>, took: Duration) {
        self.tried(outcome, took, |status| {
            status.renewed = Some(Instant::now());
            if std::mem::replace(&mut status.registered, true) {
                status.renewals += 1;
            } else {
                status.registrations += 1;
            }
        });
    }

    /// Notes the outcome of a deregistration.
    pub(super) fn deregistered(&self, outcome: &Result<()>, took: Duration) {
        self.tried(outcome, took, |status| {
            status.registered = false;
            status.deregistrations += 1;
        });
    }

    /// Notes that the registry has lost the node.
    pub(super) fn lost(&self) {
        self.status.send_modify(|status| {
            status.registered = false;
            status.losses += 1;
        });
    }

    fn tried(&self, outcome: &Result<()>, took: Duration, done: impl FnOnce(&mut RegistrationStatus)) {
        self.status.send_modify(|status| match outcome {
            Ok(()) => {
                status.failures_in_a_row = 0;
                status.error = None;
                done(status);
            }
            Err(error) => {
                status.failures_in_a_row = status.failures_in_a_row.saturating_add(1);
                status.failures += 1;
                status.error = Some(error.to_string());
            }
        });
        let outcome = match outcome {
            Ok(()) => Ok(()),
            Err(error) => Err(Error::new(error.code(), error.message().to_owned())),
        };
        self.health.note(CHECK, outcome, took);
    }
}
