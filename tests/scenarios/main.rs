//! What go-micro promises and, measured, does not do; and what we do, in the same scenarios, with processes that are
//! killed and told to stop as they are in production. Then the same for restarts of a whole fleet, and of its registry,
//! and for events whose publisher, subscriber or broker is killed.
//!
//! ```text
//! cargo test --test scenarios               # all, and a table
//! cargo test --test scenarios -- M1 M5      # those whose names have one of these in them
//! ```
//!
//! It is a program of its own, since it starts itself: with [`node::NAME`] set it is a node, and with
//! [`events::program::ROLE`] a publisher or a subscriber. The registry is mDNS, or the one that `MICRO_REGISTRY` and
//! `MICRO_REGISTRY_ADDRESS` name.

#![cfg_attr(not(unix), allow(dead_code, unused_imports))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod dead_node;
mod deadlines;
mod events;
mod load;
mod lookups;
mod node;
mod process;
mod registry;
mod report;
mod restarts;
#[path = "../../micro-runtime/tests/servers/mod.rs"]
mod servers;
mod sick;
mod stopping;

use std::process::ExitCode;
use std::time::Duration;

use events::driver::Driver::{Http, Nats, RabbitMq};
use events::{burst, crashes};
use futures_util::future::BoxFuture;
use report::{Outcome, Report};
use servers::Kind;

/// Longer than any scenario takes.
const LIMIT: Duration = Duration::from_secs(80);

/// One scenario: it panics where what we do is not what we say.
struct Scenario {
    /// What it is about. The first word is the row of go-micro's measurements, where there is one.
    name: &'static str,
    /// What go-micro did; nothing where it was not measured.
    measured: &'static str,
    run: fn() -> BoxFuture<'static, Outcome>,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "M1_one_of_two_nodes_is_dead",
        measured: "93 to 101 of 200 calls fail",
        run: || Box::pin(dead_node::one_of_two()),
    },
    Scenario {
        name: "M2_a_handler_slower_than_its_caller",
        measured: "it runs 5 times, the caller gives up after 30 s",
        run: || Box::pin(deadlines::slow_handler()),
    },
    Scenario {
        name: "M3_a_timeout_of_20_s_and_a_handler_of_6_s",
        measured: "fails after 5 s, with the text `<nil>`",
        run: || Box::pin(deadlines::long_timeout()),
    },
    Scenario {
        name: "M4_a_deadline_of_300_ms",
        measured: "the handler goes on, and believes it has 5 s",
        run: || Box::pin(deadlines::deadline_crosses()),
    },
    Scenario {
        name: "M4_a_caller_that_cancels_after_100_ms",
        measured: "the handler goes on",
        run: || Box::pin(deadlines::cancellation_crosses()),
    },
    Scenario {
        name: "M5_stop_with_a_handler_of_1.5_s_in_flight",
        measured: "stop returns after 0 s",
        run: || Box::pin(stopping::call_in_flight()),
    },
    Scenario {
        name: "M6_a_check_that_fails_for_2_s",
        measured: "11 times out and in, 200 of 200 calls",
        run: || Box::pin(sick::for_a_while()),
    },
    Scenario { name: "M7_what_a_lookup_costs", measured: "100 ms each", run: || Box::pin(lookups::cost()) },
    Scenario {
        name: "M8_500_events_at_once_and_the_handler_works",
        measured: "",
        run: || Box::pin(burst::that_is_handled()),
    },
    Scenario {
        name: "M8_500_events_at_once_and_the_handler_fails",
        measured: "64 arrive, 436 are lost, and nobody is told",
        run: || Box::pin(burst::that_becomes_dead_letters()),
    },
    Scenario {
        name: "M8_the_same_and_nobody_takes_dead_letters",
        measured: "",
        run: || Box::pin(burst::that_nobody_keeps()),
    },
    Scenario {
        name: "-_a_rolling_restart_of_3_nodes_under_load",
        measured: "",
        run: || Box::pin(restarts::rolling(registry::Choice::from_environment())),
    },
    Scenario { name: "-_the_same_on_etcd", measured: "", run: || Box::pin(restarts::rolling_on(Kind::Etcd)) },
    Scenario { name: "-_the_same_on_NATS", measured: "", run: || Box::pin(restarts::rolling_on(Kind::Nats)) },
    Scenario {
        name: "-_etcd_is_killed_and_restarted_under_load",
        measured: "",
        run: || Box::pin(restarts::registry_dies(Kind::Etcd)),
    },
    Scenario {
        name: "-_NATS_is_killed_and_restarted_under_load",
        measured: "",
        run: || Box::pin(restarts::registry_dies(Kind::Nats)),
    },
];

