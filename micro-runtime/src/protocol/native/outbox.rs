use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf as _, Bytes, BytesMut};

/// Bytes of this length and longer are written from where they are; shorter ones are copied to the others.
const WORTH_A_SLICE: usize = 8 * 1024;

/// What an empty buffer keeps of its room.
const KEPT: usize = 256 * 1024;

/// How many pieces one system call writes.
pub(super) const SLICES: usize = 32;

/// What is to be written: frames of all calls, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// What is written before the tail.
    chunks: VecDeque<Bytes>,
    chunks_length: usize,
    /// Where frames are appended.
    pub(super) tail: BytesMut,
    /// How much of the tail is written.
    written: usize,
}

impl Outbox {
    /// In bytes.
    pub(super) fn len(&self) -> usize {
        self.chunks_length + self.tail.len() - self.written
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends bytes, without a copy where they are many.
    pub(super) fn push(&mut self, bytes: &Bytes) {
        if bytes.len() < WORTH_A_SLICE {
            self.tail.extend_from_slice(bytes);
            return;
        }
        debug_assert_eq!(self.written, 0, "nothing is appended to what is being written");
        if !self.tail.is_empty() {
            let tail = self.tail.split().freeze();
            self.chunks_length += tail.len();
            self.chunks.push_back(tail);
        }
        self.chunks_length += bytes.len();
        self.chunks.push_back(bytes.clone());
    }

    /// What is written next.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let tail = &self.tail[self.written..];
        let parts = self.chunks.iter().map(|chunk| &chunk[..]).chain((!tail.is_empty()).then_some(tail));
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        count
    }

    /// Takes away what was written.
    pub(super) fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.chunks.front_mut() {
            if written < first.len() {
                first.advance(written);
                self.chunks_length -= written;
                return;
            }
            written -= first.len();
            self.chunks_length -= first.len();
            self.chunks.pop_front();
        }
        self.written += written;
        if self.written == self.tail.len() {
            self.written = 0;
            self.tail.clear();
            if self.tail.capacity() > KEPT {
                self.tail = BytesMut::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_appended_is_written_in_that_order(
            parts in vec(prop_oneof![0..100_usize, WORTH_A_SLICE - 2..WORTH_A_SLICE * 2], 0..50),
            steps in vec(1..30_000_usize, 1..10),
        ) {
            let mut outbox = Outbox::default();
            let mut due = Vec::new();
            for (index, length) in parts.into_iter().enumerate() {
                let part = vec![index as u8; length];
                due.extend_from_slice(&part);
                outbox.push(&part.into());
            }
            prop_assert_eq!(outbox.len(), due.len());
            let mut written = Vec::new();
            for step in steps.iter().cycle() {
                if outbox.is_empty() {
                    break;
                }
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = outbox.slices(&mut slices);
                let all: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                let taken = &all[..(*step).min(all.len())];
                written.extend_from_slice(taken);
                outbox.advance(taken.len());
            }
            prop_assert!(written == due);
        }
    }
}
