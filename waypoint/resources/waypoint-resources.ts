// The resources that shape a waypoint's telemetry, out of everything there is. In: Kubernetes objects. Out: the parsed ones, and
// their problems; an object that cannot be used does not touch the others.
import { apiGroup, type KubernetesObject } from '../../common/sources/kubernetes-object.ts';
import type { ResourceProblem } from '../../common/sources/resource-problem.ts';
import { parseTelemetry, type TelemetryResource } from './telemetry.ts';
import { parseWasmPlugin, type WasmPlugin } from './wasm-plugin.ts';

export interface WaypointResources {
  readonly telemetries: readonly TelemetryResource[];
  readonly plugins: readonly WasmPlugin[];
  readonly problems: readonly ResourceProblem[];
}

export const noResources: WaypointResources = { telemetries: [], plugins: [], problems: [] };

export function readWaypointResources(objects: readonly KubernetesObject[]): WaypointResources {
  const telemetries: TelemetryResource[] = [];
  const plugins: WasmPlugin[] = [];
  const problems: ResourceProblem[] = [];
  for (const object of objects) {
    if (object.kind === 'Telemetry' && apiGroup(object) === 'telemetry.istio.io') {
      const parsed = parseTelemetry(object);
      if (parsed.telemetry !== undefined) telemetries.push(parsed.telemetry);
      problems.push(...parsed.problems);
    } else if (object.kind === 'WasmPlugin' && apiGroup(object) === 'extensions.istio.io') {
      const parsed = parseWasmPlugin(object);
      if (parsed.plugin !== undefined) plugins.push(parsed.plugin);
      problems.push(...parsed.problems);
    }
  }
  return { telemetries, plugins, problems };
}
