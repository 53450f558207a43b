//! Who does not use mDNS does not open its sockets. Alone in its file, and so in its process.

#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use micro_runtime::client::{Channel, call};
use micro_runtime::endpoint::MethodDescriptor;
use micro_runtime::registry::{Discovery, Memory, Node, Registration, Registry};
use micro_runtime::{Client, Code, Context, Result, Service};

/// The sockets that this process holds on UDP port 5353.
fn mdns_sockets() -> Vec<String> {
    let held: HashSet<String> = std::fs::read_dir("/proc/self/fd")
        .expect("this is Linux")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"];
    let lines: String = tables.iter().filter_map(|table| std::fs::read_to_string(table).ok()).collect();
    let on_mdns = |line: &&str| {
        let mut columns = line.split_whitespace();
        let local = columns.nth(1).is_some_and(|address| address.ends_with(":14E9"));
        local && columns.nth(7).is_some_and(|inode| held.contains(inode))
    };
    lines.lines().filter(on_mdns).map(str::to_owned).collect()
}

static NOTHING: MethodDescriptor = MethodDescriptor::new::<(), ()>("a", "B", "/a/B", "");

#[tokio::test]
async fn only_a_registry_that_is_used_opens_an_mdns_socket() -> Result<()> {
    let node = Registration::new("sockets", Node::new("sockets-1", "127.0.0.1:7000"));
    let memory = Memory::new();
    let discovery = Discovery::new(Arc::new(memory.clone()));
    memory.register(&node, Duration::from_secs(90)).await?;
    discovery.view("sockets")?.ready(None).await?;
    assert_eq!(mdns_sockets(), Vec::<String>::new());

    let service = Service::new("sockets").registry(memory.clone()).start().await?;
    let client = Client::builder().registry(memory).build();
    let call = call::<(), ()>(&Channel::new(&client, "sockets"), &Context::new(), &NOTHING, ());
    assert_eq!(call.send().await.unwrap_err().code(), Code::Unimplemented, "it was reached");
    assert_eq!(mdns_sockets(), Vec::<String>::new());
    service.stop().await?;

    #[cfg(feature = "mdns")]
    {
        use micro_runtime::registry::Mdns;

        let unused = Mdns::new();
        let _clone = unused.clone();
        let _discovery = Discovery::new(Arc::new(unused.clone()));
        #[cfg(feature = "mdns-go-micro")]
        let _with_go_micro = Mdns::new().go_micro(true);
        // Not even to take back what was never registered.
        unused.deregister(&node).await?;
        assert_eq!(mdns_sockets(), Vec::<String>::new());

        // And that this test could see one:
        unused.register(&node, Duration::from_secs(90)).await?;
        assert_ne!(mdns_sockets(), Vec::<String>::new());
        unused.close().await?;
    }
    Ok(())
}
