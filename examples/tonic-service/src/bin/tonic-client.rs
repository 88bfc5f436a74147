//! `tonic-client URL TOKEN`: asks the service who the token's user is, and counts down to the token's expiry.

#![forbid(unsafe_code)]

use std::{env, error::Error};

use tonic::{Request, metadata::MetadataValue, transport::Endpoint};
use tonic_service::proto::{CountdownRequest, WhoAmIRequest, account_client::AccountClient};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let [url, token] = env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: tonic-client URL TOKEN")?;
    let authorization: MetadataValue<_> = format!("Bearer {token}").parse()?;
    let bring = |mut request: Request<()>| {
        request.metadata_mut().insert("authorization", authorization.clone());
        Ok(request)
    };
    let mut account =
        AccountClient::with_interceptor(Endpoint::from_shared(url)?.connect().await?, bring);

    println!("{:?}", account.who_am_i(WhoAmIRequest {}).await?.into_inner());
    let mut ticks = account.countdown(CountdownRequest {}).await?.into_inner();
    while let Some(tick) = ticks.message().await? {
        println!("{} s", tick.seconds_left);
    }
    Ok(())
}
