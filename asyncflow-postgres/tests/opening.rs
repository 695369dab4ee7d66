//! How a store is opened: by many at once, in schemas of any name, and what is said where it cannot be.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use asyncflow_core::{
    ManualClock, Store,
    store::{Batch, StoreError},
};
use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::{
    servers::unique_name,
    store::{START, Subject},
};

use self::common::{connect, open, shared_url};

const SECRET: &str = "pa55word";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_make_one_schema() {
    let (schema, clock) = (unique_name(), Arc::new(ManualClock::at(START)));
    let opened: Vec<_> = (0..12)
        .map(|_| {
            let (schema, clock) = (schema.clone(), clock.clone());
            tokio::spawn(async move { open(&schema, &clock).await })
        })
        .collect();
    let mut stores = Vec::new();
    for store in opened {
        stores.push(Subject::new(Arc::new(store.await.unwrap()), clock.clone()));
    }
    let record = stores[0].add(stores[0].job()).await;
    for store in &stores {
        assert_eq!(store.get(&record.job).await.as_ref(), Some(&record));
    }
}

#[tokio::test]
async fn any_name_is_a_schemas_and_stores_of_two_share_nothing() {
    let clock = Arc::new(ManualClock::at(START));
    let name = unique_name();
    for odd in ["Üm\"laut'", "a b; DROP TABLE jobs --", "%I.%s \\ {}", "asyncflow.jobs", "'asyncflow'"] {
        let subject = Subject::new(Arc::new(open(&format!("{odd}{name}"), &clock).await), clock.clone());
        assert_eq!(subject.states().await, [0; 6], "{odd}");
        let held = subject.running().await;
        subject.event(&held, asyncflow_core::state::Event::Succeeded(asyncflow_core::store::Part::json("1"))).await;
        assert_eq!(subject.states().await, [0, 0, 0, 1, 0, 0], "{odd}");
    }
    for wrong in [String::new(), "x".repeat(64), "a$b".into(), "a\0b".into()] {
        let refused = PostgresStore::builder(shared_url().await).schema(&wrong).connect().await.unwrap_err();
        assert!(matches!(refused, StoreError::Unusable(_)) && refused.to_string().contains("schema"), "{refused}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_by_name() {
    let (schema, clock) = (unique_name(), Arc::new(ManualClock::at(START)));
    drop(open(&schema, &clock).await);
    let client = connect(shared_url().await).await;
    client.batch_execute(&format!("UPDATE {schema}.schema SET version = 99")).await.unwrap();
    let refused = PostgresStore::builder(shared_url().await).schema(&schema).connect().await.unwrap_err();
    let said = refused.to_string();
    assert!(matches!(refused, StoreError::Unusable(_)) && said.contains("99") && said.contains("newer"), "{said}");
}

#[tokio::test]
async fn where_limits_would_not_hold_it_says_so() {
    for level in ["repeatable read", "serializable"] {
        let options = format!("options=-c%20default_transaction_isolation%3D{}", level.replace(' ', "%5C%20"));
        let url = format!("{}?{options}", shared_url().await);
        let refused = PostgresStore::builder(url).schema(unique_name()).connect().await.unwrap_err();
        let said = refused.to_string();
        assert!(matches!(refused, StoreError::Unusable(_)) && said.contains(level), "{said}");
        assert!(said.contains("default_transaction_isolation"), "{said}");
    }
}

#[tokio::test]
async fn no_password_is_shown() {
    let builder = PostgresStore::builder(format!("postgres://me:{SECRET}@127.0.0.1:1/x")).patience(Duration::ZERO);
    let mut shown = format!("{builder:?}");
    shown += &builder.connect().await.unwrap_err().to_string();
    for wrong in [
        format!("postgres://me:{SECRET}@127.0.0.1:port/x"),
        format!("postgre://me:{SECRET}@127.0.0.1/x"),
        format!("postgres://me:{SECRET}@[/x"),
        format!("host=127.0.0.1 password={SECRET} nonsense=1"),
        format!("password='{SECRET}"),
    ] {
        let error = PostgresStore::connect(&wrong).await.unwrap_err();
        assert!(matches!(error, StoreError::Unusable(_)), "{error}");
        shown += &error.to_string();
    }
    let (address, database) = shared_url().await.rsplit_once('@').unwrap().1.split_once('/').unwrap();
    let store =
        PostgresStore::builder(format!("postgres://postgres:{SECRET}@{address}/{database}")).schema(unique_name());
    let store = store.connect().await.unwrap();
    shown += &format!("{store:?}");
    let nowhere = PostgresStore::connect(format!("postgres://nobody:{SECRET}@{address}/nowhere")).await.unwrap_err();
    shown += &nowhere.to_string();
    assert!(!shown.contains(SECRET), "{shown}");
}

#[test]
fn a_store_is_asked_outside_of_its_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(async { open(&unique_name(), &Arc::new(ManualClock::at(START))).await });
    let nothing = Batch::default();
    polled(store.due(1)).unwrap();
    polled(store.write(&nothing)).unwrap();
}

/// What a future becomes that is polled where there is no runtime.
fn polled<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
        std::thread::yield_now();
    }
}
