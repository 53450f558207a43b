//! How much the other side may send: the windows of a connection and of each call.
//!
//! What arrives is taken off a window; once it is read, as much more is granted. What has arrived of a
//! message that is not whole cannot be read yet, and so it is lent where the window is low, until it can: a
//! message that is larger than its window would never become whole, nor would many on one connection. Of such
//! messages there is no more than a bound.

use super::violation::Violation;
use crate::error::{Error, Result};

/// The account of a connection.
#[derive(Debug)]
pub(super) struct Account {
    window: Window,
    most_parts: u64,
}

/// The account of a call.
#[derive(Debug)]
pub(super) struct CallAccount(Window);

#[derive(Debug)]
struct Window {
    size: u64,
    left: u64,
    /// What was read and is not granted again yet.
    read: u64,
    /// How much of that is granted together.
    together: u64,
    /// How much is held of messages that are not whole.
    parts: u64,
    /// How much more than the window was granted for their sake.
    lent: u64,
}

impl Window {
    fn new(size: u32, together: u32) -> Self {
        let size = size.into();
        Self { size, left: size, read: 0, together: together.into(), parts: 0, lent: 0 }
    }

    fn arrive(&mut self, bytes: usize, of: &str) -> Result<(), Violation> {
        self.left = self.left.checked_sub(bytes as u64).ok_or_else(|| over(of))?;
        Ok(())
    }

    fn note_read(&mut self, bytes: u64) {
        // What is lent for messages that are still not whole is not paid back: they would never be.
        let back = bytes.min(self.lent.saturating_sub(self.parts));
        self.lent -= back;
        self.read += bytes - back;
    }

    /// What is to be granted now, which mostly is nothing: grants go out for many messages together. Lends
    /// where little is left, since parts of messages could fill the window and none of them become whole.
    fn grant(&mut self) -> u64 {
        if self.left < self.size / 2 {
            let due = self.parts.saturating_sub(self.lent);
            self.lent += due;
            self.read += due;
        }
        if self.read < self.together {
            return 0;
        }
        self.left += self.read;
        std::mem::take(&mut self.read)
    }
}

impl Account {
    pub(super) fn new(window: u32, most_parts: usize) -> Self {
        Self { window: Window::new(window, window / 4), most_parts: most_parts as u64 }
    }

    /// Notes bytes that arrived.
    pub(super) fn arrive(&mut self, bytes: usize) -> Result<(), Violation> {
        self.window.arrive(bytes, "the connection")
    }

    /// Notes bytes that were read, and returns what is to be granted now.
    pub(super) fn read(&mut self, bytes: u64) -> u64 {
        self.note_read(bytes);
        self.window.grant()
    }

    /// The same where nothing can be granted yet: that follows with whatever is read next.
    pub(super) fn note_read(&mut self, bytes: u64) {
        self.window.note_read(bytes);
    }

    /// Notes that a call is over whose last message was not whole, and of which this much was held.
    pub(super) fn release(&mut self, parts: usize) {
        self.window.parts -= parts as u64;
    }
}

impl CallAccount {
    pub(super) fn new(window: u32) -> Self {
        Self(Window::new(window, window / 2))
    }

    /// Notes bytes that arrived.
    pub(super) fn arrive(&mut self, bytes: usize) -> Result<(), Violation> {
        self.0.arrive(bytes, "a call")
    }

    /// Notes that the bytes which have just arrived belong to a message that goes on. Returns what is to be
    /// granted of the call and on the connection.
    pub(super) fn hold(&mut self, part: usize, account: &mut Account) -> Result<(u64, u64)> {
        self.0.parts += part as u64;
        account.window.parts += part as u64;
        if account.window.parts > account.most_parts {
            return Err(Error::resource_exhausted(format!(
                "the large messages that arrive on this connection at the same time exceed {} bytes \
                 (the option `max_buffered` of the side that reads them)",
                account.most_parts
            )));
        }
        Ok((self.0.grant(), account.window.grant()))
    }

    /// Notes that the message is whole, of which this much was held.
    pub(super) fn release(&mut self, parts: usize, account: &mut Account) {
        self.0.parts -= parts as u64;
        account.release(parts);
    }

    /// Notes bytes that were read, and returns what is to be granted of the call and on the connection.
    pub(super) fn read(&mut self, bytes: usize, account: &mut Account) -> (u64, u64) {
        self.0.note_read(bytes as u64);
        (self.0.grant(), account.read(bytes as u64))
    }
}

/// How a connection stands, for tests.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Balance {
    pub(super) calls: usize,
    pub(super) waiting: usize,
    pub(super) may_send: u64,
    pub(super) size: u64,
    pub(super) left: u64,
    pub(super) read: u64,
    pub(super) parts: u64,
    pub(super) lent: u64,
}

#[cfg(test)]
impl Account {
    pub(super) fn balance(&self) -> Balance {
        let Window { size, left, read, parts, lent, .. } = self.window;
        Balance { size, left, read, parts, lent, ..Balance::default() }
    }
}

