//! How much the other side may send: the windows of a connection and of each call.
//!
//! What arrives is taken off a window; once it is read, as much more is granted. A message that is
//! larger than the window of its call is granted the rest of itself while it arrives, so that any size
//! gets through: that is lent, and paid back when the message is read. All that is lent on a connection
//! together is bounded.

use super::violation::Violation;
use crate::error::{Error, Result};

/// The account of a connection.
#[derive(Debug)]
pub(super) struct Account {
    size: u64,
    left: u64,
    /// What was read and is not granted again yet.
    read: u64,
    /// What is lent to messages that are larger than their windows.
    lent: u64,
    max_lent: u64,
    /// What calls that are over have not paid back, and is held back from what is granted.
    owed: u64,
}

/// The account of a call.
#[derive(Debug)]
pub(super) struct CallAccount {
    size: u64,
    left: u64,
    read: u64,
    /// What is lent of the window of the call.
    lent: u64,
    /// What is lent of the window of the connection, which is that or more.
    lent_of_all: u64,
}

impl Account {
    pub(super) fn new(window: u32, max_lent: usize) -> Self {
        Self {
            size: window.into(),
            left: window.into(),
            read: 0,
            lent: 0,
            max_lent: max_lent as u64,
            owed: 0,
        }
    }

    /// Notes bytes that arrived.
    pub(super) fn arrive(&mut self, bytes: usize) -> Result<(), Violation> {
        self.left = self.left.checked_sub(bytes as u64).ok_or_else(|| over("the connection"))?;
        Ok(())
    }

    /// Notes bytes that were read, and returns what is to be granted now, which mostly is nothing:
    /// grants go out for many messages together.
    pub(super) fn read(&mut self, bytes: u64) -> u64 {
        let paid = bytes.min(self.owed);
        self.owed -= paid;
        self.read += bytes - paid;
        if self.read < self.size / 4 {
            return 0;
        }
        self.left += self.read;
        std::mem::take(&mut self.read)
    }
}

impl CallAccount {
    pub(super) fn new(window: u32) -> Self {
        Self { size: window.into(), left: window.into(), read: 0, lent: 0, lent_of_all: 0 }
    }

    /// Notes bytes that arrived.
    pub(super) fn arrive(&mut self, bytes: usize) -> Result<(), Violation> {
        self.left = self.left.checked_sub(bytes as u64).ok_or_else(|| over("a call"))?;
        Ok(())
    }

    /// Lends the call the rest of a message that goes on, of which this much has just arrived, where less
    /// than half of its window is left, or of the connection's: many calls could fill that with messages
    /// of which none is whole. Returns what is to be granted of the call and on the connection.
    pub(super) fn lend(&mut self, arrived: usize, account: &mut Account) -> Result<(u64, u64)> {
        let of_call = if self.left < self.size / 2 { self.size / 2 } else { 0 };
        let amount = if account.left < account.size / 2 { of_call.max(arrived as u64) } else { of_call };
        if amount == 0 {
            return Ok((0, 0));
        }
        if account.lent + amount > account.max_lent {
            return Err(Error::resource_exhausted(format!(
                "the large messages that arrive on this connection at the same time exceed {} bytes \
                 (the option `max_buffered` of the side that reads them)",
                account.max_lent
            )));
        }
        account.lent += amount;
        self.lent_of_all += amount;
        self.lent += of_call;
        self.left += of_call;
        Ok((of_call, account.read(amount)))
    }

    /// Notes bytes that were read, and returns what is to be granted of the call and on the connection.
    pub(super) fn read(&mut self, bytes: usize, account: &mut Account) -> (u64, u64) {
        let bytes = bytes as u64;
        let back = bytes.min(self.lent_of_all);
        self.lent_of_all -= back;
        account.lent -= back;
        let connection = account.read(bytes - back);
        let back = bytes.min(self.lent);
        self.lent -= back;
        self.read += bytes - back;
        if self.read < self.size / 2 {
            return (0, connection);
        }
        self.left += self.read;
        (std::mem::take(&mut self.read), connection)
    }

    /// Gives everything back on the connection that the call holds: `held` are the bytes that nobody will
    /// read. Returns what is to be granted on the connection.
    pub(super) fn close(&mut self, held: usize, account: &mut Account) -> u64 {
        let back = std::mem::take(&mut self.lent_of_all);
        account.lent -= back;
        account.owed += back;
        account.read(held as u64)
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
    pub(super) lent: u64,
    pub(super) owed: u64,
}

#[cfg(test)]
impl Account {
    pub(super) fn balance(&self) -> Balance {
        let Self { size, left, read, lent, owed, .. } = *self;
        Balance { size, left, read, lent, owed, ..Balance::default() }
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

    proptest! {
        /// A sender that does as it is told gets any message through, and what it may send at any time
        /// is bounded.
        #[test]
        fn whatever_is_sent_gets_through_and_everything_is_granted_again(
            messages in vec(1..300_000_usize, 1..40),
            piece in 1000..32_000_usize,
        ) {
            let mut account = Account::new(4 * WINDOW, 1 << 20);
            let mut call = CallAccount::new(WINDOW);
            let (mut window, mut connection) = (u64::from(WINDOW), 4 * u64::from(WINDOW));
            for message in messages {
                let mut left = message;
                while left > 0 {
                    let now = left.min(piece);
                    prop_assert!(window >= now as u64 && connection >= now as u64);
                    window -= now as u64;
                    connection -= now as u64;
                    account.arrive(now).unwrap();
                    call.arrive(now).unwrap();
                    left -= now;
                    if left > 0 {
                        let (of_call, of_all) = call.lend(now, &mut account).unwrap();
                        window += of_call;
                        connection += of_all;
                    }
                }
                prop_assert!(window <= u64::from(WINDOW));
                let (of_call, of_all) = call.read(message, &mut account);
                window += of_call;
                connection += of_all;
                prop_assert_eq!((window, connection), (call.left, account.left));
            }
            let _ = call.close(0, &mut account);
            prop_assert_eq!(account.lent, 0);
            prop_assert_eq!(account.left + account.read, 4 * u64::from(WINDOW) + account.owed);
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
        let mut account = Account::new(4 * WINDOW, 64 << 20);
        let mut calls: Vec<_> = (0..40).map(|_| CallAccount::new(WINDOW)).collect();
        for call in &mut calls {
            account.arrive(30_000).unwrap();
            call.arrive(30_000).unwrap();
            call.lend(30_000, &mut account).unwrap();
            assert!(account.left >= u64::from(WINDOW), "no piece fits any more");
        }
        for call in &mut calls {
            let _ = call.read(30_000, &mut account);
        }
        assert_eq!((account.lent, account.left + account.read), (0, 4 * u64::from(WINDOW)));
    }

    #[test]
    fn what_is_lent_is_bounded() {
        let mut account = Account::new(4 * WINDOW, WINDOW as usize);
        let mut calls = [CallAccount::new(WINDOW), CallAccount::new(WINDOW), CallAccount::new(WINDOW)];
        let mut lend = |call: &mut CallAccount| {
            call.arrive(40_000).unwrap();
            call.lend(40_000, &mut account).map(|_| ())
        };
        assert!(lend(&mut calls[0]).is_ok() && lend(&mut calls[1]).is_ok());
        let error = lend(&mut calls[2]).unwrap_err();
        assert!(error.message().contains("`max_buffered`"), "{error}");
    }
}
