//! The pages for people: rendered by the server, without scripts.

mod landing;
mod layout;
mod sign_in;

pub(crate) use self::{
    landing::landing,
    layout::{STYLE, refusal, signed_out},
    sign_in::{Purpose, SignInPage, choose_organization},
};
