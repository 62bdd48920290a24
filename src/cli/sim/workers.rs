//! Many simulations at once, on all processors.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Is told how many of how many are done.
pub(super) type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Does the `work` of each of `jobs`, and hands what comes of it to `take`, one at a time, in whatever
/// order they are done.
pub(super) fn on_all<J: Sync, R>(
    jobs: &[J],
    work: impl Fn(&J) -> R + Sync,
    take: impl FnMut(R) + Send,
    progress: Progress<'_>,
) {
    let (next, done, take) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(take));
    let worker = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = work(job);
            (take.lock().expect("no run panics"))(result);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, jobs.len());
        }
    };
    let threads = thread::available_parallelism().map_or(1, |n| n.get());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(worker);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_job_is_done_once_and_told() {
        let jobs: Vec<u64> = (0..100).collect();
        let (mut taken, told) = (Vec::new(), Mutex::new(Vec::new()));
        let progress = |done, of| told.lock().unwrap().push((done, of));
        on_all(&jobs, |job| job * job, |square| taken.push(square), &progress);
        taken.sort_unstable();
        assert_eq!(taken, jobs.iter().map(|job| job * job).collect::<Vec<_>>());
        let mut told = told.into_inner().unwrap();
        told.sort_unstable();
        assert_eq!(told, (1..=100).map(|done| (done, 100)).collect::<Vec<_>>());
    }
}
