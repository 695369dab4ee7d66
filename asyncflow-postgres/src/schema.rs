//! The schema that the tables are in: its name, its statements, and how it is brought to this version's form.

use asyncflow_core::store::StoreError;
use tokio_postgres::{Config, error::SqlState};

use crate::{
    failure,
    params::Params,
    pool::{self, PATIENCE},
};

/// How each version is made from the one before. None is ever changed once it was released.
const MIGRATIONS: [&str; 1] = [concat!(
    include_str!("../migrations/1.sql"),
    include_str!("../functions/common.sql"),
    include_str!("../functions/names.sql"),
    include_str!("../functions/end.sql"),
    include_str!("../functions/change.sql"),
    include_str!("../functions/insert.sql"),
    include_str!("../functions/limits.sql"),
    include_str!("../functions/claim.sql"),
    include_str!("../functions/write.sql"),
    include_str!("../functions/read.sql"),
    include_str!("../functions/tend.sql"),
)];

/// The version that this store works with.
const NEWEST: i32 = MIGRATIONS.len() as i32;

/// What an answer's columns are: those of a record begin with the fifth.
const ANSWER: &str = "SELECT kind, nth, at, id, (job).*, content_type, bytes FROM";

/// Arguments of [`Schema::write`].
pub(crate) const WRITE: usize = 95;

pub(crate) struct Schema {
    name: String,
    quoted: String,
    /// A number of its own, under which its flows are locked.
    pub(crate) area: i32,
    write: String,
    get: String,
    part: String,
    due: String,
    list: String,
    counts: String,
    put_settings: String,
    tend: String,
    check: String,
    names: String,
    flows_by_name: String,
    flows_by_number: String,
    policies_by_number: String,
}

macro_rules! statements {
    ($($name:ident)*) => {
        impl Schema {
            $(pub(crate) fn $name(&self) -> &str {
                &self.$name
            })*
        }
    };
}

statements! {
    write get part due list counts put_settings tend check names flows_by_name flows_by_number policies_by_number
}

impl Schema {
    /// # Errors
    /// Postgres takes no such name.
    pub(crate) fn new(name: &str) -> Result<Self, StoreError> {
        // Longer ones would be cut off, and two of them be one.
        if name.is_empty() || name.len() > 63 || name.contains(['\0', '$']) {
            return Err(StoreError::unusable(format_args!(
                "{name:?} is no name for a schema: take 1 to 63 bytes without `$` and zero bytes"
            )));
        }
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        let answer = |call: &str| format!("{ANSWER} {quoted}.{call}");
        Ok(Self {
            area: area(name),
            write: answer(&format!("write_1({})", Params::places(WRITE))),
            get: answer("get_1($1, $2, $3)"),
            part: format!("SELECT type, content FROM {quoted}.part_1($1, $2, $3, $4)"),
            due: answer("due_1($1, $2, $3)"),
            list: answer("list_1($1, $2, $3, $4, $5, $6)"),
            counts: format!("SELECT * FROM {quoted}.counts_1($1, $2)"),
            put_settings: format!("SELECT {quoted}.put_settings_1($1, $2)"),
            tend: format!("SELECT shelf, begins, ends FROM {quoted}.tend_1($1, $2, $3)"),
            // What takes locks is refused where nothing may be written.
            check: format!("SELECT version FROM {quoted}.schema FOR UPDATE"),
            names: format!("SELECT kind, place, number FROM {quoted}.names_1($1, $2)"),
            flows_by_name: format!("SELECT id, name FROM {quoted}.flows WHERE name = ANY ($1)"),
            flows_by_number: format!("SELECT id, name FROM {quoted}.flows WHERE id = ANY ($1)"),
            policies_by_number: format!("SELECT id, policy FROM {quoted}.policies WHERE id = ANY ($1)"),
            name: name.into(),
            quoted,
        })
    }

