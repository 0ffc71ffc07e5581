// The three HTTP servers of this process: admin on loopback, metrics and readiness for the outside (ztunnel.md §1, §12).
import { adminRoutes } from '../common/admin/admin-routes.ts';
import { createHttpServer } from '../common/admin/http-server.ts';
import { metricsRoutes } from '../common/admin/metrics-routes.ts';
import { profileRoutes } from '../common/admin/profile-routes.ts';
import { createProfiler } from '../common/admin/profiler-process.ts';
import { type Readiness, readinessRoutes } from '../common/admin/readiness.ts';
import type { Json } from '../common/admin/sorted-json.ts';
import type { Runnable } from '../common/lifecycle.ts';
import type { Logging } from '../common/logger.ts';
import type { MetricsRegistry } from '../common/telemetry/metrics-registry.ts';
import type { ServerPorts, ZtunnelConfig } from './config.ts';

export interface NodeServersOptions {
  readonly config: ZtunnelConfig;
  readonly logging: Logging;
  readonly metrics: MetricsRegistry;
  readonly readiness: Readiness;
  readonly dumpConfig: () => Promise<Json>;
  readonly onShutdown: () => void;
}

export interface NodeServers extends Runnable {
  /** What they got, once started. */
  readonly ports: ServerPorts;
}

export function createNodeServers(options: NodeServersOptions): NodeServers {
  const { config, logging, metrics, readiness, dumpConfig, onShutdown } = options;
  const { ports } = config;
  const log = logging.logger('http');
  // Without capture this is somebody's own machine: nothing there is for others.
  const host = config.mode.kind === 'explicit' ? 'loopback' : 'any';
  const admin = createHttpServer({
    name: 'admin server',
    listen: { host: 'loopback', port: ports.admin },
    routes: [
      ...adminRoutes({ title: 'ztunnel', dumpConfig, logging, shutdown: onShutdown }),
      ...profileRoutes(createProfiler()),
    ],
    log,
  });
  const stats = createHttpServer({
    name: 'metrics server',
    listen: { host, port: ports.metrics },
    routes: metricsRoutes((accept) => metrics.expose(accept)),
    log,
  });
  const ready = createHttpServer({
    name: 'readiness server',
    listen: { host, port: ports.readiness },
    routes: readinessRoutes(readiness),
    log,
  });
  const servers = [admin, stats, ready];
  return {
    get ports() {
      return { admin: admin.port, metrics: stats.port, readiness: ready.port };
    },
    async start() {
      for (const server of servers) await server.start();
    },
    async drain(deadlineMs) {
      await Promise.all(servers.map((server) => server.drain(deadlineMs)));
    },
    async close() {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}
