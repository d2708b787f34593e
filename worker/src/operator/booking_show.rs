//! `worker booking show`: the story of one checkout, for support.

mod others;
mod print;
mod story;
mod told;
mod view;

pub use self::{
    story::{Story, story},
    view::StoryView,
};
