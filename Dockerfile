# One image for the worker and the command line: `docker run s3compact worker`, `docker run s3compact inspect 1 42`.
# Runs as a numeric non-root user and writes nothing: `--read-only --cap-drop ALL` is fine.
# `tini` is process 1: it hands SIGTERM on, so that a worker drains, and reaps what is orphaned.
# The base is pinned: the digest (of all platforms together) decides, the tag is for the reader. To take a newer one:
# docker buildx imagetools inspect node:24-bookworm-slim
ARG BASE=node:24.20.0-bookworm-slim@sha256:ba849c60be29959425b8734d57b8b4b7d56f98edd9504c9af091d5281095a71e

FROM ${BASE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No install scripts: the only one that is needed (the dev dependency `node`) would fetch a second Node.js.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/require-node.cjs scripts/
COPY src src
COPY workers workers
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${BASE}
RUN apt-get update \
  && apt-get install -y --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/*
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="s3compact" \
  org.opencontainers.image.description="Background worker that merges the fragments of files that CurveFS, JuiceFS and their like keep in S3" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="$VERSION" \
  org.opencontainers.image.revision="$REVISION"
# A small space for young objects: what sockets have read is let go sooner (docs/performance.md).
ENV NODE_ENV=production NODE_OPTIONS=--max-semi-space-size=4
WORKDIR /app
COPY package.json LICENSE ./
COPY bin bin
COPY scripts/require-node.cjs scripts/
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
RUN ln -s /app/bin/s3compact.js /usr/local/bin/s3compact
# The image's own user `node`, by number: Kubernetes' runAsNonRoot cannot judge a name.
USER 1000:1000
ENTRYPOINT ["/usr/bin/tini", "--", "s3compact"]
CMD ["--help"]
