use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::{Candidate, CandidateSet, Outcome, Selector};
use crate::registry::{Node, Registration};

type Scenario = fn(&dyn Selector) -> Result<(), String>;

pub(super) const ALL: &[(&str, Scenario)] = &[
    ("where there is no node none is picked", nobody),
    ("the only node is picked", alone),
    ("every node gets calls", everyone),
    ("a node that is out of use is not picked", out_of_use),
    ("a node that was tried is not picked", tried),
    ("where no node is usable none is picked", none_usable),
    ("the last node in use is found in a large fleet", last),
    ("one selector serves several services", services),
    ("a fleet may change between two calls", changes),
    ("a call is in flight at the node that was picked, and at no other", in_flight),
];

fn node(service: &str, index: usize) -> Arc<Candidate> {
    let node = Node::new(format!("{service}-{index:04}"), format!("{service}-{index}:1"));
    Arc::new(Candidate::new(Arc::new(Registration::new(service, node))))
}

fn nodes(service: &str, count: usize) -> CandidateSet {
    (0..count).map(|index| node(service, index)).collect()
}

/// Picks a node for a call with a key, or without one where the number is even, and ends it.
fn pick(selector: &dyn Selector, nodes: &CandidateSet, number: usize) -> Option<Arc<Candidate>> {
    let choice = nodes.choice();
    let choice = if number.is_multiple_of(2) { choice } else { choice.with_key(format!("key-{number}")) };
    let pick = selector.pick(&choice)?;
    let candidate = pick.candidate().clone();
    pick.done(Outcome::Ok);
    Some(candidate)
}

fn eject<'a>(nodes: impl Iterator<Item = &'a Arc<Candidate>>) {
    for node in nodes {
        node.eject();
    }
}

fn ensure(holds: bool, else_said: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(else_said()) }
}

fn nobody(selector: &dyn Selector) -> Result<(), String> {
    let nodes = nodes("a", 0);
    ensure((0..2).all(|call| pick(selector, &nodes, call).is_none()), || "one was picked".into())
}

fn alone(selector: &dyn Selector) -> Result<(), String> {
    let nodes = nodes("a", 1);
    ensure((0..10).all(|call| pick(selector, &nodes, call).is_some()), || "none was picked".into())
}

fn everyone(selector: &dyn Selector) -> Result<(), String> {
    for count in [2, 3, 17, 60] {
        let nodes = nodes("a", count);
        for call in 0..count * 100 {
            pick(selector, &nodes, call).ok_or("none was picked")?;
        }
        let idle = nodes.iter().filter(|node| node.calls() == 0).count();
        ensure(idle == 0, || format!("{idle} of {count} got none of {} calls", count * 100))?;
    }
    Ok(())
}

fn out_of_use(selector: &dyn Selector) -> Result<(), String> {
    for count in [2, 5, 40] {
        let nodes = nodes("a", count);
        eject(nodes.iter().step_by(2));
        let out: BTreeSet<_> = nodes.iter().step_by(2).map(|node| &node.node().id).collect();
        for call in 0..count * 20 {
            let picked = pick(selector, &nodes, call).ok_or("none was picked")?;
            ensure(!out.contains(&picked.node().id), || format!("{} was", picked.node().id))?;
        }
    }
    Ok(())
}

fn tried(selector: &dyn Selector) -> Result<(), String> {
    let nodes = nodes("a", 20);
    let mut tried: Vec<Arc<Candidate>> = Vec::new();
    for _ in 0..nodes.len() {
        let has = |node: &Candidate| tried.iter().any(|tried| tried.node().id == node.node().id);
        let picked = selector.pick(&nodes.choice().with_key("key").without(&has));
        let picked = picked.ok_or("none was picked where one was left")?.candidate().clone();
        ensure(!has(&picked), || format!("{} was", picked.node().id))?;
        tried.push(picked);
    }
    let all = |_: &Candidate| true;
    let more = selector.pick(&nodes.choice().without(&all));
    ensure(more.is_none(), || "one was picked when all had been".into())
}

fn none_usable(selector: &dyn Selector) -> Result<(), String> {
    for count in [1, 2, 30] {
        let nodes = nodes("a", count);
        eject(nodes.iter());
        ensure((0..2).all(|call| pick(selector, &nodes, call).is_none()), || "one was picked".into())?;
    }
    Ok(())
}

fn last(selector: &dyn Selector) -> Result<(), String> {
    let nodes = nodes("a", 500);
    eject(nodes.iter().skip(1));
    for call in 0..20 {
        ensure(pick(selector, &nodes, call).is_some(), || "it was not".into())?;
    }
    Ok(())
}

fn services(selector: &dyn Selector) -> Result<(), String> {
    let (one, other) = (nodes("a", 4), nodes("b", 4));
    for call in 0..400 {
        let picked = (pick(selector, &one, call), pick(selector, &other, call));
        let (Some(one), Some(other)) = picked else { return Err("none was picked".into()) };
        let services = (one.registration().service.as_str(), other.registration().service.as_str());
        ensure(services == ("a", "b"), || "a node of another one was picked".into())?;
    }
    let idle = one.iter().chain(other.iter()).filter(|node| node.calls() == 0).count();
    ensure(idle == 0, || format!("{idle} of 8 nodes got none of 400 calls"))
}

fn changes(selector: &dyn Selector) -> Result<(), String> {
    let mut set = nodes("a", 0);
    for round in [3usize, 20, 1, 0, 7, 300, 2] {
        let now: Vec<_> = (0..round).map(|index| node("a", index * 3 + round)).collect();
        set = CandidateSet::after(now, &set);
        for call in 0..40 {
            let picked = pick(selector, &set, call);
            ensure(picked.is_some() == (round > 0), || {
                format!("{} of {round} nodes", picked.iter().count())
            })?;
            let known = picked.is_none_or(|picked| set.iter().any(|node| Arc::ptr_eq(node, &picked)));
            ensure(known, || "one was picked that is gone".into())?;
        }
    }
    Ok(())
}

fn in_flight(selector: &dyn Selector) -> Result<(), String> {
    let nodes = nodes("a", 3);
    let picks: Vec<_> = (0..30).filter_map(|_| selector.pick(&nodes.choice())).collect();
    for node in nodes.iter() {
        let picked = picks.iter().filter(|pick| Arc::ptr_eq(pick.candidate(), node)).count();
        let counted = node.in_flight();
        ensure(counted as usize == picked, || format!("{picked} calls count as {counted}"))?;
    }
    drop(picks);
    ensure(nodes.iter().all(|node| node.in_flight() == 0), || "one that is over counts".into())
}
