//! Preloaded into a node (`LD_PRELOAD`): lies to it about its disk and its clock, as a control file says at the moment.
//!
//! Syncs may fail or take long, the wall clock may be off; the monotonic clock stays true, as it does on a machine whose
//! time is set. Without the variable, or with a file that is not the lab's, everything is as it would be without the shim.
//!
//! Not here: what fails when. Invariant: no function here allocates, locks or panics, for they are called from anywhere.

#[allow(dead_code)]
mod control;

use libc::{c_int, c_uint, c_void, clockid_t, off64_t, timespec, timeval};
use std::{
    ptr::{null, null_mut},
    sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering},
};

type ClockGettime = unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int;

/// The mapped control file; null where there is none.
static WORDS: AtomicPtr<AtomicU64> = AtomicPtr::new(null_mut());
/// The address of the C library's own `clock_gettime`; 0 until it has been looked for.
static CLOCK: AtomicUsize = AtomicUsize::new(0);

/// The dynamic loader calls what stands in this section before the program's `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static INIT: extern "C" fn() = init;

extern "C" fn init() {
    // SAFETY: the names are constant and end with a zero; the loader has the C library ready before this runs.
    unsafe {
        let found = libc::dlsym(libc::RTLD_NEXT, c"clock_gettime".as_ptr());
        CLOCK.store(found as usize, Ordering::Relaxed);
        let path = libc::getenv(c"ASSENT_LAB_SHIM".as_ptr());
        if !path.is_null() {
            WORDS.store(map(path), Ordering::Release);
        }
    }
}

/// Maps the control file; null if it is not one.
///
/// # Safety
///
/// `path` is a string that ends with a zero.
unsafe fn map(path: *const libc::c_char) -> *mut AtomicU64 {
    // SAFETY: plain system calls; the mapping is as long as the file, lives as long as the process, and is read only
    // through atomics, since the lab writes to it.
    unsafe {
        let file = libc::open(path, libc::O_RDONLY | libc::O_CLOEXEC);
        if file < 0 {
            return null_mut();
        }
        let long_enough = libc::lseek(file, 0, libc::SEEK_END) >= control::FILE_BYTES as libc::off_t;
        let mapped = if long_enough {
            libc::mmap(null_mut(), control::FILE_BYTES, libc::PROT_READ, libc::MAP_SHARED, file, 0)
        } else {
            libc::MAP_FAILED
        };
        libc::close(file);
        if mapped == libc::MAP_FAILED {
            return null_mut();
        }
        let words = mapped.cast::<AtomicU64>();
        if (*words).load(Ordering::Relaxed) == control::MAGIC { words } else { null_mut() }
    }
}

/// A word of the control file; 0, which changes nothing, where there is none.
fn word(index: usize) -> u64 {
    let words = WORDS.load(Ordering::Acquire);
    if words.is_null() {
        return 0;
    }
    // SAFETY: `map` gave it, so it is a mapping of `FILE_BYTES`, and every index of `control` lies within.
    unsafe { (*words.add(index)).load(Ordering::Relaxed) }
}

/// Waits as long as the control file says, then says whether the sync is to fail.
fn disturb_sync() -> Option<c_int> {
    let delay_us = word(control::SYNC_DELAY_US);
    if delay_us > 0 {
        let time = timespec {
            tv_sec: (delay_us / 1_000_000) as libc::time_t,
            tv_nsec: (delay_us % 1_000_000 * 1_000) as libc::c_long,
        };
        // SAFETY: both pointers are to what they should be; an interrupted sleep is just a shorter one.
        unsafe { libc::nanosleep(&time, null_mut()) };
    }
    match word(control::SYNC_ERRNO) {
        0 => None,
        errno => Some(c_int::try_from(errno).unwrap_or(libc::EIO)),
    }
}

fn fail(errno: c_int) -> c_int {
    // SAFETY: the C library gives each thread a place for its errno.
    unsafe { *libc::__errno_location() = errno };
    -1
}

/// `fdatasync(2)`.
#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(file: c_int) -> c_int {
    match disturb_sync() {
        Some(errno) => fail(errno),
        // SAFETY: the system call of the same name, with the caller's own argument.
        None => unsafe { libc::syscall(libc::SYS_fdatasync, file) as c_int },
    }
}

/// `fsync(2)`.
#[unsafe(no_mangle)]
pub extern "C" fn fsync(file: c_int) -> c_int {
    match disturb_sync() {
        Some(errno) => fail(errno),
        // SAFETY: the system call of the same name, with the caller's own argument.
        None => unsafe { libc::syscall(libc::SYS_fsync, file) as c_int },
    }
}

/// `sync_file_range(2)`.
#[unsafe(no_mangle)]
pub extern "C" fn sync_file_range(file: c_int, offset: off64_t, bytes: off64_t, flags: c_uint) -> c_int {
    match disturb_sync() {
        Some(errno) => fail(errno),
        // SAFETY: the system call of the same name, with the caller's own arguments.
        None => unsafe { libc::syscall(libc::SYS_sync_file_range, file, offset, bytes, flags) as c_int },
    }
}

/// `clock_gettime(2)`.
///
/// # Safety
///
/// As the original: `time` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    // SAFETY: passed on as it came; after success the kernel has filled `time`.
    unsafe {
        let result = match CLOCK.load(Ordering::Relaxed) {
            // Before `init`: the slow way is right too.
            0 => libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int,
            found => std::mem::transmute::<usize, ClockGettime>(found)(clock, time),
        };
        if result == 0 && (clock == libc::CLOCK_REALTIME || clock == libc::CLOCK_REALTIME_COARSE) {
            shift(&mut *time);
        }
        result
    }
}

/// `gettimeofday(2)`.
///
/// # Safety
///
/// As the original: `time` is null or valid for a write; `zone` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(time: *mut timeval, zone: *mut c_void) -> c_int {
    // SAFETY: `now` is a timespec of this frame; `time` is checked, `zone` passed to the kernel as it came.
    unsafe {
        if !time.is_null() {
            let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
            if clock_gettime(libc::CLOCK_REALTIME, &mut now) != 0 {
                return -1;
            }
            *time = timeval { tv_sec: now.tv_sec, tv_usec: now.tv_nsec / 1_000 };
        }
        if zone.is_null() {
            0
        } else {
            libc::syscall(libc::SYS_gettimeofday, null::<timeval>(), zone) as c_int
        }
    }
}

/// Puts a wall clock's time off by what the control file says.
fn shift(time: &mut timespec) {
    let offset_us = word(control::CLOCK_OFFSET_US).cast_signed();
    if offset_us == 0 {
        return;
    }
    let nanoseconds = time.tv_nsec + offset_us.rem_euclid(1_000_000) * 1_000;
    time.tv_sec += offset_us.div_euclid(1_000_000) + nanoseconds / 1_000_000_000;
    time.tv_nsec = nanoseconds % 1_000_000_000;
}
