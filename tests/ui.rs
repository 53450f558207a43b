//! What the macros accept, and what they say about what they do not: see `tests/ui/README.md`.

#![allow(clippy::unwrap_used)]

/// Programs that compile without a warning, and whose `main` checks what they became.
#[path = "ui/pass"]
mod pass {
    mod aliases;
    mod attributes;
    mod hygiene;
    mod places;
    mod shapes;
    mod subscribers;

    #[test]
    fn aliases_of_the_types_in_a_signature_simply_work() {
        aliases::main();
    }

    #[test]
    fn attributes_and_bodies_of_methods_are_carried_through() {
        attributes::main();
    }

    #[test]
    fn names_that_a_module_shadows_do_no_harm() {
        hygiene::main();
    }

    #[test]
    fn contracts_and_handlers_stand_wherever_items_may() {
        places::main();
    }

    #[test]
    fn a_subscriber_takes_an_event_or_its_payload_and_its_topic_from_a_constant() {
        subscribers::main();
    }

    #[test]
    fn every_shape_has_its_descriptor_client_and_handler() {
        shapes::main();
    }
}

/// The words that are ours are the same everywhere; those of the compiler around them are not.
#[test]
fn what_is_wrong_is_explained() {
    let recorded = include_str!("ui/rustc-version").trim();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = std::process::Command::new(rustc).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    if !version.starts_with(recorded) {
        assert!(std::env::var_os("CI").is_none(), "CI compares the output of {recorded}, and has {version}");
        eprintln!("SKIPPED: the output of the compiler is recorded for {recorded}, and this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*.rs");
}
