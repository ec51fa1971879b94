//! Students and courses as a scan of every participant saw them.
//!
//! Each record is consistent in itself, for a scan reads it at one moment; two records are not consistent with
//! each other. What looks wrong across records has to be read again, consistently.

use super::report::{Kind, Violation};
use crate::{
    failure::{Failure, chain},
    registrar::records,
    status::Status,
};
use assent_client::Nodes;
use assent_protocol::{
    ids::{NodeId, RecordId},
    operation::{FieldContent, RecordContent, Value},
};
use assent_transport::Cluster;
use std::collections::{BTreeMap, BTreeSet};

/// Everyone and everything.
#[derive(Debug, Default)]
pub(crate) struct University {
    /// By id.
    pub(crate) students: BTreeMap<String, Student>,
    /// By id.
    pub(crate) courses: BTreeMap<String, Course>,
    /// What is wrong already by itself.
    pub(super) violations: Vec<Violation>,
}

/// One student.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Student {
    /// The credits of all courses together.
    pub(crate) credits: i64,
    /// The most credits allowed.
    pub(crate) credits_max: Option<i64>,
    /// The ids of the courses.
    pub(crate) schedule: BTreeSet<String>,
}

/// One course.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Course {
    /// What it counts for each student.
    pub(crate) credits: i64,
    /// The most students allowed.
    pub(crate) capacity: Option<i64>,
    /// The ids of the students.
    pub(crate) roster: BTreeSet<String>,
}

impl University {
    /// Scans every participant. Students first: so a course that a scanned schedule names is there to be scanned.
    pub(crate) async fn scan(nodes: &Nodes, cluster: &Cluster) -> Result<University, Failure> {
        let mut university = University::default();
        for table in ["student", "course"] {
            for node in nodes.scan(Some(table)).await {
                let records = node.reply.map_err(|error| unread(&node.name, &error))?;
                university.take(cluster, table, (node.node, &node.name), records);
            }
        }
        Ok(university)
    }

    fn take(
        &mut self,
        cluster: &Cluster,
        table: &str,
        node: (NodeId, &str),
        records: Vec<(RecordId, RecordContent)>,
    ) {
        let directory = cluster.directory();
        for (record, content) in records {
            if directory.locate(&record) != node.0 {
                let what = format!("{record} is held by {}, where nobody looks for it", node.1);
                self.violations.push(Violation { kind: Kind::Misplaced, what });
            } else if table == "student" {
                let student = self.student(&record, &content);
                self.students.insert(record.id().to_owned(), student);
            } else {
                let course = self.course(&record, &content);
                self.courses.insert(record.id().to_owned(), course);
            }
        }
    }

    /// Understands a student's record; what has the wrong type becomes a violation.
    pub(super) fn student(&mut self, record: &RecordId, content: &RecordContent) -> Student {
        Student {
            credits: self.int(record, content, records::CREDITS).unwrap_or(0),
            credits_max: self.int(record, content, records::CREDITS_MAX),
            schedule: self.set(record, content, records::SCHEDULE),
        }
    }

    fn course(&mut self, record: &RecordId, content: &RecordContent) -> Course {
        Course {
            credits: self.int(record, content, records::CREDITS).unwrap_or(0),
            capacity: self.int(record, content, records::CAPACITY),
            roster: self.set(record, content, records::ROSTER),
        }
    }

    fn int(&mut self, record: &RecordId, content: &RecordContent, field: &str) -> Option<i64> {
        match find(content, field) {
            Some(FieldContent::Value(Value::Int(value))) => Some(*value),
            Some(_) => {
                self.wrong_type(record, field, "a number");
                None
            }
            None => None,
        }
    }

    fn set(&mut self, record: &RecordId, content: &RecordContent, field: &str) -> BTreeSet<String> {
        match find(content, field) {
            Some(FieldContent::Set(members)) => {
                members.iter().map(|member| member.as_str().to_owned()).collect()
            }
            Some(_) => {
                self.wrong_type(record, field, "a set");
                BTreeSet::new()
            }
            None => BTreeSet::new(),
        }
    }

    fn wrong_type(&mut self, record: &RecordId, field: &str, wanted: &str) {
        let what = format!("{field} of {record} is not {wanted}");
        self.violations.push(Violation { kind: Kind::WrongType, what });
    }
}

fn find<'a>(content: &'a RecordContent, field: &str) -> Option<&'a FieldContent> {
    content.fields.iter().find(|(name, _)| name.as_str() == field).map(|(_, content)| content)
}

fn unread(node: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(Status::Unreachable, format!("could not read the records of {node}"))
        .cause(chain(error))
        .remedy("see whether it runs: assent cluster status; what can't be read can't be verified")
}
