//! Whose database it is, of which version, and how often it was opened.
//!
//! The invariant: a database that this program can't read, or that belongs to another node, is refused before
//! anything is written to it.

use crate::{
    config::StoreConfig,
    error::StoreError,
    keys::{Key, families},
};
use assent_protocol::{codec, ids::NodeId};
use rocksdb::{DB, WriteBatch};
use serde::de::DeserializeOwned;

/// The newest layout of the database that this program knows; it writes this one.
///
/// Version 2 brought messages. What version 1 wrote is read as it is: rows and families were only added.
pub const STORAGE_VERSION: u32 = 2;

const VERSION: &str = "storage_version";
const NODE: &str = "node";
const NAME: &str = "name";
const BOOT: &str = "boot";

/// Checks the database, and puts what opening it changes into `batch`. Returns the number of this boot, from 1.
pub(crate) fn enter(db: &DB, config: &StoreConfig, batch: &mut WriteBatch) -> Result<u64, StoreError> {
    let mut put = |what: &str, value: Vec<u8>| {
        let meta = db.cf_handle(families::META).expect("opened with the database");
        batch.put_cf(meta, Key::default().meta(what), value);
    };
    let boot = match read::<u32>(db, config, VERSION)? {
        None if is_empty(db, config)? => {
            put(VERSION, codec::encode(&STORAGE_VERSION));
            put(NODE, codec::encode(&config.node));
            put(NAME, codec::encode(&config.name));
            1
        }
        None => return Err(damaged(config, "it holds data, but not its storage version".into())),
        Some(found) if found > STORAGE_VERSION => {
            return Err(StoreError::NewerVersion { dir: config.dir.clone(), found, known: STORAGE_VERSION });
        }
        Some(found) => {
            if found < STORAGE_VERSION {
                put(VERSION, codec::encode(&STORAGE_VERSION));
            }
            check_node(db, config)?;
            read::<u64>(db, config, BOOT)?.ok_or_else(|| damaged(config, "its boot number is gone".into()))?
                + 1
        }
    };
    put(BOOT, codec::encode(&boot));
    Ok(boot)
}

/// Writes the boot number once more, with nothing new: a batch that can carry a mark.
pub(crate) fn repeat(db: &DB, boot: u64, batch: &mut WriteBatch) {
    let meta = db.cf_handle(families::META).expect("opened with the database");
    batch.put_cf(meta, Key::default().meta(BOOT), codec::encode(&boot));
}

fn check_node(db: &DB, config: &StoreConfig) -> Result<(), StoreError> {
    let found: NodeId = read(db, config, NODE)?.ok_or_else(|| damaged(config, "its node is gone".into()))?;
    let found_name: String =
        read(db, config, NAME)?.ok_or_else(|| damaged(config, "its name is gone".into()))?;
    if found == config.node && found_name == config.name {
        return Ok(());
    }
    Err(StoreError::OtherNode {
        dir: config.dir.clone(),
        found,
        found_name,
        expected: config.node,
        expected_name: config.name.clone(),
    })
}

fn is_empty(db: &DB, config: &StoreConfig) -> Result<bool, StoreError> {
    for name in families::ALL {
        // A newer database may lack a family of ours, and is refused by its version.
        let Some(family) = db.cf_handle(name) else { continue };
        let mut rows = db.raw_iterator_cf(family);
        rows.seek_to_first();
        rows.status().map_err(|cause| damaged(config, cause.to_string()))?;
        if rows.valid() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn read<T: DeserializeOwned>(db: &DB, config: &StoreConfig, what: &str) -> Result<Option<T>, StoreError> {
    let Some(meta) = db.cf_handle(families::META) else { return Ok(None) };
    let bytes = db
        .get_pinned_cf(meta, Key::default().meta(what))
        .map_err(|cause| damaged(config, cause.to_string()))?;
    bytes
        .map(|bytes| codec::decode(&bytes).map_err(|cause| damaged(config, format!("its {what}: {cause}"))))
        .transpose()
}

pub(crate) fn damaged(config: &StoreConfig, what: String) -> StoreError {
    StoreError::Damaged { dir: config.dir.clone(), what }
}
