//! What the page says around the figures.

pub(crate) const HEAD: &str = "\
# Benchmarks

What checking a session costs, beside the official SDK and the usual crates: all of it measured in one run on one
machine, so that the ratios mean something even where the times do not.

";

pub(crate) const REQUESTS: &str = "\
## One request

The decision about one request's headers, in one thread of one process: the cookie is 2.5 KB, its access token 1.2 KB.
\"Known\" is a cookie that was verified before; the session cache answers it without cryptography. With the cache off,
each request opens and verifies the cookie. The hand-made cache is a `RwLock` around a map from the whole cookie to the
session and its expiry, without limit and without revocation. The SDK reads the same session in the format that it writes itself.

| | time | times as fast as the SDK | allocations |
|---|---|---|---|
";

pub(crate) const SERVICES: &str = "
## A whole service

axum on one core under `wrk` with 32 connections on another, three rounds in turns, the best of each. Every service
answers `GET /` with the user's address. \"Extra\" is the processor time of the server, user and system, beyond that of
the service without sessions that is sent no cookie; throughput is a share of that service's. A cookie that holds the
whole session takes time to arrive, whoever reads it: the second and the third row show how much.

| | processor time a request | extra | requests a second | throughput |
|---|---|---|---|---|
";

pub(crate) const STORM: &str = "
## While sessions expire

5,000 sessions have expired, and each sends its next request within one second. 20 other users, whose sessions are good,
send 50 requests a second each for the 6 seconds from then on; theirs are the times. WorkOS takes 100 ms for a refresh, and
40 a second are let out to it, so that most of the 5,000 are asked to come back. The service without sessions is sent the
same requests. Both are axum on one core; three rounds in turns.

";

pub(crate) const CORES: &str = "
## Two cores

Decisions about known cookies, in one thread and in two, while sessions are refreshed. 10,000 sessions do not fit the
processor's caches, and 100 do. Two services share nothing that the code could lock: what they lack to twice the requests
of one thread is what two cores share, the memory and the last cache in front of it.

| | requests a second in one thread | in two | times one thread, the median of five rounds |
|---|---|---|---|
";

pub(crate) const BUILDS: &str = "
## A first build

What a clean debug build takes of the processor, user and system, with Cargo's own profile; two rounds in turns, the
least of each.

| | processor time | times axum alone | crates |
|---|---|---|---|
";

pub(crate) const PACKAGES: &str = "
How long the compilers and the build script of a package ran, of the twelve longest (`hello` is axum alone):

";

pub(crate) const MEMORY: &str = "
## Memory

";

pub(crate) const AIMS: &str = "
## What we aim at

| | measured | wanted | reached |
|---|---|---|---|
";

pub(crate) const REASONS: &str = "
What was tried where the answer is no, what it brought, and why the rest stays. Instructions are of `cargo xtask bench
--count`; they repeat on every machine, where times do not.

- **Cache off.** Reading the cookie's and the token's JSON in place and in one pass took 49 allocations to 14, and 1.57 times
  the cryptography to 1.35; looking at short strings eight bytes at a time took a tenth of what was left. The rest is the
  escapes and the base64 of a cookie of 2.5 KB (17,000 instructions), the syntax of two JSON objects (35,000), and what the
  session keeps of them. `serde_json` would take three times as long for the JSON, and parsers that are faster need `unsafe`
  code. With a processor whose RSA takes longer, the share is smaller.
- **Throughput for the same requests.** The decision takes 1,441 instructions (2,180 at first). With the entries and fields
  that any such layer leaves on a request and its response, the layer takes 5,076, and axum without it 16,400:
  [decision 15](decisions/0015-a-layer-costs-what-it-leaves.md). It is the same for every service, so that it shows less the more
  a handler does.
- **Throughput, times that without cookies.** A session that travels in a cookie has to be received with each request: that
  is the row of the service without sessions that is sent our cookie.
- **Two cores.** No lock and no written cache line is common to all requests
  ([decision 11](decisions/0011-no-lock-that-all-share.md)). Where the row of 10,000 sessions is below the aim, compare it with
  two services that share nothing: the memory is what both threads wait for.
- **Others' requests while sessions expire.** Each session that has expired is opened, and its signature verified, before it is
  refreshed or asked to come back: 5,000 times 17 us in a second, on the one core that the others wait for. A signature that is
  not verified must not decide who is asked to come back and who to sign in. Tenths of a millisecond differ by half from
  round to round.
- **Known requests of 100,000 sessions.** A session in the cache has its whole cookie, which is compared with the one
  presented: 2.5 of 3.25 KB. Sharing what tokens and claims repeat took it from 6.9 KB. The share of known requests is near the
  most that any choice of so many sessions can reach, since each session is new once;
  [decision 7](decisions/0007-known-by-the-whole-cookie.md) says why the cookie is not replaced by its hash.
- **Garbage.** 16 KiB of garbage have to be decoded, and 12 KiB hashed under the key, before it shows that nothing is sealed in
  them: seven tenths of what it takes more than with a service that does not look. The answer, a 401 that says where to sign
  in, is another tenth. Longer values are refused by their length.
- **Builds.** `cookie` and `time` were replaced by the few lines that were used of them, cryptography became a feature, and
  nothing of `tokio` or `reqwest` is on that is not needed. Half of what is left is the HTTPS client in the second row, which
  every service has that calls WorkOS itself. The packages that take longest are listed: `url`, which `reqwest` needs too,
  brings ICU for international domain names, and `aws-lc-rs` builds C.
";
