# `wdistill serve` in a small image that runs as a user:
#   docker build -t wdistill .
#   docker run -p 5000:5000 -v "$PWD/models:/models:ro" wdistill
# where models/ holds model folders named after their languages, as en-de. Another command of wdistill:
#   docker run -v "$PWD:/work" -w /work wdistill translate --model models/en-de < news.en

FROM rust:1-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --package wdistill-cli

FROM debian:bookworm-slim
COPY --from=build /source/target/release/wdistill /usr/local/bin/wdistill
RUN useradd --create-home --uid 10001 wdistill
USER wdistill
EXPOSE 5000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/5000 && printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '\"ok\"' <&3"]
ENTRYPOINT ["wdistill"]
CMD ["serve", "--models", "/models", "--host", "0.0.0.0"]
