//! What operators ask for: each command in a folder of its own, its arguments in `command.rs`.

pub mod audit;
pub mod booking_show;
pub mod command_line;
pub mod dead_letters;
pub mod doctor;
pub mod reconcile_command;
pub mod words;
