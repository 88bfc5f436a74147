//! What a person sees: server-rendered pages that need no script.

mod landing;
mod layout;
mod sign_in;

pub(crate) use self::{
    landing::landing,
    layout::{STYLE, refusal, signed_out},
    sign_in::{Purpose, SignInPage, choose_organization},
};