#[cold]
fn over(what: &str) -> Violation {
    Violation::of_flow(format!("more was sent than the window of {what} had room for"))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const WINDOW: u32 = 1 << 16;

    /// What a connection and its calls hold, and what a sender that does as it is told may send.
    struct Lab {
        account: Account,
        calls: Vec<CallAccount>,
        windows: Vec<u64>,
        window: u64,
    }

    impl Lab {
        fn new(window: u32, most_parts: usize, calls: usize) -> Self {
            Self {
                account: Account::new(window, most_parts),
                calls: (0..calls).map(|_| CallAccount::new(WINDOW)).collect(),
                windows: vec![WINDOW.into(); calls],
                window: window.into(),
            }
        }

        fn fits(&self, call: usize, bytes: usize) -> bool {
            self.windows[call].min(self.window) >= bytes as u64
        }

        /// A piece arrives, which is the whole of a message or its end where `parts` were held before.
        fn arrive(&mut self, call: usize, bytes: usize, more: bool, parts: usize) -> Result<()> {
            assert!(self.fits(call, bytes), "{bytes} do not fit: {:?} {:?}", self.account, self.calls[call]);
            self.account.arrive(bytes).unwrap();
            self.calls[call].arrive(bytes).unwrap();
            self.windows[call] -= bytes as u64;
            self.window -= bytes as u64;
            if more {
                let grants = self.calls[call].hold(bytes, &mut self.account)?;
                self.granted(call, grants);
            } else {
                self.calls[call].release(parts, &mut self.account);
            }
            Ok(())
        }

        fn read(&mut self, call: usize, bytes: usize) {
            let grants = self.calls[call].read(bytes, &mut self.account);
            self.granted(call, grants);
        }

        fn granted(&mut self, call: usize, (of_call, of_all): (u64, u64)) {
            self.windows[call] += of_call;
            self.window += of_all;
            assert_eq!(
                (self.windows[call], self.window),
                (self.calls[call].0.left, self.account.window.left)
            );
        }
    }

    const PIECE: usize = WINDOW as usize / 4;

    proptest! {
        /// Whatever calls send at the same time, and in which order it is read: once all that is whole is
        /// read, the next piece of each of them fits.
        #[test]
        fn whatever_is_sent_gets_through_and_everything_is_granted_again(
            steps in vec((0..5_usize, 1..=PIECE, any::<bool>(), any::<bool>()), 1..300),
            times in 1..5_u32,
        ) {
            let mut lab = Lab::new(times * WINDOW, 1 << 30, 5);
            let (mut parts, mut whole) = ([0; 5], [0; 5]);
            for (call, bytes, more, read) in steps {
                if !lab.fits(call, bytes) {
                    for (call, whole) in whole.iter_mut().enumerate() {
                        lab.read(call, std::mem::take(whole));
                    }
                }
                lab.arrive(call, bytes, more, parts[call]).unwrap();
                parts[call] += bytes;
                if !more {
                    whole[call] += std::mem::take(&mut parts[call]);
                }
                if read {
                    lab.read(call, std::mem::take(&mut whole[call]));
                }
            }
            for call in 0..5 {
                lab.account.release(parts[call]);
                let grant = lab.account.read((parts[call] + whole[call]) as u64);
                lab.window += grant;
            }
            prop_assert_eq!(lab.account.window.lent, 0);
            prop_assert_eq!(lab.account.window.left + lab.account.window.read, u64::from(times * WINDOW));
        }
    }

    #[test]
    fn who_sends_more_than_was_granted_breaks_the_rules() {
        let mut account = Account::new(WINDOW, 0);
        account.arrive(WINDOW as usize).unwrap();
        assert!(account.arrive(1).unwrap_err().text.contains("the connection"));
        assert!(CallAccount::new(WINDOW).arrive(WINDOW as usize + 1).is_err());
    }

    #[test]
    fn messages_that_go_on_do_not_use_up_the_connection_together() {
        let mut lab = Lab::new(4 * WINDOW, 64 << 20, 40);
        for call in 0..40 {
            lab.arrive(call, 30_000, true, 0).unwrap();
            assert!(lab.window >= u64::from(WINDOW), "no piece fits any more");
        }
        for call in 0..40 {
            lab.calls[call].release(30_000, &mut lab.account);
            lab.read(call, 30_000);
        }
        assert_eq!(
            (lab.account.window.lent, lab.account.window.left + lab.account.window.read),
            (0, 4 * u64::from(WINDOW))
        );
    }

    #[test]
    fn whole_messages_that_nobody_reads_hold_no_more_than_the_window_of_their_call() {
        let mut lab = Lab::new(64 * WINDOW, 64 << 20, 1);
        let mut held = 0;
        // Of half a window each, and a little, in two pieces.
        while lab.fits(0, PIECE) {
            lab.arrive(0, PIECE, true, 0).unwrap();
            lab.arrive(0, PIECE, false, PIECE).unwrap();
            held += 2 * PIECE;
        }
        assert!(held <= 2 * WINDOW as usize, "{held} bytes");
    }

    #[test]
    fn what_is_held_of_messages_that_are_not_whole_is_bounded() {
        let mut lab = Lab::new(WINDOW, WINDOW as usize, 3);
        assert!(lab.arrive(0, 40_000, true, 0).is_ok());
        let error = lab.arrive(1, 40_000, true, 0).unwrap_err();
        assert!(error.message().contains("`max_buffered`"), "{error}");
    }
}
