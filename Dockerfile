# The image of a Sargasso node: Node.js, the compiled program and what it needs at run time. The configuration comes by
# environment (SARGASSO_*) or flags; docs/configuration.md lists the options.
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No dependency needs an install script: all bring compiled binaries.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts scripts
COPY src src
COPY cluster cluster
RUN npm run build \
 && npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' -o -name '*.musl.node' \) -delete \
 && mkdir /data

FROM node:22-bookworm-slim
LABEL org.opencontainers.image.title="sargasso" \
      org.opencontainers.image.description="A Kafka-compatible broker cluster" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
ENV NODE_ENV=production \
    SARGASSO_DATA_DIR=/data
COPY --from=build /app/package.json ./
COPY LICENSE ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build --chown=node:node /data /data
USER node
VOLUME /data
# 9092 Kafka clients; 9644 /healthz, /readyz and /metrics.
EXPOSE 9092 9644
# SIGTERM hands over what the node owns and stops it (drain.timeout.ms); give it longer than that before SIGKILL.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9644/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/cluster/main.js"]
