//! What holds for a call: what the call says, else its method, else the client.

use std::time::Duration;

use bytes::Bytes;

use super::{Backoff, CircuitBreaker, RetryBudget};
use crate::endpoint::{MethodDescriptor, Outbound};
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::metadata::Metadata;
use crate::protocol::Outgoing;

/// How many further attempts a call gets unless somebody says so.
const RETRIES: u32 = 2;

/// The metadata that makes a call the same as the one before with the same value
/// (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What a client says of all its calls.
#[derive(Clone, Debug)]
pub(in crate::client) struct Policy {
    pub(in crate::client) retries: Option<u32>,
    pub(in crate::client) attempt_timeout: Option<Duration>,
    pub(in crate::client) hedge: Option<Duration>,
    pub(in crate::client) backoff: Backoff,
    pub(in crate::client) codes: Codes,
    pub(in crate::client) budget: Option<RetryBudget>,
    pub(in crate::client) breaker: Option<CircuitBreaker>,
}

impl Policy {
    /// The same, with what the environment says where the code does not.
    pub(in crate::client) fn decided(&self, environment: &Environment) -> Result<Self> {
        let retries = match self.retries {
            Some(retries) => Some(retries),
            None => from_environment(environment, "MICRO_CLIENT_RETRIES")?,
        };
        Ok(Self { retries, ..self.clone() })
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retries: None,
            attempt_timeout: None,
            hedge: None,
            backoff: Backoff::default(),
            codes: Codes::of(&[Code::Unavailable]),
            budget: Some(RetryBudget::default()),
            breaker: Some(CircuitBreaker::default()),
        }
    }
}

fn from_environment(environment: &Environment, name: &str) -> Result<Option<u32>> {
    let Some(value) = environment.get(name)? else { return Ok(None) };
    value.trim().parse().map(Some).map_err(|error| {
        Error::invalid_argument(format!(
            "the environment variable {name} is `{value}`: {error}; write a whole number, 0 for no retries"
        ))
    })
}

/// A set of codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) struct Codes(u32);

impl Codes {
    pub(in crate::client) fn of(codes: &[Code]) -> Self {
        Self(codes.iter().fold(0, |all, code| all | 1 << code.number()))
    }

    pub(super) fn has(self, code: Code) -> bool {
        self.0 & 1 << code.number() != 0
    }
}

/// What a call says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::client) struct Wishes {
    pub(in crate::client) retries: Option<u32>,
    pub(in crate::client) attempt_timeout: Option<Duration>,
    pub(in crate::client) hedge: Option<Duration>,
    pub(in crate::client) coalesce: Option<bool>,
}

/// What holds for one call. It is made where something depends on it, and not for every call.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct Plan {
    /// Whether an attempt that may have been processed can be followed by another one.
    pub(super) repeatable: bool,
    /// How many attempts there may be after the first, of all kinds.
    pub(super) retries: u32,
    pub(super) backoff: Backoff,
    pub(super) codes: Codes,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) hedge: Option<Duration>,
}

/// Where the parts of a policy are found.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct Sources<'a> {
    pub(in crate::client) policy: &'a Policy,
    pub(in crate::client) wishes: Option<&'a Wishes>,
}

impl Sources<'_> {
    fn retries(self, method: &MethodDescriptor) -> Option<u32> {
        let wish = self.wishes.and_then(|wishes| wishes.retries);
        wish.or(method.retries).or(self.policy.retries)
    }

    fn attempt_timeout(self, method: &MethodDescriptor) -> Option<Duration> {
        let wish = self.wishes.and_then(|wishes| wishes.attempt_timeout);
        wish.or(method.attempt_timeout).or(self.policy.attempt_timeout)
    }

    fn hedge(self, method: &MethodDescriptor) -> Option<Duration> {
        let wish = self.wishes.and_then(|wishes| wishes.hedge);
        wish.or(method.hedge).or(self.policy.hedge)
    }

    /// Whether the clock may begin another attempt while one goes on. On the path of every call, most of which
    /// have nothing of the kind.
    #[inline]
    pub(in crate::client) fn races(self, outgoing: &Outgoing) -> bool {
        self.has_clock(outgoing.method) && self.may_race(outgoing)
    }

    fn has_clock(self, method: &MethodDescriptor) -> bool {
        self.hedge(method).is_some() || self.attempt_timeout(method).is_some()
    }

    #[cold]
    fn may_race(self, outgoing: &Outgoing) -> bool {
        let plan = self.plan(outgoing);
        plan.repeatable && plan.retries > 0 && (plan.hedge.is_some() || plan.attempt_timeout.is_some())
    }

    /// The request of a call that may stay in the process, encoded, so that it can be sent again. Only where
    /// somebody asked for that, since it costs each call as much as to leave the process.
    #[inline]
    pub(in crate::client) fn copy(self, outgoing: &Outgoing) -> Option<Box<Bytes>> {
        let Outbound::Carried(carried) = &outgoing.body else { return None };
        let method = outgoing.method;
        let asked = self.has_clock(method) || self.retries(method).is_some();
        if !asked || !is_repeatable(method, &outgoing.metadata) || self.plan(outgoing).retries == 0 {
            return None;
        }
        // What cannot be written is handed over once.
        carried.copied(&outgoing.codec).ok().flatten().map(Box::new)
    }

    #[cold]
    pub(in crate::client) fn plan(self, outgoing: &Outgoing) -> Plan {
        let method = outgoing.method;
        Plan {
            repeatable: is_repeatable(method, &outgoing.metadata),
            retries: self.retries(method).unwrap_or(RETRIES),
            backoff: self.policy.backoff,
            codes: self.policy.codes,
            attempt_timeout: self.attempt_timeout(method),
            // A stream of answers has no answer to race for.
            hedge: self.hedge(method).filter(|_| method.is_unary()),
        }
    }
}

