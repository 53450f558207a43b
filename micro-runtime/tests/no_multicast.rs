//! Where mDNS cannot work it says so, and says what to do.
//!
//! A machine without a network is a network namespace of its own, in which this test program runs
//! the test that is no test (`on_such_a_machine`). That takes Linux, `unshare` and the right to use
//! it; where one is missing the test says that it was skipped.

#![cfg(all(feature = "mdns", target_os = "linux"))]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use micro_runtime::registry::{Discovery, Mdns, Node, Registration, Registry};
use micro_runtime::{Code, Error, Result};

#[test]
fn without_a_network_the_error_says_so_and_names_the_ways_out() {
    let alone = || {
        let mut command = Command::new("unshare");
        command.arg("--net");
        command
    };
    if !alone().arg("true").output().is_ok_and(|output| output.status.success()) {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI has to run this test, and cannot make a network namespace"
        );
        eprintln!("SKIPPED: this machine does not let us make a network namespace");
        return;
    }
    let program = std::env::current_exe().expect("a test knows its program");
    let output = alone().arg(program).args(["on_such_a_machine", "--exact", "--ignored"]).output();
    let output = output.expect("`unshare` worked a moment ago");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
#[ignore = "runs in a network namespace that another test makes"]
async fn on_such_a_machine() -> Result<()> {
    let registry = Mdns::new();
    let node = Registration::new("greeter", Node::new("greeter-1", "127.0.0.1:7000"));
    let check = |error: Error| {
        assert_eq!(error.code(), Code::Unavailable, "{error}");
        let ways_out = ["MICRO_REGISTRY", "`etcd`", "`nats`", "`dns`", "`static`", "manual"];
        for part in ["`greeter`", "no network interface is up"].into_iter().chain(ways_out) {
            assert!(error.message().contains(part), "{error}");
        }
    };
    check(registry.register(&node, Duration::from_secs(90)).await.expect_err("nothing can be announced"));
    let discovery = Discovery::new(Arc::new(registry));
    check(discovery.view("greeter")?.ready(None).await.expect_err("nothing can be found"));
    Ok(())
}
