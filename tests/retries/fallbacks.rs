//! An answer for when a call fails.

use micro::{Code, Context, Error};

use crate::lab::{Lab, ProbeClient};

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_after_all_attempts_is_answered_by_its_fallback() {
    let lab = Lab::new(1).await;
    let client = lab.builder().build();
    let probe = ProbeClient::new(&client);
    let read = || probe.read(&Context::new(), "it".to_owned());
    let last_known = |error: Error| match error.code() {
        Code::Unavailable => Ok("as it was".to_owned()),
        _ => Err(error),
    };
    assert_eq!(read().fallback(last_known).await.unwrap(), "it from 0");
    lab.always(Code::Unavailable);
    assert_eq!(read().fallback(last_known).await.unwrap(), "as it was");
    assert_eq!(lab.arrived().len(), 4);
    lab.always(Code::NotFound);
    assert_eq!(read().fallback(last_known).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(client.stats()[0].fallbacks, 1);
}
