//! `assent import carter`: courses first, then one transaction per line of students.

use super::{
    Pace,
    carter_file::{Dataset, StudentLine},
    compare::{self, Counts},
    input,
    job::{Chain, Job, Origin, Student},
    report::ImportReport,
    run::Runner,
};
use crate::{context::Global, failure::Failure, status::Status};
use clap::Args;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Which files.
#[derive(Debug, Args)]
pub(super) struct CarterArgs {
    /// The .stu file
    #[arg(long, value_name = "FILE")]
    students: PathBuf,
    /// The .crs file
    #[arg(long, value_name = "FILE")]
    courses: PathBuf,
    /// The name of the data set, which begins the ids of its students and courses [default: from the .stu file]
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    #[command(flatten)]
    pace: Pace,
}

/// Imports and compares.
pub(super) async fn import(args: &CarterArgs, global: &Global) -> Result<ImportReport, Failure> {
    let dataset = read(args)?;
    let name = dataset_name(args)?;
    let mut runner = Runner::connect(global, &args.pace).await?;
    let ids: BTreeMap<&str, String> =
        dataset.counts.keys().map(|course| (course.as_str(), format!("{name}-{course}"))).collect();
    let credits = runner.create_courses(ids.values().map(|id| (id.clone(), id.clone())).collect()).await?;

    let chain = |student: &StudentLine| -> Chain {
        let id = format!("{name}-{}", student.line);
        let origin = Origin { dataset: &name, line: student.line, part: "", student: &id };
        let courses: Vec<(&str, i64)> = student
            .courses
            .iter()
            .filter_map(|course| ids.get(course.as_str()))
            .map(|id| (id.as_str(), credits.get(id).copied().unwrap_or(0)))
            .collect();
        vec![Job::enrol(&origin, Student::New, &courses)]
    };
    let chains = dataset.students.iter().map(chain).collect();
    runner.run("enrolling", &input::short_name(&args.students), chains).await?;

    let expected = dataset.expected();
    let counts = dataset.counts.iter().map(|(course, &file)| Counts {
        course: course.clone(),
        id: ids[course.as_str()].clone(),
        file,
        lines: expected.get(course.as_str()).copied().unwrap_or(0),
    });
    let compared = compare::with_rosters(&mut runner, counts.collect()).await?;
    let mut report = ImportReport::new(&name, dataset.remarks, compared, runner.finish().await);
    report.lines = dataset.students.len() as u64;
    Ok(report)
}

fn read(args: &CarterArgs) -> Result<Dataset, Failure> {
    let (crs, stu) = (input::read(&args.courses)?, input::read(&args.students)?);
    let name = |path: &Path| input::short_name(path);
    Ok(Dataset::parse(&name(&args.courses), &crs, &name(&args.students), &stu))
}

fn dataset_name(args: &CarterArgs) -> Result<String, Failure> {
    let from_file = args.students.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = args.dataset.clone().or(from_file).unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(name);
    }
    Err(Failure::new(Status::Usage, format!("{name:?} can't name a data set"))
        .cause("it must be 1 to 64 letters, digits, '.', '_' and '-'")
        .remedy("give it a name with --dataset"))
}
