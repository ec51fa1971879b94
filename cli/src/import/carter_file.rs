//! Reads the two files of a Carter dataset: courses with their counts, and students with their courses.
//!
//! A line is taken whole or not at all, and everything that is wrong is remarked upon. Nothing is sent from here.

use super::input::{Remark, lines, shown};
use std::collections::{BTreeMap, BTreeSet};

/// Digits of a course id.
const COURSE_DIGITS: usize = 4;
/// Courses on one line at most: far more than a student can take, far fewer than a transaction can hold.
const COURSES_MAX: usize = 500;

/// A whole dataset.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Dataset {
    /// The count that the `.crs` file gives for each course.
    pub(crate) counts: BTreeMap<String, u64>,
    /// The students that are fit to be imported.
    pub(crate) students: Vec<StudentLine>,
    /// What was wrong.
    pub(crate) remarks: Vec<Remark>,
}

/// One line of the `.stu` file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StudentLine {
    /// Its number, from 1, counting blank lines too: that is what an editor shows.
    pub(crate) line: u64,
    /// Its courses, each once, in the order given.
    pub(crate) courses: Vec<String>,
}

impl Dataset {
    /// Reads both files; the names are for remarks.
    pub(crate) fn parse(crs_name: &str, crs: &[u8], stu_name: &str, stu: &[u8]) -> Dataset {
        let mut dataset = Dataset::default();
        for (number, line) in lines(crs) {
            if let Err(what) = dataset.take_course(line) {
                dataset.remarks.push(Remark { file: crs_name.to_owned(), line: number, what });
            }
        }
        for (number, line) in lines(stu) {
            if let Err(what) = dataset.take_student(number, line) {
                dataset.remarks.push(Remark { file: stu_name.to_owned(), line: number, what });
            }
        }
        dataset
    }

    /// How many students the lines put into each course.
    pub(crate) fn expected(&self) -> BTreeMap<&str, u64> {
        let mut expected: BTreeMap<&str, u64> =
            self.counts.keys().map(|course| (course.as_str(), 0)).collect();
        for course in self.students.iter().flat_map(|student| &student.courses) {
            *expected.entry(course).or_default() += 1;
        }
        expected
    }

    fn take_course(&mut self, line: &[u8]) -> Result<(), String> {
        let malformed = || format!("not a course and its count, skipped: \"{}\"", shown(line));
        let text = std::str::from_utf8(line).map_err(|_| malformed())?;
        let mut words = text.split_ascii_whitespace();
        let (Some(course), Some(count), None) = (words.next(), words.next(), words.next()) else {
            return Err(malformed());
        };
        let count = parse_count(count).filter(|_| is_course(course)).ok_or_else(malformed)?;
        match self.counts.get(course) {
            Some(first) => {
                Err(format!("course {course} is listed again, with {count}; its first count, {first}, stays"))
            }
            None => {
                self.counts.insert(course.to_owned(), count);
                Ok(())
            }
        }
    }

    /// Takes a student; what it returns is remarked upon, whether the line was taken or not.
    fn take_student(&mut self, number: u64, line: &[u8]) -> Result<(), String> {
        let text =
            std::str::from_utf8(line).map_err(|_| format!("not text, skipped whole: \"{}\"", shown(line)))?;
        if let Some(word) = text.split_ascii_whitespace().find(|word| !is_course(word)) {
            let word = shown(word.as_bytes());
            return Err(format!("\"{word}\" is no course id of {COURSE_DIGITS} digits, skipped whole"));
        }
        if let Some(word) = text.split_ascii_whitespace().find(|word| !self.counts.contains_key(*word)) {
            return Err(format!("course {word} is not in the course file, skipped whole"));
        }
        let mut seen = BTreeSet::new();
        let (courses, again): (Vec<&str>, Vec<&str>) =
            text.split_ascii_whitespace().partition(|course| seen.insert(*course));
        if courses.len() > COURSES_MAX {
            return Err(format!("more than {COURSES_MAX} courses, skipped whole"));
        }
        let courses = courses.into_iter().map(str::to_owned).collect();
        self.students.push(StudentLine { line: number, courses });
        match again.first() {
            Some(course) => Err(format!("names course {course} more than once, enrolled once")),
            None => Ok(()),
        }
    }
}

fn is_course(word: &str) -> bool {
    word.len() == COURSE_DIGITS && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Digits only: Rust would take a sign too.
fn parse_count(word: &str) -> Option<u64> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(crs: &str, stu: &str) -> Dataset {
        Dataset::parse("c.crs", crs.as_bytes(), "s.stu", stu.as_bytes())
    }

    #[test]
    fn blank_lines_are_no_students_but_count_as_lines() {
        let dataset = parse("0001 2\n", "0001 \r\n\r\n \n0001\n");
        assert!(dataset.remarks.is_empty());
        assert_eq!(dataset.students.iter().map(|s| s.line).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(dataset.expected()["0001"], 2);
    }

    #[test]
    fn a_course_named_twice_counts_once_and_is_remarked_upon() {
        let dataset = parse("0001 1\n0002 1\n", "0001 0002 0001\n");
        assert_eq!(dataset.students[0].courses, ["0001", "0002"]);
        assert_eq!(
            dataset.remarks[0].to_string(),
            "s.stu:1: names course 0001 more than once, enrolled once"
        );
    }

    #[test]
    fn a_wrong_line_is_skipped_whole() {
        for wrong in ["0001 x", "0001 12", "0001 99999", "0001 0009", "0001,0002"] {
            let dataset = parse("0001 1\n0002 0\n", &format!("{wrong}\n0001\n"));
            assert_eq!(dataset.students.len(), 1, "{wrong}");
            assert_eq!(dataset.remarks.len(), 1, "{wrong}");
            assert_eq!(dataset.remarks[0].line, 1);
        }
        let dataset = Dataset::parse("c", b"0001 1", "s", b"0001 \xff\n");
        assert!(dataset.students.is_empty() && dataset.remarks.len() == 1);
    }

    #[test]
    fn a_wrong_course_line_is_remarked_upon() {
        for wrong in ["0001", "0001 -1", "0001 +1", "0001 1 1", "1 1", "0001 99999999999999999999999"] {
            assert_eq!(parse(wrong, "").remarks.len(), 1, "{wrong}");
        }
        let dataset = parse("0001 1\n0001 2\n", "");
        assert_eq!(dataset.counts["0001"], 1);
        assert_eq!(dataset.remarks[0].line, 2);
    }
}
