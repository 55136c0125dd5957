//! Work off the async workers. A computation of more than about 500 µs on one of them would hold up every other
//! request that this worker serves.

/// Runs a computation: here where it is `small`, on a thread for blocking work where it is not. A panic in the
/// computation goes on in the caller.
pub async fn unless_small<T: Send + 'static>(small: bool, work: impl FnOnce() -> T + Send + 'static) -> T {
    if small {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends and takes this task with it: nobody waits for a result any more.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn small_work_stays_and_large_work_moves() {
        let here = thread::current().id();
        assert_eq!(unless_small(true, || thread::current().id()).await, here);
        assert_ne!(unless_small(false, || thread::current().id()).await, here);
    }

    #[tokio::test]
    async fn a_panic_goes_on_in_the_caller() {
        for small in [true, false] {
            let work = tokio::spawn(unless_small(small, || -> u8 { panic!("in the work") }));
            let panic = work.await.unwrap_err().into_panic();
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"in the work"));
        }
    }
}
