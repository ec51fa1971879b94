//! How a call to the registrar fails.

use crate::{handle::Handle, outcome::Abort};

/// Why nothing was done, or nothing is known.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// A rule of the university; nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Another reason; nothing has changed.
    #[error("nothing has changed: {0}")]
    Aborted(Abort),
    /// The outcome is not known: [`Registrar::resolve`](super::Registrar::resolve) finds out.
    #[error("the outcome of {} is not known: {}", .0.id(), .0.doubt())]
    Unknown(Handle),
}

/// Which rule of the university was in the way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
pub enum Refused {
    /// A student with this id was added before.
    #[error("there is a student {student} already")]
    StudentExists {
        /// The id.
        student: String,
    },
    /// A course with this id was added before.
    #[error("there is a course {course} already")]
    CourseExists {
        /// The id.
        course: String,
    },
    /// No such student was added.
    #[error("there is no student {student}")]
    UnknownStudent {
        /// The id.
        student: String,
    },
    /// No such course was added.
    #[error("there is no course {course}")]
    UnknownCourse {
        /// The id.
        course: String,
    },
    /// The student's status is not "active".
    #[error("the student {student} is not active")]
    StudentInactive {
        /// The id.
        student: String,
    },
    /// The course's state is not "open".
    #[error("the course {course} is not open")]
    CourseClosed {
        /// The id.
        course: String,
    },
    /// The roster is as large as the capacity, however the enrolments under way end.
    #[error("the course {course} is full")]
    CourseFull {
        /// The id.
        course: String,
    },
    /// The credits would be more than the student may have.
    #[error("the student {student} would have more credits than allowed")]
    CreditLimit {
        /// The id.
        student: String,
    },
    /// The schedule would be longer than [`SCHEDULE_MAX`](super::SCHEDULE_MAX).
    #[error("the student {student} would have more courses than allowed")]
    ScheduleFull {
        /// The id.
        student: String,
    },
    /// The student is in this course.
    #[error("the student {student} is enrolled in {course} already")]
    AlreadyEnrolled {
        /// The id of the student.
        student: String,
        /// The id of the course.
        course: String,
    },
    /// The student is not in this course.
    #[error("the student {student} is not enrolled in {course}")]
    NotEnrolled {
        /// The id of the student.
        student: String,
        /// The id of the course.
        course: String,
    },
    /// The same course twice in one call; name it once.
    #[error("the course {course} is named twice")]
    CourseNamedTwice {
        /// The id.
        course: String,
    },
    /// A call without a course.
    #[error("no course is named")]
    NoCourse,
}

impl Refused {
    /// One word for it, for statistics and scripts.
    pub fn kind(&self) -> &'static str {
        match self {
            Refused::StudentExists { .. } => "student_exists",
            Refused::CourseExists { .. } => "course_exists",
            Refused::UnknownStudent { .. } => "unknown_student",
            Refused::UnknownCourse { .. } => "unknown_course",
            Refused::StudentInactive { .. } => "student_inactive",
            Refused::CourseClosed { .. } => "course_closed",
            Refused::CourseFull { .. } => "course_full",
            Refused::CreditLimit { .. } => "credit_limit",
            Refused::ScheduleFull { .. } => "schedule_full",
            Refused::AlreadyEnrolled { .. } => "already_enrolled",
            Refused::NotEnrolled { .. } => "not_enrolled",
            Refused::CourseNamedTwice { .. } => "course_named_twice",
            Refused::NoCourse => "no_course",
        }
    }
}
