//! `assent course`: adds or shows one.

use super::{call, list, print_committed};
use crate::{context::Global, failure::Failure, status::Status};
use assent_client::registrar::{Course, NewCourse};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::fmt;

/// Courses.
#[derive(Debug, Args)]
pub(crate) struct CourseArgs {
    #[command(subcommand)]
    command: CourseCommand,
}

#[derive(Debug, Subcommand)]
enum CourseCommand {
    /// Add a course
    #[command(
        after_help = "Example:\n  assent course add CS101 --title \"Computing\" --credits 6 --capacity 40"
    )]
    Add(AddArgs),
    /// Show a course and its roster
    #[command(after_help = "Example:\n  assent course show CS101")]
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    /// The id, as CS101
    id: String,
    /// The title [default: the id]
    #[arg(long, value_name = "TITLE")]
    title: Option<String>,
    /// What the course counts towards a student's credits
    #[arg(long, value_name = "N", default_value_t = 1)]
    credits: u32,
    /// Students that the course takes [default: no limit]
    #[arg(long, value_name = "N")]
    capacity: Option<u64>,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The id
    id: String,
}

/// What `show` prints.
#[derive(Debug, Serialize)]
struct Shown {
    id: String,
    title: String,
    state: String,
    credits: i64,
    capacity: Option<u64>,
    students: usize,
    roster: Vec<String>,
    version: u64,
}

impl From<Course> for Shown {
    fn from(course: Course) -> Shown {
        let Course { id, title, state, credits, capacity, roster, version } = course;
        Shown { id, title, state, credits, capacity, students: roster.len(), roster, version }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.capacity.map(|capacity| format!(" of at most {capacity}")).unwrap_or_default();
        writeln!(f, "course    {}", self.id)?;
        writeln!(f, "title     {}", self.title)?;
        writeln!(f, "state     {}", self.state)?;
        writeln!(f, "credits   {}", self.credits)?;
        writeln!(f, "students  {}{limit}", self.students)?;
        writeln!(f, "roster    {}", list(&self.roster))
    }
}

/// Runs the command.
pub(crate) fn run(args: CourseArgs, global: &Global) -> Result<Status, Failure> {
    match args.command {
        CourseCommand::Add(AddArgs { id, title, credits, capacity }) => {
            let course = NewCourse { title: title.unwrap_or_else(|| id.clone()), id, credits, capacity };
            let what = format!("add course {}", course.id);
            let receipt = call(global, &what, async |registrar| registrar.add_course(&course).await)?;
            print_committed(global.output(), &receipt, format!("added course {}", course.id))
        }
        CourseCommand::Show(ShowArgs { id }) => {
            let what = format!("show course {id}");
            let course = call(global, &what, async |registrar| registrar.roster(&id).await)?;
            global.output().print(&Shown::from(course))?;
            Ok(Status::Done)
        }
    }
}
