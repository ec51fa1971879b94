//! Reads OULAD's `studentRegistration.csv` into each student's events in order.
//!
//! A row is taken whole or not at all, and everything that is wrong is remarked upon. Nothing is sent from here.

use super::input::{Remark, shown};
use crate::{failure::Failure, status::Status};
use csv::ByteRecord;
use std::collections::{BTreeMap, BTreeSet};

/// The columns that are needed, in the order of [`Row`]'s fields.
const COLUMNS: [&str; 5] =
    ["code_module", "code_presentation", "id_student", "date_registration", "date_unregistration"];

/// Stands before every date: a registration without a date came at some time before what followed it.
const EARLIEST: i64 = i64::MIN;

/// A whole file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Registrations {
    /// Each student's events in the order in which they happened.
    pub(crate) students: BTreeMap<String, Vec<Event>>,
    /// Active registrations per course as the file's rows say, also the rows that were not taken for
    /// naming a student and course again.
    pub(crate) counts: BTreeMap<String, u64>,
    /// What was wrong.
    pub(crate) remarks: Vec<Remark>,
    /// Rows taken.
    pub(crate) rows: u64,
    /// Rows taken that have no registration date.
    pub(crate) undated: u64,
    /// Rows taken whose unregistration comes before the registration; it is replayed right after it.
    pub(crate) backdated: u64,
}

/// A registration or unregistration.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Event {
    /// Days from the start of the presentation.
    date: i64,
    /// On one day registrations come first: some students unregister on the day they register.
    pub(crate) kind: EventKind,
    /// The row's line in the file.
    pub(crate) line: u64,
    /// `module-presentation`.
    pub(crate) course: String,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum EventKind {
    /// The student registered.
    Register,
    /// The student unregistered.
    Unregister,
}

/// One row, understood.
struct Row {
    course: String,
    student: String,
    registered: Option<i64>,
    unregistered: Option<i64>,
}

impl Registrations {
    /// Reads the file; the name is for remarks. Only a file without the columns is refused as a whole.
    pub(crate) fn parse(name: &str, bytes: &[u8]) -> Result<Registrations, Failure> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
        let columns = columns(name, reader.byte_headers())?;
        let mut read = Registrations::default();
        let mut seen = BTreeSet::new();
        for record in reader.byte_records() {
            let (line, taken) = match record {
                Ok(record) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    (line, understand(&record, &columns).and_then(|row| read.take(row, line, &mut seen)))
                }
                Err(error) => (error.position().map_or(0, csv::Position::line), Err(error.to_string())),
            };
            if let Err(what) = taken {
                read.remarks.push(Remark { file: name.to_owned(), line, what });
            }
        }
        for events in read.students.values_mut() {
            events.sort();
        }
        Ok(read)
    }

    /// How many students the rows taken leave in each course.
    pub(crate) fn expected(&self) -> BTreeMap<&str, u64> {
        let mut expected: BTreeMap<&str, u64> =
            self.counts.keys().map(|course| (course.as_str(), 0)).collect();
        for event in self.students.values().flatten() {
            let count = expected.entry(&event.course).or_default();
            match event.kind {
                EventKind::Register => *count += 1,
                // Every unregistration that is taken follows its registration.
                EventKind::Unregister => *count -= 1,
            }
        }
        expected
    }

    fn take(&mut self, row: Row, line: u64, seen: &mut BTreeSet<(String, String)>) -> Result<(), String> {
        let active = self.counts.entry(row.course.clone()).or_default();
        *active += u64::from(row.unregistered.is_none());
        if !seen.insert((row.student.clone(), row.course.clone())) {
            let Row { student, course, .. } = row;
            return Err(format!("student {student} and course {course} have a row already, skipped whole"));
        }
        self.rows += 1;
        self.undated += u64::from(row.registered.is_none());
        let registered = row.registered.unwrap_or(EARLIEST);
        let events = self.students.entry(row.student).or_default();
        let kind = EventKind::Register;
        events.push(Event { date: registered, kind, line, course: row.course.clone() });
        if let Some(unregistered) = row.unregistered {
            self.backdated += u64::from(unregistered < registered);
            let kind = EventKind::Unregister;
            events.push(Event { date: unregistered.max(registered), kind, line, course: row.course });
        }
        Ok(())
    }
}

