//! The spans that an exporter gets, and the metrics that Prometheus reads.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use authkit_emulator::SignIn;
use authkit_tower::dev::TestKit;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, Response, StatusCode, header},
};
use observed_app::{app, recorder, telemetry, tracer_provider};
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};
use reqwest::{Client, redirect};
use tower::ServiceExt;
use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt, registry};

async fn send(app: &Router, kit: &TestKit, path: &str, cookies: &str) -> Response<Body> {
    let mut request: Request<String> = kit.browser_request(path);
    request.headers_mut().insert(header::COOKIE, cookies.parse().unwrap());
    app.clone().oneshot(request.map(Body::from)).await.unwrap()
}

fn location(headers: &HeaderMap) -> &str {
    headers[header::LOCATION].to_str().unwrap()
}

/// `name=value` of every cookie that a response sets.
fn cookies(response: &Response<Body>) -> String {
    let cookies = response.headers().get_all(header::SET_COOKIE).iter();
    let pairs = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
    let kept =
        pairs.filter(|pair| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty()));
    kept.collect::<Vec<_>>().join("; ")
}

/// Signs a user in with the emulator. Returns the address of the callback, and the session cookie.
async fn sign_in(app: &Router, kit: &TestKit) -> (String, String) {
    let login = send(app, kit, "/login?return_to=%2Fdashboard", "").await;
    let client = Client::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap();
    let at_workos = client.get(location(login.headers())).send().await.unwrap();
    let callback = location(at_workos.headers()).strip_prefix(TestKit::ORIGIN).unwrap().to_owned();
    let signed_in = send(app, kit, &callback, &cookies(&login)).await;
    assert_eq!(signed_in.status(), StatusCode::SEE_OTHER);
    let session = cookies(&signed_in);
    (callback, session.split("; ").find(|it| it.starts_with("wos_session=")).unwrap().to_owned())
}

/// The attributes of a span that are ours, not the bridge's.
fn fields(span: &SpanData) -> BTreeMap<String, String> {
    let bridge = ["busy_ns", "idle_ns", "target", "level"];
    span.attributes
        .iter()
        .map(|field| (field.key.as_str().to_owned(), field.value.to_string()))
        .filter(|(key, _)| !bridge.contains(&&**key))
        .filter(|(key, _)| !key.starts_with("code.") && !key.starts_with("thread."))
        .collect()
}

/// The table of `docs/tracing.md`: the fields of each span.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let rows = include_str!("../../../docs/tracing.md").lines();
    let rows = rows.filter(|line| line.starts_with("| `authkit."));
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').collect();
        (cells[1].trim().trim_matches('`').to_owned(), words(cells[2]))
    })
    .collect()
}

#[tokio::test]
async fn an_operator_sees_what_becomes_of_sessions() {
    let exporter = InMemorySpanExporter::default();
    let provider = tracer_provider(exporter.clone());
    let subscriber = registry().with(LevelFilter::INFO).with(telemetry(&provider));
    let _subscriber = tracing::subscriber::set_default(subscriber);
    let recorder = recorder().unwrap();
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let kit =
        TestKit::start_with(|emulator| emulator.sign_in(SignIn::Automatic), |config| config).await;
    let app = app(kit.authkit(), recorder.handle());

    let (callback, session) = sign_in(&app, &kit).await;
    assert_eq!(send(&app, &kit, "/dashboard", &session).await.status(), StatusCode::OK);
    kit.advance(Duration::from_secs(3_600));
    let page = send(&app, &kit, "/dashboard", &session).await;
    assert_eq!(page.status(), StatusCode::OK);
    let page = to_bytes(page.into_body(), 1_000).await.unwrap();
    let user = std::str::from_utf8(&page).unwrap().strip_prefix("You are ").unwrap();
    send(&app, &kit, "/dashboard", "wos_session=garbage").await;
    assert!(kit.authkit().drain(Duration::from_secs(5)).await);

    let spans = exporter.get_finished_spans().unwrap();
    let named = |name: &'static str| spans.iter().filter(move |span| span.name == name);
    let ours = documented();
    assert_eq!(ours.len(), 5);
    for (name, fields_of_it) in &ours {
        let seen: BTreeSet<_> = spans
            .iter()
            .filter(|span| span.name == *name)
            .flat_map(|span| fields(span).into_keys())
            .collect();
        assert_eq!(seen, *fields_of_it, "{name}");
    }
    let undocumented = spans.iter().filter(|span| span.name.starts_with("authkit."));
    let undocumented = undocumented.filter(|span| !ours.contains_key(&*span.name));
    assert_eq!(undocumented.count(), 0);

    // The callback is a part of its request, and the call of the callback.
    let parent = |span: &SpanData| {
        spans.iter().find(|it| it.span_context.span_id() == span.parent_span_id).cloned()
    };
    let signed_in = named("authkit.callback").next().unwrap();
    assert_eq!(parent(signed_in).unwrap().name, "request");
    let call = named("authkit.upstream").find(|span| fields(span)["purpose"] == "sign_in").unwrap();
    assert_eq!(parent(call).unwrap().name, "authkit.callback");
    assert_eq!(call.span_kind, SpanKind::Client);

    // A refresh is a trace of its own, linked to the request that waited for it.
    let refresh = named("authkit.refresh").next().unwrap();
    let wait = named("authkit.wait").find(|it| fields(it)["outcome"] == "admitted").unwrap();
    assert_eq!(parent(wait).unwrap().name, "request");
    let links: Vec<_> = refresh.links.iter().map(|it| it.span_context.span_id()).collect();
    assert_eq!(links, [wait.span_context.span_id()]);
    let call = named("authkit.upstream").find(|span| fields(span)["purpose"] == "refresh").unwrap();
    assert_eq!(parent(call).unwrap().name, "authkit.refresh");
    assert_eq!(fields(refresh)["outcome"], "refreshed");

    // From the user to what concerns the user, by the log id.
    let user = kit.authkit().log_id(user);
    for span in [signed_in, refresh] {
        assert_eq!(fields(span)["user"], user, "{}", span.name);
    }
    let requests = named("request").filter(|span| fields(span).get("user") == Some(&user));
    assert_eq!(requests.count(), 2, "two pages");
    let refused = named("request").filter_map(|span| fields(span).get("reason").cloned());
    assert_eq!(refused.collect::<Vec<_>>(), ["unreadable_cookie"]);

    // Nothing that lets anybody in is in a span.
    let text = format!("{spans:?}");
    let (_, query) = callback.split_once('?').unwrap();
    let credentials = query.split('&').map(|pair| pair.split_once('=').unwrap().1);
    for secret in credentials.chain([session.split_once('=').unwrap().1]) {
        assert!(!text.contains(secret), "{secret}");
    }

    let metrics = send(&app, &kit, "/metrics", "").await;
    let metrics = to_bytes(metrics.into_body(), 1_000_000).await.unwrap();
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    for series in [
        r#"authkit_sign_ins_total{outcome="signed_in"} 1"#,
        r#"authkit_refreshes_total{outcome="refreshed"} 1"#,
        r#"authkit_decisions_total{credential="cookie",decision="challenge",reason="unreadable_cookie"} 1"#,
        r#"authkit_refresh_duration_seconds_bucket{le="25"} 1"#,
        "# TYPE authkit_key_set_fetched_timestamp_seconds gauge",
    ] {
        assert!(metrics.lines().any(|line| line == series), "no {series} in\n{metrics}");
    }
}
