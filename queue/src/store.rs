//! The store of a participant, over RocksDB: opening it, writing batches, and making them durable.
//!
//! Not here: how a batch is seen before it is committed (`overlay.rs`), how the machine reads (`reads.rs`), what
//! the log promises (`shared.rs`).
//!
//! The invariant: the batch, the overlay and the rows are changed together, so that a read sees every write.

use crate::{
    batch::Batch,
    config::StoreConfig,
    error::StoreError,
    folder, identity,
    keys::{Key, families},
    mail::Mail,
    overlay::{Overlay, PendingField},
    reads::read_row,
    recovery,
    rows::{Row, Rows},
    shared::{Shared, Syncer},
    space,
};
use assent_protocol::{
    codec,
    ids::{FieldName, RecordId},
    storage::{Field, Recovered, Write},
};
use rocksdb::WriteBatch;
use std::{cell::RefCell, sync::Arc, time::Instant};

/// A participant's records, transactions, sessions and messages in RocksDB.
///
/// The loop that runs a machine on it: `Store::write` any number of times, [`commit`](RocksStore::commit) once, then
/// [`Syncer::sync`] (on another thread), and only then send what the machine said (R7).
///
/// # Panics
/// Reading panics if the disk can't be read or holds what no version of this program wrote: the process must stop,
/// and recover from what is on disk.
pub struct RocksStore {
    pub(crate) shared: Arc<Shared>,
    pub(crate) overlay: Overlay,
    pub(crate) rows: RefCell<Rows>,
    pub(crate) key: RefCell<Key>,
    pub(crate) mail: Mail,
    batch: Batch,
    boot: u64,
    reserve_bytes: u64,
    accepting: bool,
}

impl RocksStore {
    /// Opens the database, or creates it, and loads what a machine starts from.
    ///
    /// # Errors
    /// See [`StoreError`]; each says what to do.
    pub fn open(config: StoreConfig) -> Result<(RocksStore, Recovered), StoreError> {
        let started = Instant::now();
        let lock = folder::lock(&config)?;
        folder::mend_log(&config)?;
        let mut db = recovery::open(&config)?;
        let mut batch = WriteBatch::default();
        let boot = identity::enter(&db, &config, &mut batch)?;
        recovery::create_missing(&mut db, &config)?;
        let (recovered, known) = recovery::load(&db, &config)?;
        let shared = Shared::new(db, config.dir.clone(), boot, lock);
        // Durable before anyone can hear of this boot.
        shared.write(batch)?;
        shared.sync()?;
        let mut store = RocksStore {
            shared: Arc::new(shared),
            overlay: Overlay::default(),
            rows: RefCell::new(Rows::new(config.cached_entries_max)),
            key: RefCell::default(),
            mail: Mail::new(known, config.cached_message_bytes),
            batch: Batch::default(),
            boot,
            reserve_bytes: config.reserve_bytes,
            accepting: true,
        };
        store.refresh_space()?;
        tracing::info!(
            dir = %config.dir.display(),
            boot,
            transactions = recovered.txns.len(),
            messages = recovered.mail.messages.len(),
            outgoing = recovered.mail.outgoing.len(),
            elapsed_ms = started.elapsed().as_millis() as u64,
            "opened the database"
        );
        Ok((store, recovered))
    }

    /// How often this database was opened, this time included.
    pub fn boot(&self) -> u64 {
        self.boot
    }

    /// Whether anything was written since the last commit.
    pub fn has_pending(&self) -> bool {
        !self.batch.is_empty() || self.rows.borrow().has_changed()
    }

    /// Writes everything since the last commit as one batch, which survives a crash whole or not at all; durable only
    /// after a sync. Returns its bytes, 0 if there is nothing to write.
    ///
    /// # Errors
    /// Nobody knows what is on disk then: the process must end.
    pub fn commit(&mut self) -> Result<usize, StoreError> {
        self.put_rows();
        if self.batch.is_empty() {
            return Ok(0);
        }
        let batch = self.batch.take(|name| self.shared.family(name));
        let bytes = self.shared.write(batch)?;
        self.overlay.clear();
        self.shared.batch_bytes.record(bytes as f64);
        self.mail.committed();
        Ok(bytes)
    }

    /// A handle that makes commits durable.
    pub fn syncer(&self) -> Syncer {
        Syncer::new(Arc::clone(&self.shared))
    }

    /// Whether there is room for new work, as of the last [`refresh_space`](RocksStore::refresh_space).
    pub fn accepting(&self) -> bool {
        self.accepting
    }

    /// Looks at the disk's free space; to be called now and then, a few times a second. Returns whether there is room
    /// for new work.
    ///
    /// # Errors
    /// If the disk can't tell.
    pub fn refresh_space(&mut self) -> Result<bool, StoreError> {
        let free_bytes = space::free_bytes(self.shared.dir())?;
        let accepting = space::accepts(free_bytes, self.reserve_bytes, self.accepting);
        if accepting != self.accepting {
            let reserve_bytes = self.reserve_bytes;
            if accepting {
                tracing::info!(free_bytes, reserve_bytes, "the disk has room again: new work is accepted");
            } else {
                tracing::warn!(free_bytes, reserve_bytes, "the disk is nearly full: new work is refused");
            }
        }
        self.accepting = accepting;
        metrics::gauge!("assent_store_free_bytes").set(free_bytes as f64);
        Ok(accepting)
    }

