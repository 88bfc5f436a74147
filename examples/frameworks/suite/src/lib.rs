//! The tests that the application of every framework has to pass.
//!
//! Each example has the same routes, and [`behaviour!`] makes its tests:
//!
//! | route | for |
//! |---|---|
//! | `GET /` | everybody |
//! | `GET /dashboard` | signed-in users: `Hello NAME` |
//! | `GET /admin` | users with the role `admin`: `The books` |
//! | `POST /echo` | signed-in users: the body of the request |
//! | `GET /teapot` | signed-in users: an error of the framework with status 418 |
//! | `/login`, `/callback`, `/logout` | everybody |

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod behaviour;
mod browser;
mod program;
mod site;

pub use crate::{
    behaviour::{
        a_body_survives_a_refresh, a_denied_upload_gets_its_answer,
        a_guard_asks_for_more_than_a_session, a_user_signs_in_and_out,
        an_error_of_the_framework_keeps_the_refreshed_session, nobody_is_let_in,
    },
    browser::Browser,
    program::the_program_serves_until_it_is_interrupted,
    site::{Exchange, Exchanging, Site},
};

/// Makes the tests of an application: `$site` is an async function without arguments that starts it, as a [`Site`].
#[macro_export]
macro_rules! behaviour {
    ($site:path) => {
        $crate::behaviour! { $site:
            nobody_is_let_in
            a_user_signs_in_and_out
            a_body_survives_a_refresh
            a_denied_upload_gets_its_answer
            a_guard_asks_for_more_than_a_session
            an_error_of_the_framework_keeps_the_refreshed_session
        }
    };
    ($site:path: $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::$name(&$site().await).await;
            }
        )*
    };
}
