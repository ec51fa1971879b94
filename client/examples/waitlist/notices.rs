//! The post office: puts each notice into the letterbox of its student, a record.

use crate::stage::Failure;
use assent_client::{Transaction, mail::Delivery};

/// The processor's function.
pub(crate) async fn deliver(notice: Delivery, transaction: Transaction) -> Result<Transaction, Failure> {
    let student = notice.key().ok_or("the notice is nobody's")?;
    let text = notice.text().ok_or("the notice is no text")?;
    Ok(transaction.append(format!("letterbox/{student}"), "letters", text))
}
