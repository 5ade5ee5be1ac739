# The gateway as an image: `docker build -t dlog-gateway .`, then `docker run dlog-gateway --help`.
FROM node:22-bookworm-slim AS source
WORKDIR /app
# What npm must know, and nothing that changes with every commit: the layers below stay cached. The dashboard and the
# benchmarks stay out.
COPY package.json package-lock.json ./
COPY gateway/package.json gateway/
COPY gateway/bin gateway/bin
RUN npm pkg set --json 'workspaces=["gateway"]'

FROM source AS build
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.base.json ./
COPY src src
COPY gateway/tsconfig.json gateway/
COPY gateway/src gateway/src
RUN npx tsc -b

FROM source AS production
# The gateway links the SDK (file:..), which is the workspace's root: its dependencies belong here too.
RUN npm ci --omit=dev --no-audit --no-fund

FROM node:22-bookworm-slim
LABEL org.opencontainers.image.title="dlog gateway" org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=production /app/node_modules node_modules
COPY --from=production /app/gateway gateway
COPY --from=build /app/dist dist
COPY --from=build /app/gateway/dist gateway/dist
COPY package.json LICENSE ./
RUN ln -s /app/gateway/bin/dlog.js /usr/local/bin/dlog && install -d -o node -g node /data
USER node
# Of the embedded log only; on a Kafka cluster the gateway keeps nothing.
VOLUME /data
EXPOSE 9192
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9192/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# SIGTERM drains; give it longer than that takes (10 s): docker stop --time 20.
ENTRYPOINT ["dlog", "gateway", "--host", "0.0.0.0"]
# There is no authentication yet: the gateway refuses to listen for everyone unless --allow-unauthenticated is added.
CMD ["--data", "/data"]
