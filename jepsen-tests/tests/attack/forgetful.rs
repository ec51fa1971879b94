//! Messages whose consumers are wrong: of ten messages one is finished without its effect.

use assent_lab::{
    history::{History, Value},
    random::Random,
    verdict::Verdict,
    workload::{Completion, Invocation, Taking, Workload},
    workloads::Messages,
};
use assent_protocol::{message::Delivery, operation::Operation};

#[derive(Default)]
pub(crate) struct Forgetful {
    inner: Messages,
    processed: u64,
}

impl Workload for Forgetful {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn first(&mut self) -> Vec<Invocation> {
        self.inner.first()
    }

    fn next(&mut self, process: u64, random: &mut Random) -> Option<Invocation> {
        self.inner.next(process, random)
    }

    fn ended(&mut self, process: u64, invocation: &Invocation, completion: &Completion) -> Value {
        self.inner.ended(process, invocation, completion)
    }

    fn last(&mut self) -> Vec<Invocation> {
        self.inner.last()
    }

    fn consumes(&mut self, consumer: u64, random: &mut Random) -> Option<Taking> {
        self.inner.consumes(consumer, random)
    }

    fn process(&mut self, taking: &Taking, delivery: &Delivery) -> Invocation {
        let mut invocation = self.inner.process(taking, delivery);
        self.processed += 1;
        if self.processed.is_multiple_of(10) {
            for operation in &mut invocation.operations {
                if let Operation::Append { record, field, .. } = operation {
                    let (record, field) = (record.clone(), field.clone());
                    *operation =
                        Operation::Read { record, what: assent_protocol::operation::Selection::Field(field) };
                }
            }
        }
        invocation
    }

    fn told(&self, delivery: &Delivery) -> Value {
        self.inner.told(delivery)
    }

    fn tend(&mut self, taking: &Taking) -> Option<Invocation> {
        self.inner.tend(taking)
    }

    fn check(&self, history: &History) -> Vec<Verdict> {
        self.inner.check(history)
    }
}
