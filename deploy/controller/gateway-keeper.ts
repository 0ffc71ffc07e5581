// Gives the Gateways of waypoints their addresses, without which nobody sends anything through them. In: the cluster. Out: how many
// could not be written; they are named in the log and come again with the next run.
import type { Logger } from '../../common/log.ts';
import type { GatewayStore } from './cluster-client.ts';
import { type PlannedStatus, planGateways } from './plan-gateways.ts';

/** Never throws: waypoints without an address are no reason to keep certificates back. */
export async function keepGateways(
  store: GatewayStore,
  clusterDomain: string,
  nowMs: number,
  log: Logger,
): Promise<{ readonly failed: number }> {
  let failed = 0;
  for (const { namespace, name, status } of await plan(store, clusterDomain, nowMs, log)) {
    const gateway = `${namespace}/${name}`;
    try {
      await store.writeGatewayStatus({ namespace, name }, status);
      log.info({ gateway }, 'waypoint got its address');
    } catch (error) {
      failed += 1;
      log.warn({ gateway, error }, 'address of the waypoint not written');
    }
  }
  return { failed };
}

async function plan(
  store: GatewayStore,
  clusterDomain: string,
  nowMs: number,
  log: Logger,
): Promise<readonly PlannedStatus[]> {
  try {
    const gateways = await store.listGateways();
    if (gateways.length === 0) return [];
    const services = await store.listGatewayServices();
    return planGateways({ gateways, services, clusterDomain, now: new Date(nowMs).toISOString() });
  } catch (error) {
    log.warn({ error }, 'Gateways could not be looked at');
    return [];
  }
}
