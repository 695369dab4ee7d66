//! What becomes of a steady load while another session holds a transaction open, so that no dead row can be removed. Beside it another
//! database of the same server bears the same load, in turns, and is not held up: what is compared is the one against the other, before
//! and afterwards.

use std::{sync::Arc, time::Duration};

use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::store::Subject;
use bench_engine::{report, share};

use crate::{Failed, lives, postgres};

const TURN: Duration = Duration::from_secs(3);
/// Turns of each before the transaction begins, the first of them to warm up.
const BEFORE: usize = 6;
const CALLERS: usize = 64;

pub(crate) async fn measure(seconds: usize) -> Result<(), Failed> {
    let server = postgres::start().await?;
    let url = server.url();
    let client = postgres::connect(&url).await?;
    client.batch_execute("CREATE DATABASE beside").await?;
    let beside = format!("{}/beside", url.rsplit_once('/').ok_or("the URL names no database")?.0);
    let held = lives::subject(Arc::new(PostgresStore::connect(&url).await?));
    let free = lives::subject(Arc::new(PostgresStore::connect(&beside).await?));
    let mut before = ratios(&held, &free, BEFORE).await?.split_off(1);
    // It has read, and written nothing.
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM asyncflow.jobs").await?;
    let turns = (seconds / TURN.as_secs() as usize).max(3);
    let during = ratios(&held, &free, turns).await?;
    client.batch_execute("ROLLBACK").await?;
    let before = share(&mut before, 0.5);
    for (name, from) in [("first_third", 0), ("last_third", turns - turns / 3)] {
        let mut part = during[from..from + turns / 3].to_vec();
        report(&format!("throughput_{name}"), share(&mut part, 0.5) / before);
    }
    Ok(())
}

/// Lives of the one against those of the other, turn by turn.
async fn ratios(held: &Subject, free: &Subject, turns: usize) -> Result<Vec<f64>, Failed> {
    let mut all = Vec::new();
    for turn in 0..turns {
        let mut one = [0.0; 2];
        for which in [turn % 2, 1 - turn % 2] {
            one[which] = lives::many([held, free][which], CALLERS, TURN).await? as f64;
        }
        eprintln!("{:.0} lives/s, {:.0} beside", one[0] / TURN.as_secs_f64(), one[1] / TURN.as_secs_f64());
        all.push(one[0] / one[1]);
    }
    Ok(all)
}
