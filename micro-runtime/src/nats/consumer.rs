//! Consumers of JetStream: what the server remembers of somebody who is given the events of a stream.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{self, AckPolicy, IntoConsumerConfig as _, pull};
use serde_json::json;

use super::api::Answer;
use super::link::Link;
use crate::error::{Error, Result};

/// With so many events in hand the server gives out no more, over all members: there is no such limit, since each member asks
/// for as many as it can take.
const UNLIMITED: i64 = -1;

/// A consumer on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Consumer {
    pub(crate) stream: String,
    pub(crate) name: String,
    /// Nobody else has it, so it goes when it is no longer needed.
    pub(crate) own: bool,
    /// Its stream is another one than before, and counts from the beginning.
    pub(crate) anew: bool,
}

/// The settings of a consumer that is asked for events and acknowledges each of them. `ordered` is one event at a time.
pub(crate) fn settings(name: &str, subject: &str, ordered: bool) -> pull::Config {
    pull::Config {
        name: Some(name.to_owned()),
        ack_policy: AckPolicy::Explicit,
        max_ack_pending: if ordered { 1 } else { UNLIMITED },
        max_deliver: -1,
        // Each member asks twice or three times at once, and there may be many.
        max_waiting: 2048,
        filter_subject: subject.to_owned(),
        ..pull::Config::default()
    }
}

/// The same for one that stays when nobody uses it.
pub(crate) fn durable(mut config: pull::Config) -> pull::Config {
    config.durable_name.clone_from(&config.name);
    config
}

impl Link {
    /// Makes sure of a consumer. One that is there is used as it is, and only told about the order.
    pub(crate) async fn consumer(&self, stream: &str, config: pull::Config) -> Result<Consumer> {
        let own = config.durable_name.is_none();
        let name = config.name.clone().unwrap_or_default();
        if !own && let Some(known) = self.known_consumer(stream, &name).await? {
            self.check(&known)?;
            let filter = &known.config.filter_subject;
            if !filter.is_empty() && *filter != config.filter_subject {
                return Err(Error::failed_precondition(format!(
                    "the consumer `{name}` of the stream `{stream}` of NATS at {} is for `{filter}`, and not for `{}`: take \
                     another name for the group",
                    self.servers, config.filter_subject
                )));
            }
            let ordered = config.max_ack_pending == 1;
            // Who asks for order gets it, and nobody takes it away from others.
            let change = ordered && known.config.max_ack_pending != config.max_ack_pending;
            if change {
                let mut changed = known.config;
                changed.max_ack_pending = config.max_ack_pending;
                self.make_consumer(stream, &name, &changed).await?;
            }
        } else {
            let made = self.make_consumer(stream, &name, &config.into_consumer_config()).await?;
            self.check(&made)?;
        }
        Ok(Consumer { stream: stream.to_owned(), name, own, anew: false })
    }

    /// A consumer that only looks, and acknowledges nothing.
    pub(crate) async fn reader(&self, stream: &str, config: pull::Config) -> Result<consumer::Info> {
        let name = config.name.clone().unwrap_or_default();
        self.make_consumer(stream, &name, &config.into_consumer_config()).await
    }

    /// A consumer, where it is there.
    pub(crate) async fn known_consumer(&self, stream: &str, name: &str) -> Result<Option<consumer::Info>> {
        match self.ask(&format!("CONSUMER.INFO.{stream}.{name}"), &json!({})).await? {
            Answer::Is(info) => Ok(Some(info)),
            Answer::Refused(error)
                if matches!(
                    error.error_code(),
                    ErrorCode::CONSUMER_NOT_FOUND | ErrorCode::STREAM_NOT_FOUND
                ) =>
            {
                Ok(None)
            }
            Answer::Refused(error) => Err(self.refused(&format!("look at the consumer `{name}`"), &error)),
            Answer::Nobody => Err(self.off()),
        }
    }

    async fn make_consumer(
        &self,
        stream: &str,
        name: &str,
        config: &consumer::Config,
    ) -> Result<consumer::Info> {
        let subject = format!("CONSUMER.CREATE.{stream}.{name}.{}", config.filter_subject);
        let wanted = json!({"stream_name": stream, "config": config, "action": ""});
        match self.ask(&subject, &wanted).await? {
            Answer::Is(info) => Ok(info),
            Answer::Refused(error)
                if matches!(
                    error.error_code(),
                    ErrorCode::CONSUMER_WQ_MULTIPLE_UNFILTERED | ErrorCode::CONSUMER_WQ_CONSUMER_NOT_UNIQUE
                ) =>
            {
                Err(Error::failed_precondition(format!(
                    "the stream `{stream}` of NATS at {} is a work queue, where each event goes to one consumer, and \
                     there is another one than `{name}`: take the consumer away, or a stream with the retention \
                     `interest` or `limits`: {error}",
                    self.servers
                )))
            }
            Answer::Refused(error) => {
                Err(self.refused(&format!("make the consumer `{name}` of the stream `{stream}`"), &error))
            }
            Answer::Nobody => Err(self.off()),
        }
    }

    /// Forgets a consumer. One that is not there is no error.
    pub(crate) async fn delete_consumer(&self, stream: &str, name: &str) -> Result<()> {
        let subject = format!("CONSUMER.DELETE.{stream}.{name}");
        match self.ask::<serde_json::Value>(&subject, &json!({})).await? {
            Answer::Is(_) => Ok(()),
            Answer::Refused(error)
                if matches!(
                    error.error_code(),
                    ErrorCode::CONSUMER_NOT_FOUND | ErrorCode::STREAM_NOT_FOUND
                ) =>
            {
                Ok(())
            }
            Answer::Refused(error) => Err(self.refused(&format!("delete the consumer `{name}`"), &error)),
            Answer::Nobody => Err(self.off()),
        }
    }

    /// Whether a consumer that somebody made is one that we can use.
    fn check(&self, consumer: &consumer::Info) -> Result<()> {
        let config = &consumer.config;
        if config.deliver_subject.is_none() && config.ack_policy == AckPolicy::Explicit {
            return Ok(());
        }
        Err(Error::failed_precondition(format!(
            "the consumer `{}` of the stream `{}` of NATS at {} is not one whose members ask for events and acknowledge each \
             of them (pull, explicit): delete it, so that it is made anew, or take another group",
            consumer.name, consumer.stream_name, self.servers
        )))
    }
}