/// Whether to process a call twice is the same as once, and there is something to be sent twice.
fn is_repeatable(method: &MethodDescriptor, metadata: &Metadata) -> bool {
    !method.request.stream && (method.idempotent || metadata.contains(IDEMPOTENCY_KEY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;

    const READ: MethodDescriptor =
        MethodDescriptor::new::<(), ()>("test.v1.Probe", "Read", "/test.v1.Probe/Read", "").idempotent();
    const WRITE: MethodDescriptor =
        MethodDescriptor::new::<(), ()>("test.v1.Probe", "Write", "/test.v1.Probe/Write", "");

    fn of(method: &'static MethodDescriptor) -> Outgoing {
        Outgoing {
            method,
            codec: Codec::JSON,
            compression: None,
            http_get: false,
            metadata: Metadata::new(),
            deadline: None,
            body: Outbound::One(Bytes::new()),
            max_message_size: 0,
        }
    }

    #[test]
    fn what_is_nearest_to_the_call_wins() {
        const TUNED: MethodDescriptor = READ.retries(5).hedge(Duration::from_millis(5));
        let policy = Policy { retries: Some(7), ..Policy::default() };
        let wishes = Wishes { retries: Some(1), ..Wishes::default() };
        let plan = |policy, wishes, method| Sources { policy, wishes }.plan(&of(method));
        let usual = Policy::default();
        assert_eq!(plan(&usual, None, &READ).retries, 2);
        assert_eq!(plan(&policy, None, &READ).retries, 7);
        assert_eq!(plan(&policy, None, &TUNED).retries, 5);
        let nearest = plan(&policy, Some(&wishes), &TUNED);
        assert_eq!((nearest.retries, nearest.hedge), (1, Some(Duration::from_millis(5))));
    }

    #[test]
    fn a_call_with_a_key_is_as_repeatable_as_one_of_an_idempotent_method() {
        let mut write = of(&WRITE);
        let policy = &Policy { hedge: Some(Duration::from_millis(5)), ..Policy::default() };
        let sources = Sources { policy, wishes: None };
        assert!(!sources.plan(&write).repeatable && !sources.races(&write));
        write.metadata.insert(IDEMPOTENCY_KEY, "order-7").unwrap();
        assert!(sources.plan(&write).repeatable && sources.races(&write));
    }

    #[test]
    fn the_environment_holds_where_the_code_says_nothing() {
        let environment = |value: &str| Environment::from_iter([("MICRO_CLIENT_RETRIES", value)]);
        let retries =
            |policy: Policy, value| policy.decided(&environment(value)).map(|policy| policy.retries);
        assert_eq!(retries(Policy::default(), "").unwrap(), None);
        assert_eq!(retries(Policy::default(), "0").unwrap(), Some(0));
        let in_code = Policy { retries: Some(3), ..Policy::default() };
        assert_eq!(retries(in_code, "0").unwrap(), Some(3));
        let wrong = retries(Policy::default(), "many").unwrap_err();
        assert!(wrong.message().starts_with("the environment variable MICRO_CLIENT_RETRIES is `many`: "));
    }

    #[test]
    fn a_set_of_codes_has_what_was_put_in() {
        let codes = Codes::of(&[Code::Unavailable, Code::Aborted]);
        let has: Vec<_> = Code::ALL.iter().copied().filter(|code| codes.has(*code)).collect();
        assert_eq!(has, [Code::Aborted, Code::Unavailable]);
    }
}
