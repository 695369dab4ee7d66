//! What Postgres's part of a call costs among millions of ended jobs and many that wait, against empty tables which it has analysed, and
//! fresh ones which it never has.

use std::sync::Arc;

use asyncflow_core::{JobId, JobKey};
use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::store::{FLOW, Subject};
use bench_engine::{report, share};
use tokio_postgres::Client;

use crate::{Failed, lives, postgres, server::Measured};

/// Calls of a kind in a turn.
const CALLS: usize = 200;
const KINDS: [&str; 4] = ["claim", "due", "status", "counts"];

/// A store, and ended jobs in it to ask for.
struct Place {
    name: &'static str,
    subject: Subject,
    ended: Vec<JobKey>,
}

pub(crate) async fn measure(ended: usize, waiting: usize, rounds: usize) -> Result<(), Failed> {
    let measured = Measured::start("postgres").await?;
    let url = measured.server.url();
    let client = postgres::connect(&url).await?;
    let mut places = Vec::new();
    for name in ["empty", "fresh", "aged"] {
        let store = PostgresStore::builder(&url).schema(name).connect().await?;
        let subject = lives::subject(Arc::new(store));
        if name == "fresh" {
            leave_alone(&client, name).await?;
        }
        lives::live(&subject).await;
        places.push(Place { name, subject, ended: Vec::new() });
    }
    let preload = include_str!("preload.sql").replace("asyncflow.", "aged.");
    let preload = preload.replace("{ENDED}", &ended.to_string()).replace("{WAITING}", &waiting.to_string());
    client.batch_execute(&preload).await?;
    for name in ["empty", "aged"] {
        for table in tables(&client, name).await? {
            client.batch_execute(&format!("VACUUM ANALYZE {table}")).await?;
        }
    }
    let sample = "SELECT id::text FROM aged.ended TABLESAMPLE SYSTEM (1) LIMIT 20000";
    for row in client.query(sample, &[]).await? {
        let id: JobId = row.get::<_, &str>(0).parse()?;
        places[2].ended.push(JobKey { flow: FLOW.into(), id });
    }
    let mut all = vec![[const { Vec::new() }; KINDS.len()]; places.len()];
    for round in 0..=rounds {
        for turn in 0..places.len() {
            let which = (turn + round) % places.len();
            let one = calls(&measured, &mut places[which], round).await?;
            if round > 0 {
                all[which].iter_mut().zip(one).for_each(|(all, one)| all.push(one));
            }
        }
    }
    for (kind, name) in KINDS.iter().enumerate() {
        for (place, values) in places.iter().zip(&all) {
            report(&format!("{name}_{}_us", place.name), share(&mut values[kind].clone(), 0.5));
        }
        for which in [1, 2] {
            let mut ratios: Vec<_> =
                all[which][kind].iter().zip(&all[0][kind]).map(|(one, empty)| one / empty).collect();
            report(&format!("{name}_{}", places[which].name), share(&mut ratios, 0.5));
        }
    }
    Ok(())
}

/// Microseconds of the server's processor time of a call of each kind.
async fn calls(measured: &Measured, place: &mut Place, round: usize) -> Result<[f64; KINDS.len()], Failed> {
    let subject = &place.subject;
    for _ in 0..CALLS {
        subject.insert(&lives::job(subject)).await;
    }
    let before = measured.used();
    let mut held = Vec::new();
    for _ in 0..CALLS {
        held.extend(subject.take(1).await);
    }
    let claimed = measured.used();
    if held.len() < CALLS {
        return Err(format!("{} of {CALLS} jobs were taken in {}", held.len(), place.name).into());
    }
    for record in held {
        if place.name != "aged" {
            place.ended.push(record.job.clone());
        }
        lives::end(subject, record).await;
    }
    let ended = measured.used();
    for _ in 0..CALLS {
        subject.due(256).await;
    }
    let looked = measured.used();
    for nth in 0..CALLS {
        let job = &place.ended[(nth + round * CALLS) % place.ended.len()];
        subject.get(job).await.ok_or("an ended job is not there")?;
    }
    let read = measured.used();
    for _ in 0..CALLS {
        subject.states().await;
    }
    let counted = measured.used();
    let each = [claimed - before, looked - ended, read - looked, counted - read];
    Ok(each.map(|time| time.as_secs_f64() * 1e6 / CALLS as f64))
}

async fn tables(client: &Client, schema: &str) -> Result<Vec<String>, Failed> {
    let tables = "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r'";
    Ok(client.query(tables, &[&schema]).await?.iter().map(|row| row.get(0)).collect())
}

/// Has the server analyse none of these tables.
async fn leave_alone(client: &Client, schema: &str) -> Result<(), Failed> {
    for table in tables(client, schema).await? {
        client.batch_execute(&format!("ALTER TABLE {table} SET (autovacuum_enabled = off)")).await?;
    }
    Ok(())
}
