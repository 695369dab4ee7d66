//! In a database whose tables are all published, as tools that capture changes ask for.

mod common;

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    Policy, Retention,
    state::{self, Event},
    store::{Batch, Insert, Part},
};
use asyncflow_testkit::servers::{Kind, Server};

use self::common::Behind;

#[tokio::test]
async fn what_has_ended_is_forgotten_and_goes_and_counts_are_added_up() {
    let server = Server::start_with(Kind::Postgres, &["-c", "wal_level=logical"]).await.unwrap();
    let behind = Behind::at(&server.url()).await;
    behind.run("CREATE PUBLICATION everything FOR ALL TABLES").await;
    let subject = &behind.subject;
    // On no shelf, and on one.
    for keep in [Duration::from_secs(60), Duration::from_secs(24 * 3600)] {
        let policy = Policy { retention: Retention::of(keep), ..Policy::default() };
        let inserts =
            (0..200).map(|_| Insert { facts: state::submit(None, 0, &Arc::new(policy.clone())), ..subject.job() });
        for insert in inserts {
            subject.write(Batch { inserts: vec![insert], ..Batch::default() }).await;
        }
        for record in subject.take(200).await {
            let ended = subject.event(&record, Event::Succeeded(Part::json("1"))).await;
            subject.event(&ended, Event::Delete).await;
        }
        let rows = async || behind.ask::<i64>("SELECT count(*) FROM asyncflow.counts WHERE until IS NULL").await;
        assert!(rows().await >= 256);
        subject.clock.advance(2 * keep);
        let due = subject.store.due(1000).await.unwrap().records;
        assert!(rows().await < 256, "they are added up");
        for record in due {
            subject.event(&record, Event::Due).await;
        }
        let left: i64 = behind.ask("SELECT count(*) FROM asyncflow.ended").await;
        assert_eq!(left, 0);
    }
}
