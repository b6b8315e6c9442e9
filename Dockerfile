# syntax=docker/dockerfile:1

# --- build: the compiler and every package, none of which is in what runs
FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Native code comes ready-made as optional packages: no package needs its install script.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npx tsc -p tsconfig.build.json \
 && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

# --- runtime: what both images below share
FROM node:20-bookworm-slim AS runtime
ENV NODE_ENV=production \
    FLEETLOG_DATA_DIR=/data
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/samples ./samples
RUN mkdir /data && chown node:node /data
VOLUME /data
# HTTP, GraphQL and WebSocket; MQTT; MQTT over TLS; CoAP; CoAP over DTLS
EXPOSE 8080 8443 1883 8883 5683/udp 5684/udp
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.FLEETLOG_HTTP_PORT || 8080}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "dist/src/main.js"]

# --- all-in-one: for one machine, with the servers that the platform runs as children.
#     docker build --target all-in-one -t fleetlog:all-in-one .
#     docker run --init -p 8080:8080 -p 1883:1883 -v fleetlog:/data fleetlog:all-in-one
FROM runtime AS all-in-one
# The base image's policy-rc.d keeps apt from starting the packaged services.
RUN apt-get update \
 && apt-get install -y --no-install-recommends nats-server influxdb \
 && rm -rf /var/lib/apt/lists/*
USER node

# --- platform: the default, wired to real servers by their URLs (docker-compose.yml)
FROM runtime AS platform
USER node
