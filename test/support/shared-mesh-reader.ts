// A thread that reads a shared mesh without a pause while another one changes it. In (workerData): the memory, and the
// addresses to ask for. Out: what it has seen, when it is told to end, with everything that no single moment held.
import { parentPort, workerData } from 'node:worker_threads';
import type { MeshMemory } from '../../common/mesh/shared/mesh-memory.ts';
import { openSharedMesh } from '../../common/mesh/shared/shared-mesh.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { IpAddress } from '../../common/net/address.ts';

export interface ReaderOrder {
  readonly memory: MeshMemory;
  readonly workloadIps: readonly IpAddress[];
  /** Always of some service. */
  readonly serviceIp: IpAddress;
  /** Not 0: this reader ends. */
  readonly stop: Int32Array;
}

export interface ReaderReport {
  readonly lookUps: number;
  /** Different values of one object that it has met. */
  readonly versions: number;
  readonly endpoints: number;
  readonly wrong: readonly string[];
}

const { memory, workloadIps, serviceIp, stop } = workerData as ReaderOrder;
const mesh = openSharedMesh(memory);
const wrong: string[] = [];
const versions = new Set<string>();
let lookUps = 0;
let endpoints = 0;

/** Every text of such a workload was written with the same number. */
function isWhole({ name, node, canonicalName, workloadName, services }: Workload): boolean {
  const number = node.split('-')[0];
  return [canonicalName, workloadName, name].every((text) => text.endsWith(`#${number}`)) && services.size === 1;
}

parentPort?.postMessage('reading');
while (Atomics.load(stop, 0) === 0 && wrong.length < 5) {
  for (const ip of workloadIps) {
    lookUps += 1;
    const workload = mesh.workloadByAddress('', ip);
    if (workload === undefined) continue;
    versions.add(workload.node);
    if (!isWhole(workload)) wrong.push(`torn: ${JSON.stringify(workload)}`);
  }
  const service = mesh.serviceByAddress('', serviceIp, undefined);
  if (service === undefined) {
    wrong.push('the service that is replaced was away');
    continue;
  }
  for (const { workload } of mesh.endpointsOf(service)) {
    endpoints += 1;
    if (!isWhole(workload)) wrong.push(`torn endpoint: ${JSON.stringify(workload)}`);
  }
}
const report: ReaderReport = { lookUps, versions: versions.size, endpoints, wrong };
parentPort?.postMessage(report);