    /// Puts a write into the batch and the overlay.
    pub(crate) fn put(&mut self, write: Write) {
        let RocksStore { overlay, key, batch, mail, .. } = self;
        let key = key.get_mut();
        match write {
            Write::PutRecord(record, version) => self.row_mut(&record).version = Some(version),
            Write::PutField(record, field, held) => self.put_field(&record, &field, held),
            Write::PutItem(record, field, index, value) => {
                batch.put(families::CONTENT, key.item(&record, &field, index), &codec::encode(&value));
                overlay.field_mut(&record, &field).items.insert(index, value);
            }
            Write::PutMember(record, field, member) => {
                batch.put(families::CONTENT, key.member(&record, &field, &member), &[]);
                overlay.field_mut(&record, &field).members.insert(member, true);
            }
            Write::DeleteMember(record, field, member) => {
                batch.delete(families::CONTENT, key.member(&record, &field, &member));
                overlay.field_mut(&record, &field).members.insert(member, false);
            }
            Write::PutTxn(txn, held) => {
                batch.put(families::TRANSACTIONS, key.txn(&txn), &codec::encode(&held));
            }
            Write::DeleteTxn(txn) => batch.delete(families::TRANSACTIONS, key.txn(&txn)),
            Write::PutWatermark(client, session, sequence) => {
                batch.put(families::SESSIONS, key.watermark(&client, session), &codec::encode(&sequence));
            }
            Write::DeleteWatermark(client, session) => {
                batch.delete(families::SESSIONS, key.watermark(&client, session));
            }
            Write::PutClient(client, held) => {
                batch.put(families::SESSIONS, key.client(&client), &codec::encode(&held));
            }
            Write::PutGrant(client, held) => {
                batch.put(families::SESSIONS, key.grant(&client), &codec::encode(&held));
                overlay.put_grant(&client, &held);
            }
            Write::DeleteRecord(record) => self.delete_record(&record),
            Write::DeleteField(record, field) => self.delete_field(&record, &field),
            Write::PutWaiting(..)
            | Write::DeleteWaiting(..)
            | Write::PutOutgoing(..)
            | Write::DeleteOutgoing(..)
            | Write::PutAcknowledged(..)
            | Write::PutArrived(..)
            | Write::PutMailbox(..)
            | Write::PutMessage(..)
            | Write::DeleteMessage(..)
            | Write::PutDead(..)
            | Write::DeleteDead(..) => mail.put(write, key, batch),
        }
    }

    /// The row of a record, to be written with the next commit.
    fn row_mut(&mut self, record: &RecordId) -> &mut Row {
        self.rows.get_mut().row_mut(record, || read_row(&self.shared, &self.key, record))
    }

    /// Puts the rows that were changed into the batch.
    fn put_rows(&mut self) {
        let (rows, key) = (self.rows.get_mut(), self.key.get_mut());
        for (record, row) in rows.changed() {
            if row.is_empty() {
                self.batch.delete(families::RECORDS, key.record(record));
            } else {
                self.batch.put(families::RECORDS, key.record(record), &codec::encode(row));
            }
        }
        rows.committed();
    }

    fn put_field(&mut self, record: &RecordId, field: &FieldName, held: Field) {
        let row = self.row_mut(record);
        let was_apart = row.apart;
        match row.put(field, held) {
            Some(held) => {
                let key = self.key.get_mut();
                self.batch.put(families::CONTENT, key.field(record, field), &codec::encode(&held));
                self.overlay.field_mut(record, field).field = Some(held);
            }
            // It is in the row now, and may have had a key of its own before.
            None if was_apart => {
                self.batch.delete(families::CONTENT, self.key.get_mut().field(record, field));
            }
            None => {}
        }
    }

    fn delete_record(&mut self, record: &RecordId) {
        *self.row_mut(record) = Row::default();
        let key = self.key.get_mut();
        for prefix in [Key::fields, Key::items_of_record, Key::members_of_record] {
            self.shared.delete_all(&mut self.batch, prefix(key, record));
        }
        if let Some(pending) = self.overlay.record(record) {
            for (field, held) in &pending.fields {
                delete_pending(&mut self.batch, key, record, field, held);
            }
        }
        self.overlay.wipe_record(record);
    }

    fn delete_field(&mut self, record: &RecordId, field: &FieldName) {
        self.row_mut(record).remove(field);
        let key = self.key.get_mut();
        self.batch.delete(families::CONTENT, key.field(record, field));
        for prefix in [Key::items, Key::members] {
            self.shared.delete_all(&mut self.batch, prefix(key, record, field));
        }
        if let Some(held) = self.overlay.record(record).and_then(|pending| pending.fields.get(field)) {
            delete_pending(&mut self.batch, key, record, field, held);
        }
        self.overlay.wipe_field(record, field);
    }
}

/// Deletes what the batch itself has put into a field: the database does not list it yet.
fn delete_pending(
    batch: &mut Batch,
    key: &mut Key,
    record: &RecordId,
    field: &FieldName,
    held: &PendingField,
) {
    batch.delete(families::CONTENT, key.field(record, field));
    for index in held.items.keys() {
        batch.delete(families::CONTENT, key.item(record, field, *index));
    }
    for member in held.members.keys() {
        batch.delete(families::CONTENT, key.member(record, field, member));
    }
}
