//! An application that shows its operator what happens to sessions: spans for OpenTelemetry, metrics for Prometheus, and an
//! access log that leads from a user to the log lines of the session.

#![forbid(unsafe_code)]

use std::time::Duration;

use authkit_tower::{
    Admitted, AuthKit, AuthKitLayer, Denial, Endpoints, Session,
    metrics::{REFRESH_DURATION, UPSTREAM_CALL_DURATION},
};
use axum::{Router, extract::Request, response::Response, routing::get};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter};
use tower_http::trace::TraceLayer;
use tracing::{Span, Subscriber, field::Empty, info_span};
use tracing_subscriber::{Layer, registry::LookupSpan};

/// Makes the application.
pub fn app(authkit: &AuthKit, metrics: PrometheusHandle) -> Router {
    let protected = Router::new()
        .route("/dashboard", get(async |session: Session| format!("You are {}", session.user().id)))
        .route_layer(AuthKitLayer::new(authkit));
    let keys = authkit.clone();
    let traced = TraceLayer::new_for_http().make_span_with(request_span).on_response(
        move |response: &Response, _: Duration, span: &Span| {
            record_response(&keys, response, span);
        },
    );
    Router::new()
        .route("/", get("Welcome"))
        .merge(protected)
        .merge(Endpoints::new(authkit))
        .layer(traced)
        // A public application serves this on another port, since metrics reveal how many users there are.
        .route("/metrics", get(async move || metrics.render()))
}

/// Makes the span of a request, with the path of its URL but not the query: the callback's query holds a code and a state
/// that sign a user in. `TraceLayer`'s default span shows them.
pub fn request_span(request: &Request) -> Span {
    info_span!(
        "request",
        otel.kind = "server",
        http.request.method = %request.method(),
        url.path = request.uri().path(),
        http.response.status_code = Empty,
        user = Empty,
        session = Empty,
        denied = Empty,
        reason = Empty,
    )
}

/// Records the status of the response in the span, and the log ids of user and session, which log lines have too.
fn record_response(authkit: &AuthKit, response: &Response, span: &Span) {
    span.record("http.response.status_code", response.status().as_u16());
    if let Some(admitted) = response.extensions().get::<Admitted>() {
        if let Some(user) = admitted.user_id() {
            span.record("user", authkit.log_id(user));
        }
        if let Some(session) = admitted.session_id() {
            span.record("session", authkit.log_id(session));
        }
    }
    if let Some(denial) = response.extensions().get::<Denial>() {
        span.record("denied", format!("{:?}", denial.kind()));
        if let Some(reason) = denial.reason() {
            span.record("reason", reason.as_str());
        }
    }
}

/// Makes the recorder of metrics, which has to be installed before the first request. Its handle renders the metrics.
///
/// # Errors
///
/// Never, since the list of buckets is not empty.
pub fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let seconds = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0];
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(REFRESH_DURATION.to_owned()), seconds)?
        .set_buckets_for_metric(Matcher::Full(UPSTREAM_CALL_DURATION.to_owned()), seconds)?;
    Ok(builder.build_recorder())
}

/// Makes the provider that sends each span to `exporter` when it ends. For OTLP, use a batch exporter.
pub fn tracer_provider(exporter: impl SpanExporter + 'static) -> SdkTracerProvider {
    SdkTracerProvider::builder().with_simple_exporter(exporter).build()
}

/// Makes the layer that turns spans of `tracing` into OpenTelemetry's.
pub fn telemetry<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer().with_tracer(provider.tracer("observed-app"))
}
