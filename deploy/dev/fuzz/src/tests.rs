use std::{fs, path::Path};

use super::*;

/// What a fuzzer found worth keeping, and what was written by hand for it to begin with.
#[test]
fn each_input_that_was_kept_breaks_no_promise() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let folder = fs::read_dir(corpus.join(name)).unwrap();
        let inputs: Vec<Vec<u8>> = folder
            .map(|it| fs::read(it.unwrap().path()).unwrap())
            .collect();
        assert!(!inputs.is_empty(), "{name}");
        for input in &inputs {
            target(input);
        }
    }
}

/// Else the corpus tries less than it seems to.
#[test]
fn what_is_good_is_taken() {
    let read = |name: &str| {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        fs::read(corpus.join(name)).unwrap()
    };
    assert_eq!(INGRESS.order(&read("order/buyer.json")), Some(2));
    let site = INGRESS.site_order(&read("order/site.json"));
    assert_eq!(site, Some((1, Some(5199))));
    let id = untrusted::session_id(&read("confirm/body.json"));
    assert_eq!(id.as_deref(), Some("cs_test_a1B2c3D4e5"));
    let wait = untrusted::preferred_wait(&read("confirm/prefer"));
    assert_eq!(wait.map(|it| it.as_secs()), Some(7));
    let key = untrusted::idempotency_key(&read("idempotency_key/uuid"));
    assert!(key.is_some());
}
