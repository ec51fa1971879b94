//! From a folder to an open database, and from its rows to what a machine starts from.

use crate::{
    config::StoreConfig,
    error::StoreError,
    identity::damaged,
    keys::{self, Key, KeyError, families},
    mail::Known,
    mail_recovery, options,
};
use assent_protocol::{
    codec::{self, DecodeError},
    storage::Recovered,
};
use rocksdb::{Cache, DB, Options, ReadOptions};
use serde::de::DeserializeOwned;

/// Opens the database with the column families that it has. RocksDB replays the log here.
pub(crate) fn open(config: &StoreConfig) -> Result<DB, StoreError> {
    let mut options = options::database(config);
    // RocksDB makes this file last when it creates a database.
    let names = if config.dir.join("CURRENT").exists() {
        DB::list_cf(&Options::default(), &config.dir).map_err(|error| refused(config, &error))?
    } else {
        options.create_missing_column_families(true);
        families::ALL.iter().map(|name| name.to_string()).chain(["default".into()]).collect()
    };
    let families = options::families(config, &names);
    DB::open_cf_descriptors(&options, &config.dir, families).map_err(|error| refused(config, &error))
}

/// Creates the column families that a database of an older version, or one whose creation was cut short, lacks. Only
/// after its version was checked.
pub(crate) fn create_missing(db: &mut DB, config: &StoreConfig) -> Result<(), StoreError> {
    let cache = Cache::new_lru_cache(config.block_cache_bytes);
    for name in families::ALL {
        if db.cf_handle(name).is_none() {
            db.create_cf(name, &options::family(config, name, &cache))
                .map_err(|error| refused(config, &error))?;
        }
    }
    Ok(())
}

fn refused(config: &StoreConfig, error: &rocksdb::Error) -> StoreError {
    match error.kind() {
        rocksdb::ErrorKind::Corruption => damaged(config, error.to_string()),
        _ => StoreError::Open { dir: config.dir.clone(), cause: error.to_string() },
    }
}

/// Loads what is held of transactions, sessions and messages.
pub(crate) fn load(db: &DB, config: &StoreConfig) -> Result<(Recovered, Known), StoreError> {
    let mut recovered = Recovered::default();
    let Recovered { txns, watermarks, clients, grants, mail } = &mut recovered;
    let known = each(db, families::TRANSACTIONS, Key::default().txns(), |key, value| {
        txns.push((keys::parse_txn(key)?, codec::decode(value)?));
        Ok(())
    })
    .and_then(|()| {
        each(db, families::SESSIONS, Key::default().watermarks(), |key, value| {
            let (client, session) = keys::parse_watermark(key)?;
            watermarks.push((client, session, codec::decode(value)?));
            Ok(())
        })
    })
    .and_then(|()| {
        each(db, families::SESSIONS, Key::default().clients(), |key, value| by_client(clients, key, value))
    })
    .and_then(|()| {
        each(db, families::SESSIONS, Key::default().grants(), |key, value| by_client(grants, key, value))
    })
    .and_then(|()| mail_recovery::load(db))
    .map(|(messages, known)| {
        *mail = messages;
        known
    })
    .map_err(|what| damaged(config, what.to_string()))?;
    // The order of keys is that of name lengths first.
    txns.sort_by(|a, b| a.0.cmp(&b.0));
    watermarks.sort();
    Ok((recovered, known))
}

fn by_client<T: DeserializeOwned>(
    found: &mut Vec<(assent_protocol::ids::ClientName, T)>,
    key: &[u8],
    value: &[u8],
) -> Result<(), RowError> {
    found.push((keys::parse_client(key)?, codec::decode(value)?));
    Ok(())
}

/// Calls `row` with every key and value under a prefix.
pub(crate) fn each(
    db: &DB,
    family: &str,
    prefix: &Key,
    row: impl FnMut(&[u8], &[u8]) -> Result<(), RowError>,
) -> Result<(), RowError> {
    range(db, family, prefix.as_ref(), prefix.end(), row)
}

/// Calls `row` with every key and value from one key to before another.
pub(crate) fn range(
    db: &DB,
    family: &str,
    from: &[u8],
    to: Vec<u8>,
    mut row: impl FnMut(&[u8], &[u8]) -> Result<(), RowError>,
) -> Result<(), RowError> {
    if from >= &to[..] {
        return Ok(());
    }
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(from);
    options.set_iterate_upper_bound(to);
    // Read once, in bulk: not worth a place in the cache.
    options.fill_cache(false);
    let family = db.cf_handle(family).expect("all families are there by now");
    let mut rows = db.raw_iterator_cf_opt(family, options);
    rows.seek(from);
    while let Some((key, value)) = rows.item() {
        row(key, value)?;
        rows.next();
    }
    Ok(rows.status()?)
}

/// A row that can't be read, or that no version of this program wrote.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("a value can't be read: {0}")]
    Value(#[from] DecodeError),
    #[error("a message lacks its body")]
    Body,
    #[error(transparent)]
    Disk(#[from] rocksdb::Error),
}
