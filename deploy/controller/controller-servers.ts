// The two HTTP servers of the controller, for the outside: metrics and readiness.
import { createHttpServer } from '../../common/admin/http-server.ts';
import { metricsRoutes } from '../../common/admin/metrics-routes.ts';
import { type Readiness, readinessRoutes } from '../../common/admin/readiness.ts';
import type { Runnable } from '../../common/lifecycle.ts';
import type { Logger } from '../../common/log.ts';
import type { MetricsRegistry } from '../../common/telemetry/metrics-registry.ts';
import type { ControllerConfig } from './config.ts';

export interface ControllerServersOptions {
  readonly config: Pick<ControllerConfig, 'metricsPort' | 'readinessPort'>;
  readonly registry: Pick<MetricsRegistry, 'expose'>;
  readonly readiness: Readiness;
  readonly log: Logger;
}

export interface ControllerServers extends Runnable {
  /** What they got, once started. */
  readonly ports: { readonly metrics: number; readonly readiness: number };
}

export function createControllerServers(options: ControllerServersOptions): ControllerServers {
  const { config, registry, readiness, log } = options;
  const metrics = createHttpServer({
    name: 'metrics server',
    listen: { host: 'any', port: config.metricsPort },
    routes: metricsRoutes((accept) => registry.expose(accept)),
    log,
  });
  const ready = createHttpServer({
    name: 'readiness server',
    listen: { host: 'any', port: config.readinessPort },
    routes: readinessRoutes(readiness),
    log,
  });
  const servers = [metrics, ready];
  return {
    get ports() {
      return { metrics: metrics.port, readiness: ready.port };
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
