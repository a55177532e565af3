# Builds with the compiler and the headers that node-rdkafka needs (TLS, zstd, Kerberos); runs without them, as a user
# without rights. The libraries are named one by one: what is found by chance while compiling is missed at run time.
FROM node:20-bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
    ca-certificates g++ libsasl2-dev libssl-dev libzstd-dev make python3 zlib1g-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:20-bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
    ca-certificates libsasl2-2 libsasl2-modules libsasl2-modules-gssapi-mit libssl3 libzstd1 zlib1g && rm -rf /var/lib/apt/lists/*
WORKDIR /app
# In a container loopback is nobody's address: who may reach the port is for its network to say.
ENV NODE_ENV=production GPU_ACTUARY_HTTP_HOST=0.0.0.0
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/operators/decode/wasm/json-match.wasm ./operators/decode/wasm/json-match.wasm
COPY --from=build /app/schema ./schema
COPY --from=build /app/models/champion ./models/champion
COPY --from=build /app/serving/page ./serving/page
# A library that is missing here is better met now than at the first start.
RUN node dist/cli.cjs model show
USER node
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.GPU_ACTUARY_HTTP_PORT ?? 8080}/healthz`).then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# The young generation holds what a batch leaves behind: 8 MB do as well as the usual 16, for 15 MB less a process.
ENTRYPOINT ["node", "--max-semi-space-size=8", "dist/cli.cjs"]
CMD ["run"]
