//! What operators ask for. A command has a folder with its arguments in `command.rs`; that of
//! reconcile, which also runs by itself, is `reconcile_command.rs`.

pub mod audit;
pub mod booking_show;
pub mod command_line;
pub mod dead_letters;
pub mod doctor;
pub mod reconcile_command;
mod words;
