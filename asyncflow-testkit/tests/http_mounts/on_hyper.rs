//! Under bare hyper; that this agrees with itself shows that the suite leaves nothing to chance.

use asyncflow_testkit::http::{Suite, hyper};

#[tokio::test(flavor = "multi_thread")]
async fn hyper_keeps_the_contract() {
    Suite::new(hyper).verify().await;
}
