//! nginx in front of a service, as a cache that all its users share.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::{net::TcpStream, time::sleep};

use crate::served::{Served, free_port};

/// An nginx on a port of its own that keeps whatever it may; dropping it ends it.
///
/// It caches what no header keeps it from caching, also what sets a cookie, and tells users apart by `Vary` alone.
#[derive(Debug)]
pub struct SharedCache {
    process: Child,
    folder: PathBuf,
    port: u16,
    _upstream: Served,
}

impl SharedCache {
    /// Starts one in front of the service that `serve` starts, which is told the origin that browsers will see.
    ///
    /// # Panics
    ///
    /// If there is no nginx (Debian package `nginx`), or it does not start.
    pub async fn start(serve: impl AsyncFn(&str) -> Served) -> Self {
        // The port is free when it is chosen and may be taken a moment later, hence more than one try.
        for _ in 0..5 {
            let port = free_port();
            let upstream = serve(&format!("http://localhost:{port}")).await;
            let folder = folder();
            let process = spawn(&folder, &configuration(port, upstream.address().port()));
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

impl Drop for SharedCache {
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
    // Where Debian puts it is not on every user's path.
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
fn configuration(port: u16, upstream: u16) -> String {
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
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_cache shared;
            proxy_cache_key $request_method$request_uri;
            proxy_cache_methods GET HEAD;
            proxy_cache_valid any 10m;
            proxy_ignore_headers Set-Cookie;
            add_header X-Cache $upstream_cache_status always;
        }}
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