    /// Whether flows and policies have these numbers.
    pub(crate) fn names_hold(&self) -> String {
        format!(
            "SELECT NOT EXISTS (SELECT FROM unnest($1, $2) k (id, name)
                WHERE NOT EXISTS (SELECT FROM {quoted}.flows f WHERE f.id = k.id AND f.name = k.name))
            AND NOT EXISTS (SELECT FROM unnest($3, $4) k (id, policy)
                WHERE NOT EXISTS (SELECT FROM {quoted}.policies p WHERE p.id = k.id AND p.policy = k.policy))",
            quoted = self.quoted
        )
    }

    /// The channel of this schema's hints.
    pub(crate) fn channel(&self) -> String {
        format!("asyncflow_{:08x}", self.area)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Makes the schema, or brings it to the newest version. However many nodes do so at once, one does it, and the others wait.
    pub(crate) async fn migrate(&self, config: &Config) -> Result<(), StoreError> {
        let migrate = async {
            let client = pool::connect(config).await?;
            let isolation: String = client.query_typed("SHOW transaction_isolation", &[]).await?[0].get(0);
            match self.version(&client).await? {
                Some(version) if version >= NEWEST => return Ok((version, isolation)),
                _ => {}
            }
            client.batch_execute(&self.migration()).await?;
            Ok((self.version(&client).await?.unwrap_or(0), isolation))
        };
        // Several times as long as a call: others may be at it, one after the other.
        let (version, isolation) = tokio::time::timeout(4 * PATIENCE, migrate)
            .await
            .map_err(|_| StoreError::unavailable("Postgres was too slow to look after the schema"))?
            .map_err(|error: tokio_postgres::Error| failure::of(&error))?;
        // A claim that waited for its turn must see what was taken meanwhile.
        if isolation != "read committed" {
            return Err(StoreError::unusable(format_args!(
                "transactions are `{isolation}` by default, and limits rely on `read committed`: set `default_transaction_isolation` so for \
                 the role or the database"
            )));
        }
        if version > NEWEST {
            return Err(StoreError::unusable(format_args!(
                "schema `{}` is of version {version}, and this version of asyncflow-postgres knows up to {NEWEST}: use a newer one",
                self.name
            )));
        }
        Ok(())
    }

    async fn version(&self, client: &tokio_postgres::Client) -> Result<Option<i32>, tokio_postgres::Error> {
        let none = [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME];
        match client.query_typed(&format!("SELECT version FROM {}.schema", self.quoted), &[]).await {
            Ok(rows) => Ok(rows.first().map(|row| row.get(0))),
            Err(error) if error.code().is_some_and(|code| none.contains(code)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One statement, so that a node which is frozen meanwhile locks nobody out.
    fn migration(&self) -> String {
        let literal = format!("'{}'", self.name.replace('\'', "''"));
        let steps = MIGRATIONS.iter().zip(1..).map(|(migration, version)| {
            let named = |part: &str| part.replace("asyncflow.", &format!("{}.", self.quoted));
            let migration = migration.split("'asyncflow'").map(named).collect::<Vec<_>>().join(&literal);
            format!(
                "IF known < {version} THEN EXECUTE $migration${migration}$migration$; END IF;\n\
                 known := greatest(known, {version});\n"
            )
        });
        format!(
            "DO $do$ DECLARE known integer := 0; BEGIN
                SET LOCAL client_min_messages = warning;
                PERFORM pg_advisory_xact_lock({area}, -1);
                IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = {literal}) THEN
                    CREATE SCHEMA {quoted};
                END IF;
                IF EXISTS (SELECT FROM pg_tables WHERE schemaname = {literal} AND tablename = 'schema') THEN
                    SELECT version INTO known FROM {quoted}.schema;
                END IF;
                {steps}
                INSERT INTO {quoted}.schema VALUES (true, known)
                ON CONFLICT (one) DO UPDATE SET version = greatest({quoted}.schema.version, excluded.version);
            END $do$",
            area = self.area,
            quoted = self.quoted,
            steps = steps.collect::<String>(),
        )
    }
}

/// FNV-1a: two schemas of one database that share a number wait for each other now and then, and that is all.
fn area(name: &str) -> i32 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i32::from_ne_bytes(hash.to_ne_bytes())
}
