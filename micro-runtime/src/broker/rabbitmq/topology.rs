//! Exchanges and queues: what is there, and what is made where it is not.

use std::time::Duration;

use lapin::options::{BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ExchangeKind};

use super::fault::{ACCESS_REFUSED, PRECONDITION_FAILED, fault, reply, said};
use super::names::{check_queue, group_queue, own_queue};
use super::settings::Settings;
use crate::broker::check::check_group;
use crate::broker::{Guarantee, SubscribeOptions, is_dead_letter};
use crate::error::{Error, Result};

/// How long the queue of a subscription without a group is kept while its process is away. It survives a restart of
/// the server, and does not pile up events forever for one that never comes back.
pub(super) const KEPT: Duration = Duration::from_secs(5 * 60);

/// A quorum queue drops what was delivered again too often: from RabbitMQ 4.0 on after 20 times. Who counts here is the
/// subscriber, so it is never. With a limit, and only then, an event that is given back keeps its place
/// (<https://www.rabbitmq.com/docs/quorum-queues#repeated-requeues>).
const NEVER: i32 = i32::MAX;

/// A queue to be consumed from.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    /// Empty where the server is to choose one.
    name: String,
    options: QueueDeclareOptions,
    arguments: FieldTable,
    /// Whether events that are published come here; else only those that are kept.
    bound: bool,
    /// Whether one that is there with other arguments will do.
    as_it_is: bool,
    /// Whether nobody else has it.
    pub(super) own: bool,
}

impl Queue {
    /// The one for a subscription.
    pub(super) fn of(settings: &Settings, asked: &SubscribeOptions) -> Result<Self> {
        if is_dead_letter(&asked.topic) {
            return Self::dead_letters(settings, &asked.topic);
        }
        let at_least_once = asked.guarantee == Guarantee::AtLeastOnce;
        let mut arguments = FieldTable::default();
        if let Some(most) = settings.max_length {
            arguments.insert("x-max-length".into(), AMQPValue::LongUInt(most));
            if at_least_once {
                arguments.insert("x-overflow".into(), text("reject-publish"));
            }
        }
        if asked.ordered && asked.group.is_some() {
            arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
        }
        let name = match &asked.group {
            Some(group) => {
                check_group(group)?;
                let name = match &settings.queue_names {
                    Some(names) => names(group, &asked.topic),
                    None => group_queue(group, &asked.topic),
                };
                check_queue(&name)?;
                name
            }
            None if at_least_once => own_queue(),
            None => String::new(),
        };
        let (options, own) = match (at_least_once, &asked.group) {
            (true, Some(_)) => {
                kind(&mut arguments, settings);
                (QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() }, false)
            }
            (true, None) => {
                let kept = i32::try_from(KEPT.as_millis()).unwrap_or(i32::MAX);
                arguments.insert("x-expires".into(), AMQPValue::LongInt(kept));
                (QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() }, true)
            }
            // As go-micro has it.
            (false, Some(_)) => {
                (QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() }, false)
            }
            (false, None) => {
                let fleeting = QueueDeclareOptions {
                    exclusive: true,
                    auto_delete: true,
                    ..QueueDeclareOptions::default()
                };
                (fleeting, true)
            }
        };
        Ok(Self { name, options, arguments, bound: true, as_it_is: !at_least_once, own })
    }

    /// The one that dead letters are kept in: it has the name of its topic.
    pub(super) fn dead_letters(settings: &Settings, topic: &str) -> Result<Self> {
        check_queue(topic)?;
        let mut arguments = FieldTable::default();
        kind(&mut arguments, settings);
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        Ok(Self { name: topic.to_owned(), options, arguments, bound: false, as_it_is: true, own: false })
    }

    /// Makes it where it is not there, and everything that it takes. The name is the one that it really has.
    pub(super) async fn declare(
        &self,
        connection: &Connection,
        settings: &Settings,
        topic: &str,
    ) -> Result<(Channel, String)> {
        if self.bound {
            declare_exchange(connection, &settings.exchange).await?;
        }
        let mut channel = open(connection).await?;
        let declaring =
            channel.queue_declare(self.name.as_str().into(), self.options, self.arguments.clone());
        let name = match declaring.await {
            Ok(queue) => queue.name().to_string(),
            // The channel ends with it.
            Err(error) if self.as_it_is && reply(&error) == Some(PRECONDITION_FAILED) => {
                channel = open(connection).await?;
                self.name.clone()
            }
            Err(error) if reply(&error) == Some(PRECONDITION_FAILED) => return Err(self.different(&error)),
            Err(error) => return Err(fault(error, format_args!("the queue `{}`", self.name))),
        };
        if self.bound {
            let (exchange, table) = (settings.exchange.as_str(), FieldTable::default());
            let binding = channel.queue_bind(
                name.as_str().into(),
                exchange.into(),
                topic.into(),
                QueueBindOptions::default(),
                table,
            );
            let bound = binding.await;
            bound
                .map_err(|error| fault(error, format_args!("binding the queue `{name}` to `{exchange}`")))?;
        }
        Ok((channel, name))
    }

    #[cold]
    fn different(&self, error: &lapin::Error) -> Error {
        let name = &self.name;
        Error::failed_precondition(format!(
            "RabbitMQ has a queue `{name}` that is different: {}. All members of a group must ask for the same \
             (guarantee, order, longest length, classic or quorum queues); where it is left from before, empty it and \
             delete it with `rabbitmqctl delete_queue '{name}'`, or take another group",
            said(error)
        ))
    }
}

/// Takes the exchange as it is, or makes one that lasts.
///
/// go-micro's does not survive a restart of the server unless it is told to (`DurableExchange`), and with it go the
/// bindings of queues that do.
pub(super) async fn declare_exchange(connection: &Connection, exchange: &str) -> Result<()> {
    let declare = async |options| {
        let channel = open(connection).await?;
        let (name, kind) = (exchange.into(), ExchangeKind::Topic);
        let declared = channel.exchange_declare(name, kind, options, FieldTable::default()).await;
        Ok::<_, Error>(declared.err())
    };
    let lasting = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let Some(error) = declare(lasting).await? else { return Ok(()) };
    match reply(&error) {
        Some(PRECONDITION_FAILED) if said(&error).contains("'durable'") => {
            tracing::warn!(
                exchange,
                "the exchange is not durable: when RabbitMQ restarts, it goes, and a group gets no events until one of its \
                 members is back; where go-micro makes it, use its option DurableExchange"
            );
            Ok(())
        }
        // Who may not make it may still use it.
        Some(ACCESS_REFUSED) => {
            let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
            match declare(passive).await? {
                None => Ok(()),
                Some(_) => Err(fault(error, format_args!("the exchange `{exchange}`"))),
            }
        }
        _ => Err(fault(error, format_args!("the exchange `{exchange}`"))),
    }
}

/// A new channel.
pub(super) async fn open(connection: &Connection) -> Result<Channel> {
    connection.create_channel().await.map_err(|error| fault(error, "no channel").never_processed())
}

/// Lets the server send no more than so many.
pub(super) async fn limit(channel: &Channel, in_hand: usize) -> Result<()> {
    let most = u16::try_from(in_hand).unwrap_or(u16::MAX);
    let limited = channel.basic_qos(most, BasicQosOptions::default()).await;
    limited.map_err(|error| fault(error, "limiting how much is in hand"))
}

/// What kind of queue is to last.
fn kind(arguments: &mut FieldTable, settings: &Settings) {
    if settings.quorum_queues {
        arguments.insert("x-queue-type".into(), text("quorum"));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(NEVER));
    }
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}
