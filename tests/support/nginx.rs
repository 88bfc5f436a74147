//! nginx in front of a service: as a cache that all users share, or as a proxy that strips a prefix.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::{net::TcpStream, time::sleep};

use crate::served::{Served, free_port};

/// An nginx on a port of its own; dropping it ends it.
#[derive(Debug)]
pub struct Nginx {
    process: Child,
    folder: PathBuf,
    port: u16,
    _upstream: Served,
}

impl Nginx {
    /// Starts an nginx with a cache, in front of the service that `serve` starts. `serve` gets the origin that browsers see.
    ///
    /// The cache stores every response that its headers do not exclude, even one that sets a cookie, and distinguishes users
    /// by `Vary` alone.
    ///
    /// # Panics
    ///
    /// If there is no nginx (Debian package `nginx`), or it does not start.
    pub async fn sharing_a_cache(serve: impl AsyncFn(&str) -> Served) -> Self {
        Self::start(serve, |upstream| {
            format!(
                "\
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_cache shared;
            proxy_cache_key $request_method$request_uri;
            proxy_cache_methods GET HEAD;
            proxy_cache_valid any 10m;
            proxy_ignore_headers Set-Cookie;
            add_header X-Cache $upstream_cache_status always;
        }}"
            )
        })
        .await
    }

    /// Starts one that strips `prefix` from the paths of requests, and answers others with 404.
    ///
    /// # Panics
    ///
    /// As [`sharing_a_cache`](Self::sharing_a_cache).
    pub async fn stripping(prefix: &str, serve: impl AsyncFn(&str) -> Served) -> Self {
        Self::start(serve, |upstream| {
            format!("        location {prefix}/ {{ proxy_pass http://127.0.0.1:{upstream}/; }}")
        })
        .await
    }

    async fn start(serve: impl AsyncFn(&str) -> Served, locations: impl Fn(u16) -> String) -> Self {
        // Another process may take the free port first, so there are several tries.
        for _ in 0..5 {
            let port = free_port();
            let upstream = serve(&format!("http://localhost:{port}")).await;
            let folder = folder();
            let locations = locations(upstream.address().port());
            let process = spawn(&folder, &configuration(port, &locations));
            let mut cache = Self { process, folder, port, _upstream: upstream };
            if cache.is_up().await {
                return cache;
            }
        }
        panic!("nginx does not start: is the Debian package `nginx` installed?");
    }

    /// The URL of a path of the service, as browsers see it.
    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    async fn is_up(&mut self) -> bool {
        for _ in 0..200 {
            if self.process.try_wait().is_ok_and(|exit| exit.is_some()) {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return true;
            }
            sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(folder: &Path, configuration: &str) -> Child {
    fs::create_dir_all(folder).expect("there is room for temporary files");
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration).expect("there is room for temporary files");
    // Debian's folder for nginx is not on every user's path.
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    Command::new("nginx")
        .env("PATH", path)
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the Debian package `nginx` is installed")
}

/// One process, so that ending it leaves nothing behind; every path below the folder.
fn configuration(port: u16, locations: &str) -> String {
    format!(
        "\
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    fastcgi_temp_path fastcgi;
    proxy_temp_path proxy;
    scgi_temp_path scgi;
    uwsgi_temp_path uwsgi;
    proxy_cache_path cache keys_zone=shared:1m;
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
{locations}
    }}
}}
"
    )
}

fn folder() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("authkit-nginx-{}-{number}", std::process::id()))
}
