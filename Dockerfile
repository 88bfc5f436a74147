# The programs that compose.yaml runs, for development and tests: `docker compose up --build`, then http://localhost:3000.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package authkit-cli --package starter

# Signs anybody in. Publish its port on 127.0.0.1 alone.
FROM debian:bookworm-slim AS emulator
COPY --from=build /src/target/release/authkit /usr/local/bin/authkit
USER nobody
EXPOSE 4100
STOPSIGNAL SIGINT
ENTRYPOINT ["authkit"]
CMD ["emulator", "--host", "0.0.0.0"]

FROM debian:bookworm-slim AS starter
# In front of WorkOS itself, its certificates are checked with these.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/starter /usr/local/bin/starter
USER nobody
ENV HOST=0.0.0.0
EXPOSE 3000
ENTRYPOINT ["starter"]
