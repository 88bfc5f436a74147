//! The default transport with servers and proxies on loopback. Tests that depend on environment variables run in a child
//! process, so that no other test sees the variables.

use std::{
    env, fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::{Barrier, mpsc},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

use super::*;
use crate::{
    Authenticator, Config, CookiePassword,
    testing::{in_child, is_child},
};

/// Whether a request is answered, by the numbers of its connection and of the request on it. If not, the server reads the
/// request and keeps the connection open.
type Answers = fn(usize, usize) -> bool;

/// An HTTP/1.1 server that answers 200, and counts its connections.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    tls: Option<Tls>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Tls {
    acceptor: TlsAcceptor,
    certificate: CertificateDer<'static>,
}

impl Tls {
    /// Offers HTTP/2 first, as WorkOS does.
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let chain = vec![made.cert.der().clone()];
        let mut config = ServerConfig::builder_with_provider(crypto::tls_provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate: made.cert.der().clone() }
    }
}

impl Server {
    /// Starts a server that gives its first answers once `at_once` connections have sent a request.
    async fn start(answers: Answers, at_once: usize, tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, requests) = (Arc::<AtomicUsize>::default(), Arc::default());
        let barrier = Arc::new(Barrier::new(at_once));
        let (opened, asked, acceptor) =
            (Arc::clone(&connections), Arc::clone(&requests), tls.clone().map(|tls| tls.acceptor));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let connection = opened.fetch_add(1, Ordering::SeqCst);
                let barrier = (connection < at_once).then(|| Arc::clone(&barrier));
                let (acceptor, asked) = (acceptor.clone(), Arc::clone(&asked));
                tokio::spawn(async move {
                    let answers = |request| answers(connection, request);
                    let Some(acceptor) = acceptor else {
                        return serve(stream, answers, barrier, &asked).await;
                    };
                    let stream = acceptor.accept(stream).await.unwrap();
                    let protocol = stream.get_ref().1.alpn_protocol();
                    assert_eq!(protocol, Some(&b"http/1.1"[..]), "HTTP/2 shares connections");
                    serve(stream, answers, barrier, &asked).await;
                });
            }
        });
        Self { port, connections, requests, tls, task }
    }

    fn base(&self) -> Url {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Url::parse(&format!("{scheme}://localhost:{}", self.port)).unwrap()
    }

    fn transport(&self) -> Https {
        transport(&self.base(), self.tls.iter().map(|tls| tls.certificate.clone()))
    }

    fn request(&self) -> Request<Bytes> {
        Request::get(self.base().as_str()).body(Bytes::new()).unwrap()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The transport for `base` that trusts these certificates.
fn transport(base: &Url, certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Https {
    let mut roots = RootCertStore::empty();
    certificates.into_iter().for_each(|certificate| roots.add(certificate).unwrap());
    let tls = tls(|tls| Ok(tls.with_root_certificates(roots))).unwrap();
    Https::of(|| builder(base).tls_backend_preconfigured(tls.clone())).unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: impl Fn(usize) -> bool,
    mut barrier: Option<Arc<Barrier>>,
    asked: &AtomicUsize,
) {
    for request in 0.. {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        asked.fetch_add(1, Ordering::SeqCst);
        if let Some(barrier) = barrier.take() {
            barrier.wait().await;
        }
        if answers(request) {
            // The client may have closed the connection.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_millis(200);

/// Connections are used again after a success.
#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    for tls in [None, Some(Tls::new())] {
        let server = Server::start(|_, _| true, 1, tls).await;
        let https = server.transport();
        for _ in 0..3 {
            let answer = https.send(server.request(), PATIENCE).await.unwrap();
            assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"{}"[..]));
        }
        assert_eq!(server.connections(), 1);
    }
}

/// With reqwest's `http2` on, as these tests are built, and with TLS, where it would be negotiated.
#[tokio::test]
async fn b6_a_connection_that_timed_out_is_not_used_again() {
    for tls in [None, Some(Tls::new())] {
        let server =
            Server::start(|connection, request| connection > 0 || request == 0, 1, tls).await;
        let https = server.transport();
        https.send(server.request(), PATIENCE).await.unwrap();

        let swallowed = https.send(server.request(), SOON).await;
        assert_eq!(swallowed.unwrap_err(), TransportError::TimedOut);
        assert_eq!(server.connections(), 1, "the pooled connection was asked");

        https.send(server.request(), PATIENCE).await.unwrap();
        assert_eq!(server.connections(), 2);
    }
}

/// A fault that silences one connection usually silences the idle ones too.
#[tokio::test]
async fn b6_nor_is_one_that_was_idle_beside_it() {
    let server = Server::start(|connection, request| connection > 2 || request == 0, 3, None).await;
    let https = server.transport();
    let send = || https.send(server.request(), PATIENCE);
    let (first, second, third) = tokio::join!(send(), send(), send());
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!(server.connections(), 3);

    assert_eq!(https.send(server.request(), SOON).await.unwrap_err(), TransportError::TimedOut);
    https.send(server.request(), PATIENCE).await.unwrap();
    assert_eq!(server.connections(), 4);
}

#[tokio::test]
async fn b5_an_attempt_on_a_new_connection_is_answered_while_the_first_is_out() {
    let server = Server::start(|connection, _| connection > 0, 1, None).await;
    let https = server.transport();
    let mut first = https.send(server.request(), PATIENCE);
    let second = async {
        while server.requests.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        https.send_on_new_connection(server.request(), PATIENCE).await
    };
    let answer = tokio::select! {
        _ = &mut first => panic!("nobody answers the first"),
        answer = second => answer,
    };
    assert_eq!(answer.unwrap().status(), 200);
    assert_eq!(server.connections(), 2);
}

/// Also if a connection is idle: it may be as dead as the one that the first attempt used.
#[tokio::test]
async fn b5_a_new_connection_is_new() {
    let server = Server::start(|connection, request| connection > 0 || request == 0, 1, None).await;
    let https = server.transport();
    https.send(server.request(), PATIENCE).await.unwrap();
    https.send_on_new_connection(server.request(), PATIENCE).await.unwrap();
    assert_eq!(server.connections(), 2);
    https.send(server.request(), PATIENCE).await.unwrap();
    assert_eq!(server.connections(), 3, "the idle one is not asked after that");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e8_calls_to_loopback_are_never_proxied_and_others_are() {
    const PORT: &str = "AUTHKIT_TEST_PORT";
    if is_child() {
        let port = env::var(PORT).unwrap();
        for host in ["127.0.0.1", "localhost", "app.localhost"] {
            let base = Url::parse(&format!("http://{host}:{port}")).unwrap();
            let request = Request::get(base.as_str()).body(Bytes::new()).unwrap();
            let https = Https::new(&base).unwrap();
            assert!(https.send(request.clone(), PATIENCE).await.is_ok(), "{host}");
            assert!(https.send_on_new_connection(request, PATIENCE).await.is_ok(), "{host}");
        }
        let base = Url::parse("https://api.workos.test").unwrap();
        let request = Request::get(base.as_str()).body(Bytes::new()).unwrap();
        let https = transport(&base, []);
        assert!(https.send(request, PATIENCE).await.is_err(), "the proxy hangs up");
        return;
    }

    let server = Server::start(|_, _| true, 1, None).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let (recorder, mut recorded) = mpsc::unbounded_channel();
    let proxying = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 1024];
            let length = stream.read(&mut head).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            recorder.send(head.lines().next().unwrap_or_default().to_owned()).unwrap();
        }
    });

    let port = server.port.to_string();
    let mut variables = vec![(PORT, port.as_str())];
    let names =
        ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    variables.extend(names.map(|name| (name, proxy.as_str())));
    tokio::task::block_in_place(|| {
        in_child(
            module_path!(),
            "e8_calls_to_loopback_are_never_proxied_and_others_are",
            &variables,
        );
    });

    assert_eq!(server.requests.load(Ordering::SeqCst), 6);
    assert_eq!(recorded.recv().await.as_deref(), Some("CONNECT api.workos.test:443 HTTP/1.1"));
    assert!(recorded.try_recv().is_err(), "nothing else went there");
    proxying.abort();
}