/// Where the needed columns are.
fn columns(name: &str, headers: csv::Result<&ByteRecord>) -> Result<[usize; 5], Failure> {
    let wrong = |cause: String| {
        Failure::new(Status::Usage, format!("{name} is no registration file"))
            .cause(cause)
            .remedy(format!("name OULAD's studentRegistration.csv; its columns are {}", COLUMNS.join(", ")))
    };
    let headers = headers.map_err(|error| wrong(error.to_string()))?;
    let mut columns = [0; 5];
    for (at, column) in COLUMNS.iter().enumerate() {
        columns[at] = headers
            .iter()
            .position(|header| header == column.as_bytes())
            .ok_or_else(|| wrong(format!("there is no column {column}")))?;
    }
    Ok(columns)
}

fn understand(record: &ByteRecord, columns: &[usize; 5]) -> Result<Row, String> {
    let field = |at: usize| -> Result<&str, String> {
        let bytes = record
            .get(columns[at])
            .ok_or_else(|| format!("the row has no {}, skipped whole", COLUMNS[at]))?;
        let text = std::str::from_utf8(bytes)
            .map_err(|_| format!("{} is not text, skipped whole: \"{}\"", COLUMNS[at], shown(bytes)))?;
        Ok(text.trim())
    };
    let date = |at: usize| -> Result<Option<i64>, String> {
        let text = field(at)?;
        // R's files write a missing number as NA.
        if matches!(text, "" | "?" | "NA") {
            return Ok(None);
        }
        // Far beyond any date, and far from the ends of the type.
        let days = text.parse::<i32>().map_err(|_| {
            format!("{} \"{}\" is no day, skipped whole", COLUMNS[at], shown(text.as_bytes()))
        })?;
        Ok(Some(days.into()))
    };
    let (module, presentation, student) = (field(0)?, field(1)?, field(2)?);
    for (at, text) in [module, presentation].iter().enumerate() {
        if text.is_empty() || text.len() > 32 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(format!("{} \"{}\" is no code, skipped whole", COLUMNS[at], shown(text.as_bytes())));
        }
    }
    if student.is_empty() || student.len() > 20 || !student.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("id_student \"{}\" is no number, skipped whole", shown(student.as_bytes())));
    }
    Ok(Row {
        course: format!("{module}-{presentation}"),
        student: student.to_owned(),
        registered: date(3)?,
        unregistered: date(4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "code_module,code_presentation,id_student,date_registration,date_unregistration\n";

    fn parse(rows: &str) -> Registrations {
        Registrations::parse("r.csv", format!("{HEAD}{rows}").as_bytes()).expect("it has the columns")
    }

    fn story<'a>(read: &'a Registrations, student: &str) -> Vec<(EventKind, &'a str)> {
        read.students[student].iter().map(|event| (event.kind, event.course.as_str())).collect()
    }

    #[test]
    fn events_are_in_order_of_their_dates() {
        use EventKind::{Register, Unregister};
        let read = parse("A,1,7,5,5\nB,1,7,-3,9\nC,1,7,,2\nD,1,7,4,1\n");
        assert!(read.remarks.is_empty());
        assert_eq!((read.undated, read.backdated), (1, 1));
        let expected = [
            (Register, "C-1"),
            (Register, "B-1"),
            (Unregister, "C-1"),
            (Register, "D-1"),
            (Unregister, "D-1"),
            (Register, "A-1"),
            (Unregister, "A-1"),
            (Unregister, "B-1"),
        ];
        assert_eq!(story(&read, "7"), expected);
        assert!(read.expected().values().all(|&count| count == 0));
    }

    #[test]
    fn wrong_rows_are_skipped_whole_and_named() {
        let read = parse("A,1,7,x,\nA,1,,1,\nA,1\n,1,8,1,\nA,1,9,1,\n\"A\",\"1\",\"9\",\"2\",\"\"\n");
        let lines: Vec<u64> = read.remarks.iter().map(|remark| remark.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 7]);
        assert_eq!(read.expected()["A-1"], 1);
        assert_eq!(read.counts["A-1"], 2);
    }

    #[test]
    fn a_file_without_the_columns_is_refused() {
        assert!(Registrations::parse("r.csv", b"a,b\n1,2\n").is_err());
        assert!(Registrations::parse("r.csv", b"").is_err());
    }
}
