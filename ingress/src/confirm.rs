//! What a confirm answers with: the row that is there, or the row that comes.

pub mod answer;
pub mod checkout_view;
pub mod reads;
pub mod waiters;
