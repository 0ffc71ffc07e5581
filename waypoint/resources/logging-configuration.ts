// Which access logs a waypoint writes for its traffic to one service. In: all Telemetry resources, the traffic, the mesh's providers. Out: files
// and collectors, with their formats and filters. Mode is SERVER. Source: waypoint-telemetry.md §2.4, §2.6.
import type { Expression } from '../../common/expressions/expression.ts';
import type { WaypointTraffic } from './attachment.ts';
import type { MeshTelemetry, Provider } from './mesh-telemetry.ts';
import { applicableTelemetries } from './metrics-configuration.ts';
import type { LoggingEntry, TelemetryResource } from './telemetry.ts';

/** A line is written where the filter is true; undefined: always. */
export type AccessLog = Extract<Provider, { kind: 'file' | 'otlp' }> & { readonly filter: Expression | undefined };

type ProviderState = { readonly kind: 'on'; readonly filter: Expression | undefined } | { readonly kind: 'off' };

export function configureLogging(
  telemetries: readonly TelemetryResource[],
  traffic: WaypointTraffic,
  mesh: MeshTelemetry,
): readonly AccessLog[] {
  const levels = applicableTelemetries(telemetries, traffic)
    .map(({ accessLogging }) => accessLogging.filter(({ mode }) => mode !== 'client'))
    .filter((entries) => entries.length > 0);
  if (levels.length === 0 && mesh.defaultLogs.length === 0) {
    return mesh.legacyLog === undefined ? [] : [{ ...mesh.legacyLog, filter: undefined }];
  }
  return [...mergeLogs(levels, mesh.defaultLogs)].flatMap(([name, state]) => {
    const provider = mesh.providers.get(name);
    if (state.kind === 'off' || (provider?.kind !== 'file' && provider?.kind !== 'otlp')) return [];
    return [{ ...provider, filter: state.filter }];
  });
}

/** Names of providers in lower case. A level that names any replaces those of the levels above. */
export function mergeLogs(
  levels: readonly (readonly LoggingEntry[])[],
  defaults: readonly string[],
): ReadonlyMap<string, ProviderState> {
  let inScope = new Set(lowerCase(defaults));
  for (const entries of levels) {
    const named = entries.flatMap(({ providers }) => lowerCase(providers));
    if (named.length > 0) inScope = new Set(named);
  }
  const states = new Map<string, ProviderState>([...inScope].map((name) => [name, { kind: 'on', filter: undefined }]));
  let inherited = lowerCase(defaults);
  for (const entry of levels.flat()) {
    if (entry.providers.length > 0) inherited = lowerCase(entry.providers);
    for (const name of inherited) {
      if (!inScope.has(name)) continue;
      states.set(name, entry.disabled === true ? { kind: 'off' } : { kind: 'on', filter: entry.filter });
    }
  }
  return states;
}

function lowerCase(names: readonly string[]): readonly string[] {
  return names.map((name) => name.toLowerCase());
}