#[test]
fn e9_without_certificates_only_https_is_refused_and_what_to_install_is_said() {
    const FOUND: &str = "AUTHKIT_TEST_FOUND";
    if is_child() {
        let password = CookiePassword::new("v0RAnCHm6QTHGrCBBeqiJxWURBoavNMLO0ZUTmNlX8g=").unwrap();
        let config = Config::new("client_1", "sk_1", "http://localhost:3000/callback", password);
        let loopback = config.clone().with_base_url("http://127.0.0.1:4100");
        assert!(Authenticator::new(loopback).is_ok());

        let error = Authenticator::new(config).unwrap_err();
        let [ConfigProblem::NoCertificates(finding)] = error.problems() else { panic!("{error}") };
        assert_eq!(finding.found(), env::var(FOUND).unwrap());
        for hint in ["`ca-certificates`", "SSL_CERT_FILE"] {
            assert!(finding.wants().contains(hint), "{error}");
        }
        assert!(!error.to_string().contains("WORKOS_"), "{error}");
        return;
    }

    let folder = env::temp_dir().join(format!("authkit-no-certificates-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let empty = folder.to_str().unwrap();
    let missing = format!("{empty}/missing.pem");
    let no_file = format!("is `{missing}`, where no CA certificates can be read");
    let nothing = "is not set, and the system has no CA certificates";
    let cases =
        [("SSL_CERT_FILE", missing.as_str(), no_file.as_str()), ("SSL_CERT_DIR", empty, nothing)];
    for (variable, value, found) in cases {
        in_child(
            module_path!(),
            "e9_without_certificates_only_https_is_refused_and_what_to_install_is_said",
            &[(variable, value), (FOUND, found)],
        );
    }
    fs::remove_dir_all(&folder).unwrap();
}

/// One that has no pool of connections.
#[derive(Debug, Default)]
struct Plain(AtomicUsize);

impl Transport for Plain {
    fn send(&self, _: Request<Bytes>, _: Duration) -> Sending<'_> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(Err(TransportError::NotSent)))
    }
}

#[tokio::test]
async fn a_transport_without_a_pool_sends_a_second_attempt_as_the_first() {
    let plain = Plain::default();
    let request = Request::get("https://api.workos.test/").body(Bytes::new()).unwrap();
    let answer = plain.send_on_new_connection(request, PATIENCE).await;
    assert_eq!(answer.unwrap_err(), TransportError::NotSent);
    assert_eq!(plain.0.load(Ordering::SeqCst), 1);
}

#[test]
fn every_lost_answer_has_words_of_its_own() {
    let errors = [
        (TransportError::NotSent, "the request could not be sent"),
        (TransportError::Lost, "the answer was lost"),
        (TransportError::TimedOut, "no answer in time"),
        (TransportError::TooLarge, "the answer is too large"),
    ];
    for (error, words) in errors {
        assert_eq!(error.to_string(), words);
    }
}
