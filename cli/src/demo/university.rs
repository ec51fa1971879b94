//! A university made up from a seed: courses of unequal popularity, and what each student would like.

use crate::random::{Random, Zipf};
use assent_client::registrar::{NewCourse, NewStudent};

/// How unequal the courses are: 0 would make all equally popular.
const ZIPF_EXPONENT: f64 = 0.8;
/// Courses that a student wants on average.
const COURSES_WANTED: f64 = 5.0;
/// The share of those who want a course that get in, where that many fit into a room.
const PLACES_PER_WISH: f64 = 0.7;
/// Places in the smallest and largest room.
const PLACES: (f64, f64) = (15.0, 250.0);
/// Credits that a student may have.
const CREDITS_MAX: u32 = 30;

const SUBJECTS: &[&str] = &[
    "Algebra",
    "Analysis",
    "Anatomy",
    "Astronomy",
    "Botany",
    "Chemistry",
    "Computing",
    "Drawing",
    "Economics",
    "Ethics",
    "Geology",
    "Geometry",
    "Grammar",
    "History",
    "Hydraulics",
    "Law",
    "Logic",
    "Mechanics",
    "Medicine",
    "Metaphysics",
    "Music",
    "Navigation",
    "Optics",
    "Philology",
    "Poetry",
    "Rhetoric",
    "Statistics",
    "Topology",
];
const LEVELS: &[&str] = &["Introduction to", "Principles of", "Advanced", "Seminar in"];
const FIRST_NAMES: &[&str] = &[
    "Ada", "Alan", "Barbara", "Carl", "Donald", "Edsger", "Emmy", "Frances", "Grace", "Hedy", "Jim", "Joan",
    "Kathleen", "Leslie", "Margaret", "Niklaus", "Pat", "Radia", "Sofia", "Tony",
];
const LAST_NAMES: &[&str] = &[
    "Allen",
    "Booth",
    "Clarke",
    "Dijkstra",
    "Gauss",
    "Gray",
    "Hamilton",
    "Hoare",
    "Hopper",
    "Kovalevskaya",
    "Lamarr",
    "Lamport",
    "Liskov",
    "Lovelace",
    "Noether",
    "Perlman",
    "Selinger",
    "Turing",
    "Wirth",
];

/// What is made up.
#[derive(Clone, Debug)]
pub(super) struct University {
    pub(super) students: Vec<NewStudent>,
    pub(super) courses: Vec<NewCourse>,
    popularity: Zipf,
}

impl University {
    /// From a seed.
    pub(super) fn generate(students: usize, courses: usize, seed: u64) -> University {
        let mut random = Random::new(seed);
        let popularity = Zipf::new(courses, ZIPF_EXPONENT);
        let pick = |random: &mut Random, from: &[&'static str]| from[random.below(from.len())];
        University {
            students: (1..=students)
                .map(|number| NewStudent {
                    id: format!("s{number:05}"),
                    name: format!("{} {}", pick(&mut random, FIRST_NAMES), pick(&mut random, LAST_NAMES)),
                    credits_max: Some(CREDITS_MAX),
                })
                .collect(),
            courses: (0..courses)
                .map(|rank| {
                    let wishes = popularity.share(rank) * students as f64 * COURSES_WANTED;
                    let (least, most) = PLACES;
                    NewCourse {
                        id: format!("C{:03}", rank + 1),
                        title: format!("{} {}", LEVELS[rank % LEVELS.len()], SUBJECTS[rank % SUBJECTS.len()]),
                        credits: 3 + (rank % 3) as u32,
                        capacity: Some((wishes * PLACES_PER_WISH).clamp(least, most) as u64),
                    }
                })
                .collect(),
            popularity,
        }
    }

    /// The id of a course, popular ones more often.
    pub(super) fn wish(&self, random: &mut Random) -> &str {
        &self.courses[self.popularity.choose(random)].id
    }

    /// Ids of different courses.
    pub(super) fn wishes(&self, count: usize, random: &mut Random) -> Vec<&str> {
        let mut wishes: Vec<&str> = Vec::with_capacity(count);
        // Bounded, for a university of two courses has no five different ones.
        for _ in 0..20 * count {
            let wish = self.wish(random);
            if wishes.len() < count && !wishes.contains(&wish) {
                wishes.push(wish);
            }
        }
        wishes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_university() {
        let (one, other) = (University::generate(50, 20, 7), University::generate(50, 20, 7));
        assert_eq!((one.students, one.courses), (other.students, other.courses));
    }

    #[test]
    fn wishes_are_different_courses() {
        let university = University::generate(1, 2, 1);
        let mut wishes = university.wishes(5, &mut Random::new(3));
        wishes.sort_unstable();
        assert_eq!(wishes, ["C001", "C002"]);
    }
}
