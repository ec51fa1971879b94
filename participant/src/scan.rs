//! Pages of records for people and tools.

use assent_protocol::{
    ids::RecordId,
    message::Reply,
    operation::{Operation, ReadResult, RecordContent, Selection, Step},
    storage::Store,
    workspace,
};

/// Records on a page at most.
const RECORDS_MAX: usize = 256;
/// A page ends after about this much content, in bytes.
const PAGE_BYTES: usize = 1024 * 1024;

/// The records after `after`, until the page is full.
pub(crate) fn page<S: Store>(store: &S, table: Option<&str>, after: Option<&RecordId>) -> Reply {
    let ids = store.records_after(table, after, RECORDS_MAX);
    let mut more = ids.len() == RECORDS_MAX;
    let mut records: Vec<(RecordId, RecordContent)> = Vec::new();
    let mut bytes = 0;
    for (record, _) in ids {
        if bytes > PAGE_BYTES {
            more = true;
            break;
        }
        let read = Operation::Read { record: record.clone(), what: Selection::Record };
        match workspace::evaluate(&[Step { index: 0, operation: read }], store).as_deref() {
            Ok([(_, ReadResult::Record(Some(content)))]) => {
                bytes += assent_protocol::codec::encode(content).len();
                records.push((record, content.clone()));
            }
            Ok(_) => {}
            Err(_) => {
                return Reply::Refused(format!(
                    "record {record} is too large for a page: read its fields one by one"
                ));
            }
        }
    }
    Reply::Scan { records, more }
}