/// Ten thousand events each, and somebody is killed in the middle. They come after the others, which measure times.
const EVENTS: &[Scenario] = &[
    Scenario {
        name: "-_a_subscriber_is_killed_over_http",
        measured: "",
        run: || Box::pin(crashes::of_a_subscriber(Http)),
    },
    Scenario {
        name: "-_the_publisher_is_killed_over_http",
        measured: "",
        run: || Box::pin(crashes::of_the_publisher(Http)),
    },
    Scenario {
        name: "-_a_subscriber_is_killed_over_NATS",
        measured: "",
        run: || Box::pin(crashes::of_a_subscriber(Nats)),
    },
    Scenario {
        name: "-_the_publisher_is_killed_over_NATS",
        measured: "",
        run: || Box::pin(crashes::of_the_publisher(Nats)),
    },
    Scenario {
        name: "-_NATS_is_killed_under_events",
        measured: "",
        run: || Box::pin(crashes::of_the_server(Nats)),
    },
    Scenario {
        name: "-_a_subscriber_is_killed_over_RabbitMQ",
        measured: "",
        run: || Box::pin(crashes::of_a_subscriber(RabbitMq)),
    },
    Scenario {
        name: "-_the_publisher_is_killed_over_RabbitMQ",
        measured: "",
        run: || Box::pin(crashes::of_the_publisher(RabbitMq)),
    },
    Scenario {
        name: "-_RabbitMQ_is_killed_under_events",
        measured: "",
        run: || Box::pin(crashes::of_the_server(RabbitMq)),
    },
];

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Ok(service) = std::env::var(node::NAME) {
        return runtime.block_on(node::run(service));
    }
    if let Ok(role) = std::env::var(events::program::ROLE) {
        return runtime.block_on(events::program::run(role));
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(&**word));
    let choose = |all: &'static [Scenario]| all.iter().filter(|scenario| wanted(scenario.name)).collect();
    let rounds: [Vec<&Scenario>; 2] = [choose(SCENARIOS), choose(EVENTS)];
    if std::env::args().any(|word| word == "--list") {
        rounds.iter().flatten().for_each(|scenario| println!("{}: test", scenario.name));
        return ExitCode::SUCCESS;
    }
    if cfg!(not(unix)) {
        println!("skipped: the signals of these scenarios are those of Unix");
        return ExitCode::SUCCESS;
    }
    runtime.block_on(run(rounds))
}

/// Runs those of a round side by side: they share nothing but the machine, and most of their time is waiting.
async fn run(rounds: [Vec<&'static Scenario>; 2]) -> ExitCode {
    println!("\nrunning {} scenarios", rounds.iter().map(Vec::len).sum::<usize>());
    let mut report = Report::default();
    for scenarios in rounds {
        let running: Vec<_> = scenarios
            .iter()
            .map(|scenario| {
                let run = tokio::time::timeout(LIMIT, (scenario.run)());
                tokio::spawn(async {
                    run.await.unwrap_or_else(|_| panic!("it was not done within {LIMIT:?}"))
                })
            })
            .collect();
        for (scenario, running) in scenarios.into_iter().zip(running) {
            report.add(scenario, running.await);
        }
    }
    println!("{report}");
    if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
